"""What the parts of the guard share: what names mean in a query, and what is done with a difference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dbt.adapters.localspark.guard.differences import DIFFERENCES
from dbt.adapters.localspark.guard.spark_types import Decimal, Type
from dbt.adapters.localspark.guard.statement import Statement
from dbt.adapters.localspark.guard.text import (
    decimal_of_double,
)
from sqlglot import exp

Columns = list[tuple[str, Type]]
# Names of a table's columns with their types as SQL writes them, None for a table that can't be asked.
ColumnsOf = Callable[[str], list[tuple[str, str]] | None]


@dataclass
class Refused(Exception):
    """A statement that Sail would answer otherwise than Spark, and that has no equal form."""

    name: str
    spot: str


@dataclass(frozen=True)
class Verdict:
    """What becomes of a statement: its text for Sail, or what was found in it that Sail gets wrong."""

    sql: str
    rewritten: tuple[str, ...] = ()
    refused: str = ""
    spot: str = ""
    tables: tuple[str, ...] = ()
    # Of a query, where they are known.
    columns: Columns | None = None


@dataclass
class Scope:
    """What names mean in one query."""

    sources: list[tuple[str, Columns | None]] = field(default_factory=list)
    outer: Scope | None = None
    aliases: dict[str, exp.Expression] = field(default_factory=dict)
    kinds: dict[str, Type] = field(default_factory=dict)
    bound: set[str] = field(default_factory=set)

    def column(self, table: str, name: str) -> tuple[bool, Type]:
        """Tell whether a column may be one of the sources', and its type."""
        for alias, columns in self.sources:
            if table and alias != table:
                continue
            if columns is None:
                return True, None
            for column, kind in columns:
                if column.lower() == name:
                    return True, kind
        return (False, None) if self.outer is None else self.outer.column(table, name)


class Base:
    """Walks through one statement, from the innermost query outwards."""

    def __init__(self, statement: Statement, columns_of: ColumnsOf) -> None:
        self.on, self.columns_of = statement, columns_of
        self.rewritten: set[str] = set()
        self.tables: set[str] = set()
        self._wrapped: set[int] = set()

    # --- what is done with a difference --------------------------------------------------------------------------

    def refuse(self, name: str, node: exp.Expression) -> None:
        """Stop at a difference that has no equal form."""
        place = self.on.place(node) or (0, 0)
        while place == (0, 0) and node.parent is not None:
            node = node.parent
            place = self.on.place(node) or (0, 0)
        assert name in DIFFERENCES, name
        raise Refused(name, self.on.sql[slice(*place)])

    def replace(self, name: str, node: exp.Expression, text: Callable[[str], str]) -> None:
        """Have another text stand for a node."""
        assert name in DIFFERENCES, name
        if not self.on.change(node, text):
            self.refuse(name, node)
        self.rewritten.add(name)

    def cast(self, name: str, node: exp.Expression, kind: Type, was: Type) -> None:
        """Write a cast around a node, exact between decimals and doubles."""
        if isinstance(node, exp.Alias):
            node = node.this
        if kind == "double" and isinstance(was, Decimal):
            if isinstance(node, exp.Literal):
                self.replace(name, node, lambda text: f"{text}d")
            else:
                self.replace(name, node, lambda text: f"cast(cast({text} as string) as double)")
        elif kind == "double" and was == "float":
            self.replace(name, node, lambda text: f"cast({text} as double)")
        elif isinstance(kind, Decimal) and was in ("double",):
            self.replace(name, node, lambda text: decimal_of_double(text, kind))
        else:
            self.replace(name, node, lambda text: f"cast({text} as {kind})")
