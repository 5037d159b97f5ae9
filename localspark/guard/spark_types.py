"""Spark's types and how it combines them in ANSI mode (docs/sql-ref-ansi-compliance.md of Apache Spark).

A type is its name in SQL; a decimal is ``Decimal(precision, scale)``, an integer may be known not to be large.
"""

from __future__ import annotations

import re
from typing import NamedTuple

LARGEST = 38
INTEGERS = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
LONGER = {"integer": "int", "long": "bigint", "short": "smallint", "byte": "tinyint", "real": "float", "void": "void"}
# A count, a rank or a part of a date: what is added to it or multiplied with another one does not overflow.
SMALL, SMALLER = 2**40, 2**20


class Decimal(NamedTuple):
    """A decimal type."""

    precision: int
    scale: int

    def __str__(self) -> str:
        return f"decimal({self.precision},{self.scale})"


class Integer(str):
    """An integer type whose values are known to be at most ``limit`` from zero."""

    limit: int

    def __new__(cls, name: str, limit: int) -> Integer:
        """Name the type and its limit."""
        made = super().__new__(cls, name)
        made.limit = limit
        return made


Type = str | Decimal | None


def parse(name: str) -> Type:
    """Return the type that SQL writes so."""
    name = re.sub(r"\s+", " ", name.strip().lower())
    if found := re.fullmatch(r"(?:decimal|dec|numeric)(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", name):
        return Decimal(int(found[1] or 10), int(found[2] or 0))
    if re.fullmatch(r"(?:varchar|char)\(\d+\)|text", name):
        return "string"
    return LONGER.get(name, name)


def is_integer(kind: Type) -> bool:
    """Tell whether a type is a whole number's."""
    return isinstance(kind, str) and kind in INTEGERS


def is_double(kind: Type) -> bool:
    """Tell whether a type is binary floating point."""
    return kind in ("double", "float")


def is_number(kind: Type) -> bool:
    """Tell whether a type is a number's."""
    return isinstance(kind, Decimal) or is_integer(kind) or is_double(kind)


def as_decimal(kind: Type) -> Decimal | None:
    """Return the decimal type that holds a whole number's type, or the decimal itself."""
    if isinstance(kind, Decimal):
        return kind
    return Decimal(INTEGERS[kind], 0) if isinstance(kind, str) and kind in INTEGERS else None


def fitted(precision: int, scale: int) -> Decimal:
    """Return the type of a result that may need more than 38 digits: fractions give way, down to six digits."""
    if precision <= LARGEST:
        return Decimal(precision, scale)
    least = min(scale, 6)
    return Decimal(LARGEST, max(LARGEST - (precision - scale), least))


def arithmetic(operator: str, left: Decimal, right: Decimal) -> Decimal:
    """Return the type of a sum, product, quotient or rest of two decimals."""
    (p1, s1), (p2, s2) = left, right
    if operator in ("+", "-"):
        return fitted(max(p1 - s1, p2 - s2) + max(s1, s2) + 1, max(s1, s2))
    if operator == "*":
        return fitted(p1 + p2 + 1, s1 + s2)
    if operator == "/":
        scale = max(6, s1 + p2 + 1)
        return fitted(p1 - s1 + s2 + scale, scale)
    return fitted(min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2))


def sails(operator: str, left: Decimal, right: Decimal) -> Decimal:
    """Return the type that Sail gives a sum, product or rest of two decimals."""
    (p1, s1), (p2, s2) = left, right
    if operator == "*":
        return Decimal(min(p1 + p2 + 1, LARGEST), s1 + s2)
    if operator == "%":
        return Decimal(0, 0)
    return Decimal(min(max(p1 - s1, p2 - s2) + max(s1, s2) + 1, LARGEST), max(s1, s2))


def wider(left: Type, right: Type) -> Type:  # noqa: PLR0911
    """Return the type that holds values of both, as branches of a union, a case or coalesce need; None if unknown."""
    if left is None or right is None:
        return None
    if left == right:
        return left if not isinstance(left, Integer) or isinstance(right, Integer) else right
    if "void" in (left, right):
        return right if left == "void" else left
    for one, other in ((left, right), (right, left)):
        if one == "string":
            if is_integer(other):
                return "bigint"
            return "double" if is_number(other) else other
    if is_number(left) and is_number(right):
        if is_double(left) or is_double(right):
            return "double"
        if is_integer(left) and is_integer(right):
            return max(str(left), str(right), key=lambda kind: INTEGERS[kind])
        one, other = as_decimal(left), as_decimal(right)
        assert one and other
        scale, whole = max(one.scale, other.scale), max(one.precision - one.scale, other.precision - other.scale)
        return Decimal(min(whole + scale, LARGEST), min(scale, LARGEST))
    times = {"date": 0, "timestamp_ntz": 1, "timestamp": 2}
    if left in times and right in times:
        return max((left, right), key=lambda kind: times[str(kind)])
    return None


def widest(kinds: list[Type]) -> Type:
    """Return the type that holds values of all."""
    result: Type = "void"
    for kind in kinds:
        result = wider(result, kind)
    # A whole decimal first and a double later: the double decides, whatever the order.
    return result
