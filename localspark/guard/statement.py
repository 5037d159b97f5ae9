"""A statement as a tree whose nodes know their place in the text, and the text with some of its nodes replaced.

The tree is sqlglot's, in the dialect of Databricks, but a function keeps its written name and its arguments in order:
what is not replaced stays as it was written, to the letter.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, ClassVar

from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import ParseError, TokenError
from sqlglot.parsers.databricks import DatabricksParser
from sqlglot.tokens import TokenType

SPAN = "span"
# The methods of sqlglot's parser that return one node; its first and last token are known around their call.
PARSED = [
    "_parse_with", "_parse_cte", "_parse_table", "_parse_join",
    "_parse_expression",
    "_parse_range", "_parse_bitwise", "_parse_term", "_parse_factor", "_parse_unary", "_parse_type",
    "_parse_column", "_parse_atom", "_parse_primary", "_parse_function",
    "_parse_interval", "_parse_ordered", "_parse_lambda", "_parse_types", "_parse_where",
    "_parse_group", "_parse_having", "_parse_qualify", "_parse_order", "_parse_pivot", "_parse_lateral", "_parse_from",
    "_parse_id_var", "_parse_value", "_parse_derived_table_values",
    "_parse_string", "_parse_star",
]  # fmt: skip
KEPT = {"CAST", "TRY_CAST", "EXTRACT", "POSITION", "TRIM", "SUBSTRING", "OVERLAY"}


def _placed(name: str) -> Callable[..., Any]:
    plain = getattr(DatabricksParser, name)

    def parse(self: Any, *arguments: Any, **options: Any) -> Any:
        first = self._curr
        node = plain(self, *arguments, **options)
        if isinstance(node, exp.Expression) and SPAN not in node.meta:
            last = self._prev
            if first and last and last.end >= first.start:
                node.meta[SPAN] = (first.start, last.end + 1)
        return node

    return parse


class PlacedParser(DatabricksParser):
    """Databricks' parser; each node gets the place of its text, and every function keeps its written name."""

    FUNCTIONS: ClassVar = {}
    FUNCTION_PARSERS: ClassVar = {
        name: parse for name, parse in DatabricksParser.FUNCTION_PARSERS.items() if name in KEPT
    }
    NO_PAREN_FUNCTION_PARSERS: ClassVar = {
        name: parse for name, parse in DatabricksParser.NO_PAREN_FUNCTION_PARSERS.items() if name == "CASE"
    }

    def _parse_select(self, *arguments: Any, **options: Any) -> Any:
        starts = self.__dict__.setdefault("query_starts", [])
        starts.append(self._curr.start if self._curr else None)
        try:
            return _parse_select(self, *arguments, **options)
        finally:
            starts.pop()

    def _parse_query_modifiers(self, *arguments: Any, **options: Any) -> Any:
        # They end a query that has begun where the parser last began to look for one.
        node = _parse_query_modifiers(self, *arguments, **options)
        starts = self.__dict__.get("query_starts")
        if isinstance(node, exp.Select) and SPAN not in node.meta and starts and starts[-1] is not None and self._prev:
            node.meta[SPAN] = (starts[-1], self._prev.end + 1)
        return node


_parse_select, _parse_query_modifiers = _placed("_parse_select"), DatabricksParser._parse_query_modifiers
for _name in PARSED:
    setattr(PlacedParser, _name, _placed(_name))


