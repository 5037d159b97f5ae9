"""The texts that rewrites are made of, and what is read off single nodes."""

from __future__ import annotations

import re
from typing import Any

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.spark_types import Decimal, Integer, Type
from sqlglot import exp


def frame(window: Any) -> str:
    """Return how the frame of a window moves: it grows, shrinks, slides, or is the whole partition."""
    spec = window.args.get("spec")
    if spec is None:
        return "growing" if window.args.get("order") is not None or window.args.get("alias") is not None else "whole"
    start, end = str(spec.args.get("start") or "").upper(), str(spec.args.get("end") or "").upper()
    if start == "UNBOUNDED":
        return "whole" if end == "UNBOUNDED" else "growing"
    return "shrinking" if end == "UNBOUNDED" else "sliding"


def within(top: Any, node: Any) -> bool:
    """Tell whether a node is another one's call: the function itself, not one of its arguments."""
    while isinstance(top, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
        top = top.this
    return top is node


def limit_of(kind: Type) -> int:
    """Return how far from zero the values of a whole number's type can be."""
    return (
        kind.limit
        if isinstance(kind, Integer)
        else {"tinyint": 2**7, "smallint": 2**15, "int": 2**31}.get(str(kind), 2**63)
    )


def literal_type(node: Any, kind: Type) -> Decimal | None:
    """Return the decimal type of an operand; a whole number that is written out has just its digits."""
    plain = node
    while isinstance(plain, exp.Neg | exp.Paren):
        plain = plain.this
    if isinstance(plain, exp.Cast) and isinstance(plain.this, exp.Literal) and types.is_integer(kind):
        plain = plain.this if isinstance(kind, Integer) else plain
    if isinstance(plain, exp.Literal) and types.is_integer(kind) and plain.name.isdigit():
        return Decimal(len(plain.name.lstrip("0")) or 1, 0)
    return types.as_decimal(kind)


def whole_number(node: Any) -> int | None:
    """Return the value of a literal whole number."""
    negative = isinstance(node, exp.Neg)
    literal = node.this if negative else node
    if isinstance(literal, exp.Literal) and literal.name.isdigit():
        return -int(literal.name) if negative else int(literal.name)
    return None


def rounded(kind: Decimal, places: int) -> Decimal:
    """Return the type of a rounded decimal."""
    whole = kind.precision - kind.scale + 1
    if places < 0:
        return Decimal(min(max(whole, -places + 1), types.LARGEST), 0)
    scale = min(kind.scale, places)
    return Decimal(min(whole + scale, types.LARGEST), scale)


def quotient(above: str, below: str, scale: int, result: Decimal) -> str:
    """Write a division of decimals with one digit more than wanted, and round it half up."""
    return f"cast(cast({above} as decimal(38,{scale})) / {below} as {result})"


def converted(text: str, kind: Type, was: Type) -> str:
    """Write a value of one type as another one, exactly."""
    if kind == was or kind is None:
        return text
    if kind == "double" and isinstance(was, Decimal):
        return f"cast(cast({text} as string) as double)"
    if isinstance(kind, Decimal) and was == "double":
        return decimal_of_double(text, kind)
    return f"cast({text} as {kind})"


def decimal_of_double(value: str, kind: Decimal) -> str:
    """Write a double's shortest notation as a decimal, rounded half up; Sail can't read an exponent as a decimal."""
    text = f"cast({value} as string)"
    digits = f"replace(replace(split_part({text}, 'e', 1), '-', ''), '.', '')"
    power = f"coalesce(try_cast(split_part({text}, 'e', 2) as int), 0)"
    sign = f"if({value} < 0, '-', '')"
    return (
        f"cast(case when abs({value}) < 1e-{kind.scale + 2}d then '0' "
        f"when {text} like '%e-%' then concat({sign}, '0.', repeat('0', -({power}) - 1), {digits}) "
        f"when {text} like '%e%' then concat({sign}, rpad({digits}, {power} + 1, '0')) "
        f"else {text} end as {kind})"
    )


def seconds(timestamp: str, kind: str) -> str:
    """Write the whole seconds since 1970 of a timestamp, rounded down also before it."""
    return f"cast(floor(cast(unix_micros({timestamp}) as double) / 1000000d) as {kind})"


def filtered(aggregate: str, condition: str) -> str:
    """Write an aggregate over the rows of a condition."""
    found = re.search(r"filter\s*\(\s*where\b", aggregate, re.IGNORECASE)
    if found:
        return f"{aggregate[: found.end()]} {condition} and {aggregate[found.end() :]}"
    # What Sail is given for an average has several aggregates in it.
    return (
        re.sub(r"\b(sum|count)(\((?:[^()]|\([^()]*\))*\))", rf"\1\2 filter (where {condition})", aggregate)
        if (aggregate.startswith("cast(cast(sum("))
        else f"{aggregate} filter (where {condition})"
    )


def element_of(kind: Type) -> Type:
    """Return the type of the elements of an array."""
    return types.parse(kind[6:-1]) if isinstance(kind, str) and kind.startswith("array<") else None


def quoted(name: str) -> str:
    """Write a name so that it may hold any character."""
    return "`" + name.replace("`", "``") + "`"


def renamed(columns: list[tuple[str, Type]] | None, alias: Any) -> list[tuple[str, Type]] | None:
    """Return columns by the names that an alias such as ``t(a, b)`` gives them."""
    names = [name.name for name in (alias.args.get("columns") or [])] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return columns
    if columns is None or len(columns) != len(names):
        return [(name, None) for name in names]
    return [(name, kind) for name, (_, kind) in zip(names, columns, strict=True)]