class Statement:
    """One statement: its trees, and what replaces some of their nodes."""

    def __init__(self, sql: str) -> None:
        self.sql = sql
        dialect = Databricks()
        tokens = dialect.tokenize(sql)
        self.tokens = tokens
        self.trees = [tree for tree in PlacedParser(dialect=dialect).parse(tokens, sql) if tree is not None]
        self._starts = [token.start for token in tokens]
        self._changes: dict[int, list[Callable[[str], str]]] = {}
        # The nodes with a change in them, and their texts since the last change; nodes outlive their ids here.
        self._touched: dict[int, exp.Expression] = {}
        self._texts: dict[int, str] = {}
        self.literals: list[tuple[int, int, str]] = []

    @property
    def changed(self) -> bool:
        """Tell whether a node is replaced."""
        return bool(self._changes or self.literals)

    def place(self, node: exp.Expression) -> tuple[int, int] | None:
        """Return where a node's text begins and ends, None if that is not known."""
        found: tuple[int, int] | None = node.meta.get(SPAN)
        if found is None and isinstance(node, exp.Anonymous) and "start" in node.meta:
            found = node.meta["start"], self.closing(node.meta["end"] + 1)
        if isinstance(node, exp.Binary | exp.Predicate | exp.In | exp.Between) and isinstance(
            node.this, exp.Expression
        ):
            first, last = self.place(node.this), None
            if isinstance(node, exp.Binary) and isinstance(node.expression, exp.Expression):
                last = self.place(node.expression)
            if found is None and first and last:
                return first[0], last[1]
            if found and first:
                return min(found[0], first[0]), max(found[1], last[1] if last else 0)
        return found

    def closing(self, start: int) -> int:
        """Return the end of the parenthesis that opens at or after a place."""
        depth = 0
        for token in self.tokens[bisect_left(self._starts, start) :]:
            depth += (token.token_type == TokenType.L_PAREN) - (token.token_type == TokenType.R_PAREN)
            if depth == 0:
                return token.end + 1
        return len(self.sql)

    def arguments(self, node: exp.Anonymous) -> list[str]:
        """Return the texts of a function's arguments, with all changes."""
        return [self.text(argument) for argument in node.expressions]

    def change(self, node: exp.Expression, change: Callable[[str], str]) -> bool:
        """Have a function of its text so far replace a node's text; False if the node's place is not known."""
        if self.place(node) is None:
            return False
        self._changes.setdefault(id(node), []).append(change)
        self._texts.clear()
        above: exp.Expression | None = node
        while above is not None and id(above) not in self._touched:
            self._touched[id(above)] = above
            above = above.parent
        return True

    def written(self, node: exp.Expression) -> str:
        """Return the text of a node as the user wrote it."""
        place = self.place(node)
        return self.sql[slice(*place)] if place else node.sql("databricks")

    def text(self, node: exp.Expression) -> str:
        """Return the text of a node with all changes."""
        place = self.place(node)
        if place is None:
            return node.sql("databricks")
        if id(node) not in self._touched and not self.literals:
            return self.sql[slice(*place)]
        if id(node) not in self._texts:
            result = self._spliced(*place, node)
            for change in self._changes.get(id(node), []):
                result = change(result)
            self._texts[id(node)] = result
        return self._texts[id(node)]

    def between(self, start: int, end: int, node: exp.Expression) -> str:
        """Return a stretch of the text of a node, with the changes of what lies in it."""
        return self._spliced(start, end, node)

    def result(self) -> str:
        """Return the whole text with all changes."""
        parts: list[exp.Expression] = []
        for tree in self.trees:
            parts.append(tree)
        holder = exp.Tuple(expressions=[])
        return self._spliced(0, len(self.sql), holder, parts)

    def _spliced(self, start: int, end: int, node: exp.Expression, roots: list[exp.Expression] | None = None) -> str:
        pieces: list[tuple[int, int, str]] = [
            (first, last, text) for first, last, text in self.literals if start <= first and last <= end
        ]
        found: list[exp.Expression] = []
        waiting = list(roots) if roots is not None else list(node.iter_expressions())
        while waiting:
            child = waiting.pop()
            if id(child) in self._changes:
                found.append(child)
            elif id(child) in self._touched:
                waiting.extend(child.iter_expressions())
        for child in found:
            place = self.place(child)
            if place and start <= place[0] and place[1] <= end:
                pieces = [piece for piece in pieces if not (place[0] <= piece[0] and piece[1] <= place[1])]
                pieces.append((*place, self.text(child)))
        result, position = "", start
        for first, last, text in sorted(pieces):
            if first < position:
                continue
            result += self.sql[position:first] + text
            position = last
        return result + self.sql[position:end]


__all__ = ["ParseError", "Statement", "TokenError"]
