"""Reads each statement before Sail runs it: rewrites what Sail would answer otherwise than Spark, or refuses it.

The differences are listed in ``differences.py``; here is how each is recognised, and what is written in its place.
A replaced spot keeps the text around it to the letter. What depends on types is judged with the types of the tables
and views that the statement reads, propagated by Spark's rules. Where a type can't be known, the text stays.
"""

from __future__ import annotations

import decimal
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dbt.adapters.localspark import spark_types as types
from dbt.adapters.localspark.differences import DIFFERENCES
from dbt.adapters.localspark.spark_types import Decimal, Integer, Type
from dbt.adapters.localspark.statement import ParseError, Statement, TokenError
from sqlglot import exp

Columns = list[tuple[str, Type]]
# Names of a table's columns with their types as SQL writes them, None for a table that can't be asked.
ColumnsOf = Callable[[str], list[tuple[str, str]] | None]

DEVIATIONS = {
    "stddev": "sample", "std": "sample", "stddev_samp": "sample", "stddev_pop": "population",
    "variance": "sample", "var_samp": "sample", "var_pop": "population",
}  # fmt: skip
MEANS = {"avg", "mean"}
AGGREGATES = {
    *MEANS, *DEVIATIONS, "sum", "count", "min", "max", "any_value", "first", "last", "first_value", "last_value",
    "collect_list", "collect_set", "array_agg", "count_if", "bool_and", "bool_or", "every", "some", "any", "min_by",
    "max_by", "percentile", "percentile_approx", "approx_percentile", "median", "mode", "approx_count_distinct",
    "try_sum", "try_avg", "corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "bit_and", "bit_or", "bit_xor",
    "listagg", "string_agg", "percentile_cont", "percentile_disc", "histogram_numeric", "regr_slope", "regr_r2",
    "regr_intercept", "regr_count", "regr_avgx", "regr_avgy", "regr_sxx", "regr_sxy", "regr_syy", "grouping",
    "grouping_id", "hll_sketch_agg",
}  # fmt: skip
NOT_SLIDING = {"corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "regr_slope", "regr_intercept", "regr_r2"}
SMALL = {
    "row_number", "rank", "dense_rank", "ntile", "length", "char_length", "character_length", "len", "size",
    "cardinality", "year", "month", "day", "dayofmonth", "dayofweek", "dayofyear", "weekday", "weekofyear", "quarter",
    "hour", "minute", "second", "instr", "locate", "position", "datediff", "date_diff", "unix_date", "ascii", "sign",
    "array_size", "levenshtein", "find_in_set", "grouping", "json_array_length", "bit_length", "octet_length",
}  # fmt: skip
RETURNS: dict[str, Type] = {
    **dict.fromkeys(SMALL, Integer("int", types.SMALLER)),
    **dict.fromkeys(("count", "count_if", "regr_count", "approx_count_distinct"), Integer("bigint", types.SMALL)),
    **dict.fromkeys(("unix_timestamp", "unix_seconds", "to_unix_timestamp"), Integer("bigint", types.SMALL)),
    **dict.fromkeys(("unix_millis", "unix_micros", "xxhash64", "array_position", "factorial"), "bigint"),
    **dict.fromkeys(
        (
            "date", "to_date", "date_add", "date_sub", "add_months", "last_day", "next_day", "trunc", "make_date",
            "date_from_unix_date", "current_date", "curdate", "try_to_date",
        ),
        "date",
    ),
    **dict.fromkeys(
        (
            "timestamp", "to_timestamp", "date_trunc", "timestamp_seconds", "timestamp_millis", "timestamp_micros",
            "from_utc_timestamp", "to_utc_timestamp", "current_timestamp", "now", "make_timestamp", "try_to_timestamp",
        ),
        "timestamp",
    ),
    **dict.fromkeys(
        (
            "string", "concat_ws", "upper", "lower", "ucase", "lcase", "trim", "ltrim", "rtrim", "btrim", "substring",
            "substr", "left", "right", "replace", "translate", "regexp_replace", "regexp_extract", "date_format",
            "from_unixtime", "format_number", "format_string", "initcap", "lpad", "rpad", "repeat", "split_part",
            "substring_index", "get_json_object", "to_json", "hex", "md5", "sha1", "sha2", "dayname", "monthname",
            "array_join", "listagg", "string_agg", "typeof", "base64", "chr", "char", "space", "overlay", "quote",
        ),
        "string",
    ),
    **dict.fromkeys(
        (
            "double", "sqrt", "exp", "ln", "log", "log10", "log2", "log1p", "expm1", "pow", "power", "cbrt", "sin",
            "cos", "tan", "atan", "atan2", "pi", "e", "degrees", "radians", "rint", "months_between", "percent_rank",
            "cume_dist", "corr", "covar_pop", "covar_samp", "kurtosis", "skewness", "median", "percentile_cont",
            "percentile_disc", "rand", "randn", "hypot", "sinh", "cosh", "tanh", "asin", "acos", "signum",
            "regr_slope", "regr_intercept", "regr_r2", *DEVIATIONS,
        ),
        "double",
    ),
    **dict.fromkeys(
        (
            "isnull", "isnotnull", "isnan", "like", "rlike", "regexp", "regexp_like", "startswith", "endswith",
            "contains", "array_contains", "arrays_overlap", "exists", "forall", "bool_and", "bool_or", "every", "some",
            "map_contains_key", "boolean",
        ),
        "boolean",
    ),
    **dict.fromkeys(("int", "regexp_count", "regexp_instr", "crc32", "hash"), "int"),
    "bigint": "bigint", "float": "float", "tinyint": "tinyint", "smallint": "smallint",
}  # fmt: skip
# The type of these is that of their first argument.
LIKE_FIRST = {
    "min", "max", "first", "last", "first_value", "last_value", "any_value", "nth_value", "lag", "lead", "nullif",
    "abs", "negative", "positive", "mode", "min_by", "max_by", "percentile_approx", "approx_percentile", "array_sort",
    "sort_array", "array_distinct", "reverse", "filter", "slice", "nanvl", "pmod",
}  # fmt: skip
MICROS = {"day": 86_400_000_000, "week": 604_800_000_000}


@dataclass
class Refused(Exception):
    """A statement that Sail would answer otherwise than Spark, and that has no equal form."""

    name: str
    line: int
    spot: str


@dataclass(frozen=True)
class Verdict:
    """What becomes of a statement: its text for Sail, or what was found in it that Sail gets wrong."""

    sql: str
    rewritten: tuple[str, ...] = ()
    refused: str = ""
    line: int = 0
    spot: str = ""
    tables: tuple[str, ...] = ()


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


def judge(sql: str, columns_of: ColumnsOf) -> Verdict:
    """Read one statement; what can't be parsed passes, and Sail says what is wrong with it."""
    try:
        statement = Statement(sql)
    except (ParseError, TokenError, RecursionError):
        return Verdict(sql)
    reader = Reader(statement, columns_of)
    try:
        for tree in statement.trees:
            reader.statement(tree)
    except Refused as refused:
        return Verdict(sql, (), refused.name, refused.line, refused.spot, tuple(sorted(reader.tables)))
    text = statement.result() if statement.changed else sql
    return Verdict(text, tuple(sorted(reader.rewritten)), tables=tuple(sorted(reader.tables)))


class Reader:
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
        raise Refused(name, self.on.sql.count("\n", 0, place[0]) + 1, self.on.sql[slice(*place)])

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

    # --- queries -------------------------------------------------------------------------------------------------

    def statement(self, tree: exp.Expression) -> None:
        """Read the outermost queries of a statement."""
        self.literals()
        if isinstance(tree, exp.Command):
            return
        waiting = [tree]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, exp.Query | exp.Values):
                self.query(node, {}, None)
            else:
                waiting.extend(node.iter_expressions())

    def literals(self) -> None:
        """Escape the doubled quotes of string literals, which Sail drops."""
        sql = self.on.sql
        for one, other in zip(self.on.tokens, self.on.tokens[1:], strict=False):
            if not one.token_type.name == other.token_type.name == "STRING" or one.end + 1 != other.start:
                continue
            if sql[one.end] == sql[other.start] and sql[one.end] in "'\"":
                self.on.literals.append((one.end, other.start + 1, "\\" + sql[one.end]))
                self.rewritten.add("doubled quote")

    def query(self, node: Any, known: dict[str, Columns | None], outer: Scope | None) -> Columns | None:
        """Read a query and return the names and types of its columns, None if they are not known."""
        known = dict(known)
        if with_ := node.args.get("with_") or node.args.get("with"):
            if with_.args.get("recursive"):
                self.refuse("recursive query", node)
            for cte in with_.expressions:
                columns = self.query(cte.this, known, outer)
                known[cte.alias.lower()] = renamed(columns, cte.args.get("alias"))
        if isinstance(node, exp.SetOperation):
            return self._set_operation(node, known, outer)
        if isinstance(node, exp.Subquery | exp.Paren):
            return self.query(node.this, known, outer)
        if isinstance(node, exp.Select):
            return self._select(node, known, outer)
        if isinstance(node, exp.Values):
            return self._values(node, outer or Scope())
        if isinstance(node, exp.Table):
            return self._table(node, known)
        return None

    def _set_operation(self, node: Any, known: dict[str, Columns | None], outer: Scope | None) -> Columns | None:
        if isinstance(node, exp.Intersect) and not node.args.get("distinct", True):
            self.refuse("intersect all", node)
        sides = [self.query(side, known, outer) for side in (node.this, node.expression)]
        left, right = sides
        if left is None or right is None or len(left) != len(right):
            return left
        kinds = [types.wider(one[1], other[1]) for one, other in zip(left, right, strict=True)]
        for side, columns in zip((node.this, node.expression), sides, strict=True):
            wrong = {
                number: kind
                for number, (kind, column) in enumerate(zip(kinds, columns or [], strict=True))
                if kind is not None and column[1] != kind
            }
            if side is node.expression:
                # Sail takes the first branch's type: where that is right, only a change between a decimal and a
                # double has to be made here.
                wrong = {
                    number: kind
                    for number, kind in wrong.items()
                    if left[number][1] != kind or ({type(kind), type(columns[number][1])} == {Decimal, str}  # type: ignore[index]
                    and types.is_double(kind))
                }  # fmt: skip
            self.cast_columns(side, columns or [], wrong)
        return [(name, kind) for (name, _), kind in zip(left, kinds, strict=True)]

    def cast_columns(self, query: Any, columns: Columns, wrong: dict[int, Type]) -> None:
        """Give some columns of a query another type."""
        if not wrong:
            return
        plain = query
        while isinstance(plain, exp.Subquery | exp.Paren):
            plain = plain.this
        if isinstance(plain, exp.Select) and len(plain.expressions) == len(columns) and not plain.args.get("distinct"):
            for number, kind in wrong.items():
                item = plain.expressions[number]
                if not isinstance(item, exp.Alias):
                    name = columns[number][0]
                    self.cast("types of branches", item, kind, columns[number][1])
                    self.on.change(item, lambda text, name=name: f"{text} as {quoted(name)}")  # type: ignore[misc]
                else:
                    self.cast("types of branches", item, kind, columns[number][1])
            return
        items = []
        for number, (name, was) in enumerate(columns):
            text = quoted(name)
            if number in wrong:
                kind = wrong[number]
                text = converted(text, kind, was) + f" as {quoted(name)}"
            items.append(text)
        self.replace("types of branches", query, lambda text: f"(select {', '.join(items)} from ({text}) as branch)")

    def _values(self, node: Any, scope: Scope) -> Columns | None:
        rows = [
            [self.kind(cell, scope) for cell in (row.expressions if isinstance(row, exp.Tuple) else [row])]
            for row in node.expressions
        ]
        if not rows or len({len(row) for row in rows}) != 1:
            return None
        kinds = [types.widest(list(column)) for column in zip(*rows, strict=True)]
        for number, kind in enumerate(kinds):
            if kind == "double" and any(isinstance(row[number], Decimal) for row in rows):
                for row, found in zip(node.expressions, rows, strict=True):
                    cell = row.expressions[number] if isinstance(row, exp.Tuple) else row
                    if found[number] != kind:
                        self.cast("types of branches", cell, kind, found[number])
        columns: Columns = [(f"col{number + 1}", kind) for number, kind in enumerate(kinds)]
        return renamed(columns, node.args.get("alias"))

    def _table(self, node: Any, known: dict[str, Columns | None]) -> Columns | None:
        if isinstance(node.this, exp.Anonymous):
            for argument in node.this.expressions:
                self.kind(argument, Scope())
            columns: Columns | None = [("id", "bigint")] if node.this.name.lower() == "range" else None
        else:
            name = ".".join(part.name for part in node.parts)
            if "." not in name and name.lower() in known:
                columns = known[name.lower()]
            else:
                self.tables.add(name)
                found = self.columns_of(name)
                columns = [(column, types.parse(kind)) for column, kind in found] if found is not None else None
        return renamed(columns, node.args.get("alias"))

    def _source(self, node: Any, scope: Scope, known: dict[str, Columns | None]) -> None:
        """Add what is read in ``from`` or a join to the names of a query."""
        alias = node.alias_or_name.lower() if isinstance(node, exp.Expression) else ""
        if isinstance(node, exp.Table):
            columns = self._table(node, known)
        elif isinstance(node, exp.Values):
            columns = self._values(node, scope)
        elif isinstance(node, exp.Lateral):
            columns = self._lateral(node, scope, known)
        elif isinstance(node, exp.Subquery | exp.Query):
            if isinstance(node.this, exp.Table) and not isinstance(node, exp.Select):
                columns = renamed(self._table(node.this, known), node.args.get("alias"))
            else:
                columns = renamed(self.query(node, known, scope.outer), node.args.get("alias"))
        else:
            columns = None
        for pivot in node.args.get("pivots") or []:
            columns = self._pivot(node, pivot, columns, scope)
        scope.sources.append((alias, columns))

    def _lateral(self, node: Any, scope: Scope, known: dict[str, Columns | None]) -> Columns | None:
        inner = node.this
        if isinstance(inner, exp.Subquery | exp.Query):
            return renamed(self.query(inner, known, scope), node.args.get("alias"))
        kind = self.kind(inner, scope)
        names = [column.name for column in (node.args.get("alias") or exp.TableAlias()).args.get("columns") or []]
        if isinstance(inner, exp.Anonymous) and inner.name.lower() in ("explode", "explode_outer") and len(names) == 2:
            self._explode_of_map(inner)
        element = element_of(kind) if len(names) == 1 else None
        return [(name, element) for name in names] if names else None

    def _explode_of_map(self, node: exp.Anonymous) -> None:
        outer = "_outer" if node.name.lower().endswith("_outer") else ""
        self.replace(
            "explode of a map", node, lambda _: f"inline{outer}(map_entries({self.on.text(node.expressions[0])}))"
        )

    def _select(self, node: Any, known: dict[str, Columns | None], outer: Scope | None) -> Columns | None:
        scope = Scope(outer=outer)
        from_ = node.args.get("from_") or node.args.get("from")
        if from_ is not None:
            self._source(from_.this, scope, known)
        for join in node.args.get("joins") or []:
            self._source(join.this, scope, known)
        for lateral in node.args.get("laterals") or []:
            self._source(lateral, scope, known)
        self.known = known
        for join in node.args.get("joins") or []:
            if condition := join.args.get("on"):
                self.kind(condition, scope)
        columns = self._projection(node, scope, known)
        for name in ("where", "having", "qualify", "group", "order", "sort"):
            part = node.args.get(name)
            if part is not None:
                if name != "where":
                    scope.sources.append(("", [(alias, scope.kinds.get(alias)) for alias in scope.aliases]))
                for child in part.iter_expressions():
                    self.kind(child, scope)
                if name != "where":
                    scope.sources.pop()
        for window in node.args.get("windows") or []:
            self.window_frame(window, None, scope)
        self.literal_beside_aggregate(node)
        self.all_columns(node)
        self._qualify(node, columns, scope)
        return columns

    def _projection(self, node: Any, scope: Scope, known: dict[str, Columns | None]) -> Columns | None:
        columns: Columns | None = []
        certain = all(found is not None for _, found in scope.sources)
        for item in node.expressions:
            star = item if isinstance(item, exp.Star) else item.this if isinstance(item, exp.Column) else None
            if isinstance(star, exp.Star):
                wanted = item.table.lower() if isinstance(item, exp.Column) else ""
                found = self._star(scope, wanted, node)
                excluded = star.args.get("except_") or star.args.get("except")
                if excluded:
                    names = {column.name.lower() for column in excluded}
                    if found is None:
                        self.refuse("star except", item)
                    found = [column for column in found or [] if column[0].lower() not in names]
                    prefix = f"{self.on.written(item).split('*')[0]}"
                    listed = ", ".join(prefix + quoted(name) for name, _ in found)
                    self.replace("star except", item, lambda _, listed=listed: listed)  # type: ignore[misc]
                columns = None if columns is None or found is None else columns + found
                continue
            bare = item.this if isinstance(item, exp.Alias) else item
            if certain:
                self.lateral_aliases(bare, scope)
            kind = self.kind(bare, scope)
            names = [name.name for name in item.expressions] if isinstance(item, exp.Aliases) else []
            if names:
                inner = item.this
                self.kind(inner, scope)
                if isinstance(inner, exp.Anonymous) and inner.name.lower() == "explode" and len(names) == 2:
                    self._explode_of_map(inner)
                columns = None if columns is None else columns + [(name, None) for name in names]
                continue
            name = item.alias_or_name or self.on.written(bare)
            if isinstance(bare, exp.Anonymous) and bare.name.lower() in ("explode", "explode_outer"):
                kind = element_of(kind)
            elif isinstance(bare, exp.Anonymous) and bare.name.lower() in (
                "inline",
                "stack",
                "posexplode",
                "json_tuple",
            ):
                columns = None
            if isinstance(item, exp.Alias):
                scope.aliases[name.lower()], scope.kinds[name.lower()] = bare, kind
            columns = None if columns is None else [*columns, (name, kind)]
        return columns

    def _star(self, scope: Scope, wanted: str, node: Any) -> Columns | None:
        result: Columns = []
        using: set[str] = set()
        for join in node.args.get("joins") or []:
            using |= {column.name.lower() for column in join.args.get("using") or []}
            if join.args.get("method") == "NATURAL" or "NATURAL" in (join.args.get("side"), join.args.get("kind")):
                return None
            if join.args.get("kind") in ("SEMI", "ANTI"):
                return None if len(scope.sources) != 2 else scope.sources[0][1]
        for alias, columns in scope.sources:
            if wanted and alias != wanted:
                continue
            if columns is None:
                return None
            result += [
                column
                for column in columns
                if not (column[0].lower() in using and column[0].lower() in {name.lower() for name, _ in result})
            ]
        return result

    def lateral_aliases(self, item: exp.Expression, scope: Scope) -> None:
        """Put the expression in the place of the name of an earlier column of the same list."""
        for column in item.find_all(exp.Column):
            name = column.name.lower()
            if column.table or name not in scope.aliases or scope.column("", name)[0]:
                continue
            if column.find_ancestor(exp.Lambda, exp.Select) is not item.find_ancestor(exp.Select):
                continue
            meant = scope.aliases[name]
            column.meta["kind"] = scope.kinds.get(name)
            self.replace("lateral column alias", column, lambda _, meant=meant: f"({self.on.text(meant)})")  # type: ignore[misc]

    def literal_beside_aggregate(self, node: Any) -> None:
        """Hide a literal from Sail's optimizer, which pushes a filter on it below the aggregate."""
        if node.args.get("group") or not any(self.aggregates(item) for item in node.expressions):
            return
        for item in node.expressions:
            bare = item.this if isinstance(item, exp.Alias) else item
            if bare.find(exp.Column, exp.Star, exp.Query, exp.Window) or self.aggregates(item) or bare is exp.Null:
                continue
            if any(
                isinstance(found, exp.Anonymous) and not found.expressions for found in bare.find_all(exp.Anonymous)
            ):
                continue
            name = item.alias or self.on.written(bare)
            tail = "" if isinstance(item, exp.Alias) else f" as {quoted(name)}"
            self.replace(
                "filter on a literal",
                bare,
                lambda text, tail=tail: f"coalesce(min({text}), {text}){tail}",  # type: ignore[misc]
            )

    def aggregates(self, node: exp.Expression) -> bool:
        """Tell whether an aggregate is computed in a node, other than over a window or in a subquery."""
        for found in node.find_all(exp.Anonymous):
            if not isinstance(found, exp.Anonymous) or found.name.lower() not in AGGREGATES:
                continue
            above: Any = found.parent
            while above is not None and above is not node.parent:
                if isinstance(above, exp.Query):
                    break
                if isinstance(above, exp.Window) and within(above.this, found):
                    break
                above = above.parent
            else:
                return True
        return False

    def all_columns(self, node: Any) -> None:
        """Write the columns that ``group by all`` and ``order by all`` mean."""
        group = node.args.get("group")
        if group is not None and group.args.get("all"):
            keys = [str(n + 1) for n, item in enumerate(node.expressions) if not self.aggregates(item)]
            self.replace("group by all", group, lambda _: f"group by {', '.join(keys)}" if keys else "")
        order = node.args.get("order")
        if order is not None and len(order.expressions) == 1:
            only = order.expressions[0]
            if re.fullmatch(r"all\b.*", self.on.written(only), re.IGNORECASE | re.DOTALL):
                rest = self.on.written(only)[3:]
                keys = [f"{number + 1}{rest}" for number in range(len(node.expressions))]
                self.replace("order by all", only, lambda _: ", ".join(keys))

    def _qualify(self, node: Any, columns: Columns | None, scope: Scope) -> None:
        part = node.args.get("qualify")
        if part is None:
            return
        if columns is None or node.args.get("order") or node.args.get("limit") or node.args.get("distinct"):
            self.refuse("qualify", part)
        for column in part.find_all(exp.Column):
            name = column.name.lower()
            if not column.table and name in scope.aliases and not Scope(scope.sources).column("", name)[0]:
                meant = scope.aliases[name]
                self.on.change(column, lambda _, meant=meant: f"({self.on.text(meant)})")  # type: ignore[misc]
        last = node.expressions[-1]
        place, end = self.on.place(part), self.on.place(node)
        if place is None or end is None:
            self.refuse("qualify", part)
        names = ", ".join(quoted(name) for name, _ in columns or [])

        def text(_: str) -> str:
            assert place and end
            first, after = end[0], self.on.place(last)
            assert after
            head = self.on.between(first, after[1], node)
            middle = self.on.between(after[1], place[0], node)
            rest = self.on.between(place[1], end[1], node)
            condition = f"{self.on.text(part.this)} as is_qualified"
            return f"select {names} from ({head}, {condition} {middle}{rest}) where is_qualified"

        self.replace("qualify", node, text)

    def _pivot(self, node: Any, pivot: Any, columns: Columns | None, scope: Scope) -> Columns | None:
        unpivot = bool(pivot.args.get("unpivot"))
        name = "unpivot" if unpivot else "pivot"
        place, whole = self.on.place(pivot), self.on.place(node)
        fields = pivot.args.get("fields") or []
        if columns is None or place is None or whole is None or len(fields) != 1:
            self.refuse(name, pivot)
        assert columns is not None and place is not None and whole is not None
        text = self.on.sql[slice(*place)]
        inner = re.match(r"(?:un)?pivot\s*(?:(?:include|exclude)\s+nulls\s*)?\(", text, re.IGNORECASE)
        last = fields[0]
        outside = place[0] >= whole[1]
        source = self.on.text(node) if outside else self.on.between(whole[0], place[0], node).strip()
        alias = "" if outside else node.alias
        if alias and not isinstance(node, exp.Table):
            source = re.sub(rf"(?is)\)\s*(?:as\s+)?`?{re.escape(alias)}`?\s*$", ")", source)
        if inner is None:
            self.refuse(name, pivot)
        out: Columns
        if unpivot:
            out, body = self._unpivoted(pivot, last, columns, source, text)
        else:
            out, body = self._pivoted(pivot, last, columns, source)
        new = f"({body})" + (f" as {quoted(alias)}" if alias else "")
        self.replace(name, node, lambda _: new)
        if outside:
            self.on.literals.append((*place, ""))
        return out

    def _unpivoted(self, pivot: Any, last: Any, columns: Columns, source: str, text: str) -> tuple[Columns, str]:
        value, label = pivot.expressions[0].name, last.this.name
        taken = []
        for item in last.expressions:
            bare = item.this if isinstance(item, exp.PivotAlias | exp.Alias) else item
            if not isinstance(bare, exp.Column | exp.Identifier) or isinstance(pivot.expressions[0], exp.Tuple):
                self.refuse("unpivot", pivot)
            shown = item.args["alias"].name if isinstance(item, exp.PivotAlias | exp.Alias) else bare.name
            taken.append((bare.name, shown))
        kinds = {name.lower(): kind for name, kind in columns}
        kind = types.widest([kinds.get(name.lower()) for name, _ in taken])
        if kind is None:
            self.refuse("unpivot", pivot)
        names = {name.lower() for name, _ in taken}
        kept = [column for column in columns if column[0].lower() not in names]
        keep = "".join(f"{quoted(name)}, " for name, _ in kept)
        nulls = bool(re.match(r"unpivot\s+include\s+nulls", text, re.IGNORECASE))
        branches = []
        for name, shown in taken:
            read = converted(quoted(name), kind, kinds[name.lower()])
            branches.append(
                f"select {keep}'{shown}' as {quoted(label)}, {read} as {quoted(value)} from {source}"
                + ("" if nulls else f" where {quoted(name)} is not null")
            )
        return [*kept, (label, "string"), (value, kind)], " union all ".join(branches)

    def _pivoted(self, pivot: Any, last: Any, columns: Columns, source: str) -> tuple[Columns, str]:
        key = last.this
        if not isinstance(key, exp.Column | exp.Identifier):
            self.refuse("pivot", pivot)
        inside = Scope([("", columns)])
        used = {key.name.lower()}
        aggregates = []
        for item in pivot.expressions:
            bare = item.this if isinstance(item, exp.Alias) else item
            kind = self.kind(bare, inside)
            used |= {column.name.lower() for column in bare.find_all(exp.Column)}
            aggregates.append((self.on.text(bare), item.alias, kind, self.on.written(bare)))
        groups = [column for column in columns if column[0].lower() not in used]
        items = [quoted(name) for name, _ in groups]
        out: Columns = list(groups)
        for value in last.expressions:
            literal = value.this if isinstance(value, exp.PivotAlias | exp.Alias) else value
            text = self.on.text(literal)
            shown = value.args["alias"].name if isinstance(value, exp.PivotAlias | exp.Alias) else literal.name or text
            matches = f"{quoted(key.name)} <=> {text}"
            for aggregate, alias, kind, written in aggregates:
                name = shown if len(aggregates) == 1 else f"{shown}_{alias or written}"
                items.append(
                    f"case when count(*) filter (where {matches}) > 0 "
                    f"then {filtered(aggregate, matches)} end as {quoted(name)}"
                )
                out.append((name, kind))
        by = ", ".join(quoted(name) for name, _ in groups)
        return out, f"select {', '.join(items)} from {source}" + (f" group by {by}" if by else "")

    # --- expressions ---------------------------------------------------------------------------------------------

    def kind(self, node: Any, scope: Scope) -> Type:
        """Read an expression once, changing what Sail gets wrong, and return its type."""
        if not isinstance(node, exp.Expression):
            return None
        if id(node) in self._wrapped:
            return node.meta.get("kind")
        self._wrapped.add(id(node))
        found = self._kind(node, scope)
        node.meta["kind"] = found
        return found

    def _kind(self, node: Any, scope: Scope) -> Type:
        method = getattr(self, f"_on_{type(node).__name__.lower()}", None)
        if method is not None:
            return method(node, scope)
        if isinstance(node, exp.Query | exp.Subquery):
            columns = self.query(node, getattr(self, "known", {}), scope)
            return columns[0][1] if columns and len(columns) == 1 else None
        for child in node.iter_expressions():
            self.kind(child, scope)
        if isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE | exp.NullSafeEQ):
            self.compare([node.this, node.expression])
            return "boolean"
        if isinstance(node, exp.Predicate | exp.Connector | exp.Not | exp.Boolean):
            return "boolean"
        return None

    def _on_subquery(self, node: Any, scope: Scope) -> Type:
        known = getattr(self, "known", {})
        columns = self.query(node.this, known, scope)
        self.known = known
        return columns[0][1] if columns and len(columns) == 1 else None

    def _on_exists(self, node: Any, scope: Scope) -> Type:
        known = getattr(self, "known", {})
        if isinstance(node.this, exp.Query):
            self.query(node.this, known, scope)
        else:
            self.kind(node.this, scope)
        self.known = known
        return "boolean"

    def _on_paren(self, node: Any, scope: Scope) -> Type:
        return self.kind(node.this, scope)

    def _on_alias(self, node: Any, scope: Scope) -> Type:
        return self.kind(node.this, scope)

    def _on_ordered(self, node: Any, scope: Scope) -> Type:
        return self.kind(node.this, scope)

    def _on_null(self, node: Any, scope: Scope) -> Type:
        return "void"

    def _on_boolean(self, node: Any, scope: Scope) -> Type:
        return "boolean"

    def _on_literal(self, node: Any, scope: Scope) -> Type:
        if node.is_string:
            return "string"
        text = node.name.lower()
        if "e" in text:
            return "double"
        if "." in text:
            whole, _, part = text.partition(".")
            digits = len((whole + part).lstrip("0"))
            return Decimal(max(digits, len(part), 1), len(part))
        return Integer("int" if int(text) < 2**31 else "bigint", int(text))

    def _on_column(self, node: Any, scope: Scope) -> Type:
        if "kind" in node.meta:
            return node.meta["kind"]
        if len(node.parts) > 2:
            return None
        name, at = node.name.lower(), scope
        while at is not None:
            if name in at.bound:
                return None
            at = at.outer
        return scope.column(node.table.lower(), name)[1]

    def _on_lambda(self, node: Any, scope: Scope) -> Type:
        inner = Scope(outer=scope, bound={name.name.lower() for name in node.expressions})
        return self.kind(node.this, inner)

    def _on_neg(self, node: Any, scope: Scope) -> Type:
        return self.kind(node.this, scope)

    def _on_dpipe(self, node: Any, scope: Scope) -> Type:
        for child in node.iter_expressions():
            self.kind(child, scope)
        return "string"

    def _on_interval(self, node: Any, scope: Scope) -> Type:
        unit = str(node.args.get("unit") or "").lower().rstrip("s")
        return f"interval {unit}"

    def _on_add(self, node: Any, scope: Scope) -> Type:
        return self._arithmetic("+", node, scope)

    def _on_sub(self, node: Any, scope: Scope) -> Type:
        return self._arithmetic("-", node, scope)

    def _on_mul(self, node: Any, scope: Scope) -> Type:
        return self._arithmetic("*", node, scope)

    def _on_mod(self, node: Any, scope: Scope) -> Type:
        return self._arithmetic("%", node, scope)

    def _on_div(self, node: Any, scope: Scope) -> Type:
        return self._arithmetic("/", node, scope)

    def _on_intdiv(self, node: Any, scope: Scope) -> Type:
        left, right = self.kind(node.this, scope), self.kind(node.expression, scope)
        if not types.is_integer(left):
            return "bigint"
        by = right.limit if isinstance(right, Integer) and isinstance(node.expression, exp.Literal) else 1
        return Integer("bigint", limit_of(left) // max(by, 1))

    def _arithmetic(self, operator: str, node: Any, scope: Scope) -> Type:
        left, right = self.kind(node.this, scope), self.kind(node.expression, scope)
        if not (types.is_number(left) and types.is_number(right)):
            return self._of_dates(operator, node, left, right)
        if types.is_double(left) or types.is_double(right):
            for side, kind in ((node.this, left), (node.expression, right)):
                other = right if side is node.this else left
                if (kind == "float" and isinstance(other, Decimal)) or (other == "float" and isinstance(kind, Decimal)):
                    self.cast("decimal beside a double", side, "double", kind)
            return "float" if left == right == "float" else "double"
        if types.is_integer(left) and types.is_integer(right):
            return self._of_integers(operator, node, left, right)
        one, other = literal_type(node.this, left), literal_type(node.expression, right)
        assert one and other
        result = types.arithmetic(operator, one, other)
        if operator == "/":
            self._divide(node, one, other, result)
        elif operator == "%":
            whole = max(one.precision - one.scale, other.precision - other.scale)
            if whole + max(one.scale, other.scale) >= types.LARGEST:
                a, b = node.this, node.expression

                def rest(_: str) -> str:
                    first, second = self.on.text(a), self.on.text(b)
                    return (
                        f"cast(if({first} < 0, -pmod(-({first}), abs({second})), pmod({first}, abs({second}))) "
                        f"as {result})"
                    )

                self.replace("rest of a decimal", node, rest)
            else:
                self.replace("type of a decimal result", node, lambda text: f"cast({text} as {result})")
        elif types.sails(operator, types.as_decimal(left), types.as_decimal(right)) != result:  # type: ignore[arg-type]
            self.replace("type of a decimal result", node, lambda text: f"cast({text} as {result})")
        return result

    def _divide(self, node: Any, left: Decimal, right: Decimal, result: Decimal) -> None:
        scale = max(left.scale, result.scale - 3)

        def text(_: str) -> str:
            above, below = self.on.text(node.this), self.on.text(node.expression)
            return quotient(above, below, scale, result)

        self.replace("quotient of decimals", node, text)

    def _of_integers(self, operator: str, node: Any, left: Type, right: Type) -> Type:
        if operator == "/":
            return "double"
        result = types.wider(left, right)
        one, other = limit_of(left), limit_of(right)
        if operator == "%":
            return Integer(str(result), min(one, other))
        limit = one * other if operator == "*" else one + other
        if limit < (2**31 if str(result) == "int" else 2**63):
            return Integer(str(result), limit)
        if str(result) not in ("int", "bigint"):
            return str(result)
        wide = "bigint" if str(result) == "int" else "decimal(20,0)"

        def text(_: str) -> str:
            a, b = self.on.text(node.this), self.on.text(node.expression)
            return f"cast(cast({a} as {wide}) {operator} cast({b} as {wide}) as {result})"

        self.replace("integer that overflows", node, text)
        return str(result)

    def _of_dates(self, operator: str, node: Any, left: Type, right: Type) -> Type:  # noqa: PLR0911
        if operator == "-" and left == right == "date":
            self.replace("date minus a date", node, lambda text: f"cast({text} as interval day)")
            return "interval day"
        if operator == "-" and {left, right} == {"date", "timestamp"}:
            side = node.this if left == "date" else node.expression
            self.replace("date beside a timestamp", side, lambda text: f"cast({text} as timestamp)")
            return "interval day to second"
        for side, kind, other in ((node.this, left, right), (node.expression, right, left)):
            if not (isinstance(other, str) and other.startswith("interval")):
                continue
            if kind == "date":
                if other in ("interval hour", "interval minute", "interval second", "interval day to second"):
                    self.replace("date plus hours", side, lambda text: f"cast({text} as timestamp)")
                    return "timestamp"
                return "date"
            return kind
        if left == "date" and types.is_integer(right):
            return "date"
        if operator == "-" and left == right == "timestamp":
            return "interval day to second"
        return "double" if "double" in (left, right) and None not in (left, right) else None

    def compare(self, nodes: list[Any]) -> None:
        """Compare decimals with doubles as doubles, and dates with timestamps as timestamps."""
        kinds = [node.meta.get("kind") for node in nodes]
        if any(types.is_double(kind) for kind in kinds):
            for node, kind in zip(nodes, kinds, strict=True):
                if isinstance(kind, Decimal):
                    self.cast("decimal beside a double", node, "double", kind)

    def _on_between(self, node: Any, scope: Scope) -> Type:
        nodes = [node.this, node.args["low"], node.args["high"]]
        for each in nodes:
            self.kind(each, scope)
        self.compare(nodes)
        return "boolean"

    def _on_in(self, node: Any, scope: Scope) -> Type:
        self.kind(node.this, scope)
        for each in node.expressions:
            self.kind(each, scope)
        if query := node.args.get("query"):
            known = getattr(self, "known", {})
            self.query(query.this if isinstance(query, exp.Subquery) else query, known, scope)
            self.known = known
        self.compare([node.this, *node.expressions])
        return "boolean"

    def _on_cast(self, node: Any, scope: Scope) -> Type:
        was = self.kind(node.this, scope)
        written = self.on.written(node)
        kind = self._target(node)
        if re.fullmatch(r"[\d.]+(?:[eE][-+]?\d+)?\s*[a-zA-Z]+", written):
            return Integer(str(kind), int(node.this.name)) if types.is_integer(kind) and node.this.is_int else kind
        if isinstance(node, exp.TryCast):
            return kind
        inner = node.this
        if isinstance(kind, Decimal) and was == "double":
            self.replace("double to decimal", node, lambda _: decimal_of_double(self.on.text(inner), kind))
        elif kind == "double" and isinstance(was, Decimal) and not isinstance(inner, exp.Literal):
            self.replace("decimal to double", node, lambda _: f"cast(cast({self.on.text(inner)} as string) as double)")
        elif was == "timestamp" and kind in ("bigint", "int"):
            self.replace("time before 1970", node, lambda _: seconds(self.on.text(inner), str(kind)))
            return Integer(str(kind), types.SMALL)
        elif was == "timestamp" and kind == "double":
            self.replace(
                "timestamp as double",
                node,
                lambda _: f"(cast(unix_micros({self.on.text(inner)}) as double) / 1000000d)",
            )
        elif types.is_integer(kind) and isinstance(was, Integer):
            return Integer(str(kind), was.limit)
        return kind

    _on_trycast = _on_cast

    def _target(self, node: Any) -> Type:
        place = self.on.place(node.args["to"])
        text = self.on.sql[slice(*place)] if place else node.args["to"].sql("spark")
        if re.fullmatch(r"[\d.]+(?:[eE][-+]?\d+)?\s*[a-zA-Z]+", text):
            text = node.args["to"].sql("spark")
        return types.parse(text)

    def branches(self, name: str, nodes: list[Any], always: bool = False) -> Type:
        """Give the branches of a case, an if or a coalesce the type that holds them all."""
        kinds = [node.meta.get("kind") for node in nodes]
        kind = types.widest(kinds)
        if kind is None:
            return None
        first = kinds[0]
        for node, was in zip(nodes, kinds, strict=True):
            if was == kind or (was == "void" and node is not nodes[0]):
                continue
            if first == kind and not always and not (kind == "double" and isinstance(was, Decimal)):
                continue
            self.cast(name, node, str(kind) if isinstance(kind, Integer) else kind, was)
        return kind

    def _on_case(self, node: Any, scope: Scope) -> Type:
        operand = node.this
        if operand is not None:
            self.kind(operand, scope)
        results = []
        for branch in node.args.get("ifs") or []:
            self.kind(branch.this, scope)
            if operand is not None:
                self.compare([operand, branch.this])
            results.append(branch.args["true"])
        if node.args.get("default") is not None:
            results.append(node.args["default"])
        for result in results:
            self.kind(result, scope)
        return self.branches("types of branches", results)

    def _on_extract(self, node: Any, scope: Scope) -> Type:
        kind = self.kind(node.expression, scope)
        return self.part(node, node.this.name, node.expression, kind)

    def part(self, node: Any, name: str, of: Any, kind: Type) -> Type:
        """Return the type of a part of a date, after putting right those that Sail counts otherwise or lacks."""
        name = name.lower()
        small = Integer("int", types.SMALLER)
        if name in ("dow", "dayofweek"):
            self.replace("part of a date", node, lambda _: f"dayofweek({self.on.text(of)})")
        elif name in ("dow_iso", "dayofweek_iso"):
            self.replace("part of a date", node, lambda _: f"(pmod(dayofweek({self.on.text(of)}) + 5, 7) + 1)")
        elif name in ("yearofweek", "isoyear"):
            self.replace(
                "part of a date",
                node,
                lambda _: f"year(date_add(cast(date_trunc('week', cast({self.on.text(of)} as timestamp)) as date), 3))",
            )
        elif name == "epoch":
            self.refuse("epoch", node)
        elif name in ("second", "seconds", "s", "sec", "secs") and not str(kind).startswith("interval"):
            return Decimal(8, 6)
        elif str(kind).startswith("interval"):
            if isinstance(of, exp.Interval):
                self.refuse("part of an interval", node)
            if name in ("hour", "hours", "minute", "minutes", "month", "months"):
                self.replace("part of an interval", node, lambda text: f"cast({text} as tinyint)")
                return "tinyint"
            return None
        return small

    # --- windows and aggregates ----------------------------------------------------------------------------------

    def _on_window(self, node: Any, scope: Scope) -> Type:
        core = node.this
        while isinstance(core, exp.Filter | exp.IgnoreNulls | exp.RespectNulls | exp.WithinGroup):
            if isinstance(core, exp.Filter):
                self.kind(core.expression.this, scope)
            core = core.this
        for part in node.args.get("partition_by") or []:
            self.kind(part, scope)
        if order := node.args.get("order"):
            for key in order.expressions:
                self.kind(key, scope)
        self.window_frame(node, core, scope)
        return self.function(core, scope, node)

    def _on_filter(self, node: Any, scope: Scope) -> Type:
        self.kind(node.expression.this, scope)
        core = node.this
        while isinstance(core, exp.WithinGroup):
            core = core.this
        return self.function(core, scope, node)

    def _on_withingroup(self, node: Any, scope: Scope) -> Type:
        for child in node.expression.iter_expressions():
            self.kind(child, scope)
        core, keys = node.this, node.expression.expressions
        if isinstance(core, exp.Anonymous) and core.name.lower() == "percentile_cont" and len(keys) == 1:
            share, key = core.expressions[0], keys[0]
            if isinstance(share, exp.Literal) and not share.is_string:
                value = share.name if not key.args.get("desc") else str(1 - decimal.Decimal(share.name))
                self.replace(
                    "interpolated percentile", node, lambda _: f"percentile({self.on.text(key.this)}, {value})"
                )
        return self.function(node.this, scope, node)

    def _on_ignorenulls(self, node: Any, scope: Scope) -> Type:
        return self.function(node.this, scope, node)

    def _on_distinct(self, node: Any, scope: Scope) -> Type:
        kinds = [self.kind(each, scope) for each in node.expressions]
        return kinds[0] if len(kinds) == 1 else None

    def _on_anonymous(self, node: Any, scope: Scope) -> Type:
        return self.function(node, scope, node)

    def window_frame(self, node: Any, core: Any, scope: Scope) -> None:
        """Order a RANGE frame of days by the time of a date, and refuse what no engine should be asked for."""
        spec = node.args.get("spec")
        order = node.args.get("order")
        if core is not None and isinstance(core, exp.Anonymous) and core.find(exp.Distinct):
            self.refuse("distinct over a window", node)
        if (
            spec is None
            or order is None
            or str(spec.args.get("kind")).upper() != "RANGE"
            or len(order.expressions) != 1
        ):
            return
        bounds = [spec.args.get("start"), spec.args.get("end")]
        days = [bound for bound in bounds if isinstance(bound, exp.Expression) and bound.find(exp.Literal) is not None]
        if not days:
            return
        key = order.expressions[0].this
        kind = key.meta.get("kind")
        if any(isinstance(bound, exp.Interval) or bound.find(exp.Interval) for bound in days):
            if kind in ("date", None):
                self.replace("range over dates", key, lambda text: f"cast({text} as timestamp)")
        elif kind == "date":
            self.replace("range over dates", key, lambda text: f"unix_date({text})")

    def function(self, node: Any, scope: Scope, whole: Any) -> Type:
        """Read a function; ``whole`` is it with its filter and its window."""
        if not isinstance(node, exp.Anonymous):
            return self.kind(node, scope)
        name = node.name.lower()
        arguments = node.expressions
        kinds = [self.kind(argument, scope) for argument in arguments]
        self._wrapped.add(id(node))
        method = getattr(self, f"_call_{name}", None)
        if name in ("avg", "mean"):
            found = self._average(node, kinds, whole)
        elif name in DEVIATIONS:
            found = self._deviation(node, kinds, whole)
        elif method is not None:
            found = method(node, kinds, whole)
        else:
            found = self._returned(name, kinds)
            if name in NOT_SLIDING and isinstance(whole, exp.Window) and frame(whole) not in ("growing", "whole"):
                self.refuse("sliding correlation", whole)
        node.meta["kind"] = found
        return found

    def _returned(self, name: str, kinds: list[Type]) -> Type:
        if name in RETURNS:
            return RETURNS[name]
        if name in LIKE_FIRST and kinds:
            return str(kinds[0]) if isinstance(kinds[0], Integer) and name not in ("abs", "min", "max") else kinds[0]
        if name in ("collect_list", "collect_set", "array_agg") and kinds:
            return f"array<{kinds[0]}>" if kinds[0] is not None else None
        if name == "array" and kinds:
            element = types.widest(kinds)
            return f"array<{element}>" if element is not None else None
        return None

    def parts(self, node: exp.Anonymous, whole: Any) -> tuple[str, str, str]:
        """Return ``distinct``, the argument and what follows the call, its filter and its window, with all changes."""
        argument = node.expressions[0]
        distinct = ""
        if isinstance(argument, exp.Distinct):
            distinct, argument = "distinct ", argument.expressions[0]
        return distinct, self.on.text(argument), self.suffix(node, whole)

    def suffix(self, node: exp.Anonymous, whole: Any) -> str:
        """Return what follows a call: its filter and its window, with all changes."""
        inner, outer = self.on.place(node), self.on.place(whole)
        if inner is None or outer is None:
            self.refuse("sliding average", whole)
        assert inner and outer
        return self.on.between(inner[1], outer[1], whole)

    def _average(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = kinds[0] if kinds else None
        if isinstance(kind, Decimal):
            result = Decimal(min(kind.precision + 4, 38), min(kind.scale + 4, 38))
            scale = max(kind.scale, result.scale - 3)

            def text(_: str) -> str:
                distinct, argument, after = self.parts(node, whole)
                total, rows = f"sum({distinct}{argument}){after}", f"count({distinct}{argument}){after}"
                return quotient(total, f"nullif({rows}, 0)", scale, result)

            self.replace("average of decimals", whole, text)
            return result
        if types.is_double(kind):
            self.slide(node, whole, "average")
        return "double" if kind is not None else None

    def _call_sum(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = kinds[0] if kinds else None
        if isinstance(kind, Decimal):
            return Decimal(min(kind.precision + 10, 38), kind.scale)
        if types.is_double(kind):
            self.slide(node, whole, "sum")
            return "double"
        if types.is_integer(kind):
            if str(kind) == "bigint" and not (isinstance(kind, Integer) and kind.limit <= types.SMALL):

                def text(_: str) -> str:
                    distinct, argument, after = self.parts(node, whole)
                    return f"cast(sum({distinct}cast({argument} as decimal(38,0))){after} as bigint)"

                self.replace("integer that overflows", whole, text)
                return "bigint"
            return Integer("bigint", types.SMALL) if isinstance(kind, Integer) and kind.limit < 2**20 else "bigint"
        return None

    def _deviation(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.slide(node, whole, node.name.lower())
        return "double"

    def slide(self, node: Any, whole: Any, what: str) -> None:
        """Compute a sliding sum, mean or deviation of doubles anew for each row, as Spark does."""
        if not isinstance(whole, exp.Window):
            return
        shape = frame(whole)
        if shape in ("growing", "whole"):
            return
        if shape == "shrinking":
            self.reverse(whole)
            return

        def text(_: str) -> str:
            _, argument, after = self.parts(node, whole)
            values = f"filter(collect_list(cast({argument} as double)){after}, v -> v is not null)"
            if isinstance(node.expressions[0].meta.get("kind"), Decimal):
                values = f"filter(collect_list(cast(cast({argument} as string) as double)){after}, v -> v is not null)"
            rows = f"count({argument}){after}"
            total = f"aggregate({values}, 0d, (s, v) -> s + v)"
            if what == "sum":
                return f"if({rows} = 0, null, {total})"
            if what == "average":
                return f"({total} / nullif({rows}, 0))"
            less = 1 if DEVIATIONS[what] == "sample" else 0
            root = what.startswith("std")
            start = "named_struct('n', 0d, 'm', 0d, 's', 0d)"
            step = (
                "(a, v) -> named_struct('n', a.n + 1d, 'm', a.m + (v - a.m) / (a.n + 1d), "
                "'s', a.s + (v - a.m) * ((v - a.m) - (v - a.m) / (a.n + 1d)))"
            )
            variance = f"a.s / (a.n - {less}d)"
            finish = f"a -> {f'sqrt({variance})' if root else variance}"
            return f"if({rows} > {less}, aggregate({values}, {start}, {step}, {finish}), null)"

        self.replace("sliding average", whole, text)

    def reverse(self, whole: Any) -> None:
        """Turn a frame that ends with its partition round, so that it only grows."""
        order, spec = whole.args["order"], whole.args["spec"]
        if str(spec.args.get("kind")).upper() != "ROWS":
            return
        for key in order.expressions:
            first, last = self.on.place(key), self.on.place(key.this)
            if first is None or last is None:
                return
        for key in order.expressions:
            descending = bool(key.args.get("desc"))
            nulls_first = key.args.get("nulls_first")
            if nulls_first is None:
                nulls_first = not descending
            said = self.on.written(key).lower()
            if "nulls first" in said or "nulls last" in said:
                nulls_first = "nulls first" in said
            tail = ("asc" if descending else "desc") + (" nulls last" if nulls_first else " nulls first")
            self.replace("sliding average", key, lambda _, key=key, tail=tail: f"{self.on.text(key.this)} {tail}")  # type: ignore[misc]
        start, side = spec.args.get("start"), str(spec.args.get("start_side") or "").lower()
        bound = start if isinstance(start, str) else self.on.written(start)
        turned = {"preceding": "following", "following": "preceding"}.get(side, "")
        last_key = self.on.place(order.expressions[-1])
        outer = self.on.place(whole)
        assert last_key and outer

        def text(_: str) -> str:
            head = self.on.between(outer[0], last_key[1], whole)
            return f"{head} rows between unbounded preceding and {bound.lower()} {turned})"

        self.replace("sliding average", whole, text)

    # --- functions -----------------------------------------------------------------------------------------------

    def _call_if(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        return self.branches("types of branches", node.expressions[1:])

    _call_iff = _call_if

    def _call_coalesce(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        return self.branches("types of branches", node.expressions, always="double" in kinds)

    def _call_nvl(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if None in kinds or len(set(kinds)) < 2:
            return kinds[0] if kinds else None
        kind = self.branches("types of branches", node.expressions, always=True)
        self.replace("types of branches", node, lambda _: f"coalesce({', '.join(self.on.arguments(node))})")
        return kind

    _call_ifnull = _call_nvl

    def _call_nvl2(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = self.branches("types of branches", node.expressions[1:])

        def text(_: str) -> str:
            value, one, other = self.on.arguments(node)
            return f"if({value} is not null, {one}, {other})"

        self.replace("nvl2", node, text)
        return kind

    def _call_nullif(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 2 and None not in kinds:
            self.compare(node.expressions)
            if isinstance(kinds[0], Decimal) and types.wider(*kinds) != kinds[0]:
                kind = kinds[0]
                self.replace("type of a decimal result", node, lambda text: f"cast({text} as {kind})")
        return kinds[0]

    def _call_greatest(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = types.widest(kinds)
        if kind == "double":
            for each, was in zip(node.expressions, kinds, strict=True):
                if was not in {"double", "void"}:
                    self.cast("decimal beside a double", each, "double", was)
        return kind

    _call_least = _call_greatest

    def _call_decimal(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if kinds and kinds[0] == "double":
            inner = node.expressions[0]
            self.replace("double to decimal", node, lambda _: decimal_of_double(self.on.text(inner), Decimal(10, 0)))
        return Decimal(10, 0)

    def _call_double(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if kinds and isinstance(kinds[0], Decimal):
            self.replace(
                "decimal to double", node, lambda _: f"cast(cast({self.on.arguments(node)[0]} as string) as double)"
            )
        return "double"

    def _call_decode(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) < 3:
            return "string"
        results = [*node.expressions[2::2]]
        if len(kinds) % 2 == 0:
            results.append(node.expressions[-1])
        kind = self.branches("types of branches", results)

        def text(_: str) -> str:
            value, *rest = self.on.arguments(node)
            cases = [f"when {value} <=> {rest[n]} then {rest[n + 1]}" for n in range(0, len(rest) - 1, 2)]
            default = f" else {rest[-1]}" if len(rest) % 2 else ""
            return f"case {' '.join(cases)}{default} end"

        self.replace("decode", node, text)
        return kind

    def _call_log(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 1:
            self.replace("logarithm without a base", node, lambda _: f"ln({self.on.arguments(node)[0]})")
        return "double"

    def _call_round(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = kinds[0] if kinds else None
        places = whole_number(node.expressions[1]) if len(kinds) > 1 else 0
        if isinstance(kind, Decimal) and places is not None:
            result = rounded(kind, places)
            if node.name.lower() == "bround":
                self._half_even(node, places, result)
            else:
                self.replace("type of a decimal result", node, lambda text: f"cast({text} as {result})")
            return result
        if kind == "double" and node.name.lower() == "round" and places is not None and 1 <= places <= 16:

            def text(_: str) -> str:
                value = self.on.arguments(node)[0]
                digits = decimal_of_double(value, Decimal(38, places))
                return f"if(abs({value}) < 1e20d, cast(cast({digits} as string) as double), {value})"

            self.replace("rounded double", node, text)
        elif kind == "double" and node.name.lower() == "bround" and places == 0:
            self._call_rint(node, kinds, whole)
        elif kind == "double" and node.name.lower() == "bround":
            self.refuse("half-even rounding", node)
        return kind

    _call_bround = _call_round

    def _half_even(self, node: Any, places: int, result: Decimal) -> None:
        half = "0." + "0" * places + "5" if places >= 0 else ""
        if not half:
            self.refuse("half-even rounding", node)

        def text(_: str) -> str:
            value = self.on.arguments(node)[0]
            near = f"round({value}, {places})"
            tie = f"abs({near} - {value}) = {half}"
            return f"cast(case when {tie} then 2 * round({value} * 0.5, {places}) else {near} end as {result})"

        self.replace("half-even rounding", node, text)

    def _call_rint(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        def text(_: str) -> str:
            value = f"cast({self.on.arguments(node)[0]} as double)"
            return f"if({value} - floor({value}) = 0.5d, 2d * round({value} / 2d), round({value}))"

        self.replace("half-even rounding", node, text)
        return "double"

    def _call_ceil(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = kinds[0] if kinds else None
        if isinstance(kind, Decimal) and len(kinds) == 1:
            return Decimal(kind.precision - kind.scale + 1, 0)
        return None if len(kinds) > 1 or kind is None else "bigint"

    _call_floor = _call_ceiling = _call_ceil

    def _call_mod(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        pair = [literal_type(each, kind) for each, kind in zip(node.expressions, kinds, strict=True)]
        if len(pair) == 2 and pair[0] and pair[1] and any(isinstance(kind, Decimal) for kind in kinds):
            result = types.arithmetic("%", pair[0], pair[1])
            self.replace("type of a decimal result", node, lambda text: f"cast({text} as {result})")
            return result
        return types.wider(*kinds) if len(kinds) == 2 else None

    _call_pmod = _call_mod

    def _call_approx_count_distinct(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.refuse("approximate count", node)
        return "bigint"

    def _call_percentile(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 3:
            self.refuse("percentile with frequencies", node)
        return "double" if isinstance(node.expressions[1], exp.Literal) else None

    def _call_percentile_approx(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.refuse("approximate percentile", whole)
        return None

    _call_approx_percentile = _call_percentile_approx

    def _call_collect_list(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if isinstance(whole, exp.Window) and frame(whole) != "whole":
            self.replace("list over a window", whole, lambda text: f"filter({text}, v -> v is not null)")
        return f"array<{kinds[0]}>" if kinds and kinds[0] is not None else None

    _call_array_agg = _call_collect_list

    def _call_max(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        argument = node.expressions[0] if node.expressions else None
        kind = kinds[0] if kinds else None
        nested = isinstance(argument, exp.Anonymous) and argument.name.lower() in ("struct", "named_struct", "array")
        if nested or (isinstance(kind, str) and kind.startswith(("struct", "array"))):
            place = -1 if node.name.lower() == "max" else 1

            def text(_: str) -> str:
                distinct, value, after = self.parts(node, whole)
                rows = f"filter(collect_list({distinct}{value}){after}, v -> v is not null)"
                return f"try_element_at(sort_array({rows}), {place})"

            self.replace("largest struct", whole, text)
        return kind

    _call_min = _call_max

    def _call_array_contains(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        def text(_: str) -> str:
            items, value = self.on.arguments(node)
            return (
                f"case when array_contains({items}, {value}) then true when {items} is null or {value} is null "
                f"or exists({items}, item -> item is null) then cast(null as boolean) else false end"
            )

        self.replace("null in an array", node, text)
        return "boolean"

    def _call_typeof(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        kind = kinds[0] if kinds else None
        if isinstance(kind, Decimal) or types.is_number(kind) or kind in ("string", "date", "timestamp", "boolean"):
            text = f"'{kind}'"
            if self.aggregates(node):
                text = f"coalesce(max({text}), {text})"
            self.replace("typeof", node, lambda _: text)
        elif self.aggregates(node):
            self.refuse("typeof", node)
        return "string"

    def _call_weekday(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.replace("part of a date", node, lambda _: f"pmod(dayofweek({self.on.arguments(node)[0]}) + 5, 7)")
        return Integer("int", types.SMALLER)

    def _call_date_part(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        name, of = node.expressions
        return self.part(node, name.name, of, kinds[1]) if isinstance(name, exp.Literal) else None

    _call_datepart = _call_date_part

    def _call_datediff(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 2:
            self.replace("type of datediff", node, lambda text: f"cast({text} as int)")
            return Integer("int", types.SMALLER)
        if len(kinds) != 3:
            return None
        unit = self.on.written(node.expressions[0]).strip("'\"").lower()
        if unit in MICROS and not kinds[1] == kinds[2] == "date":

            def text(_: str) -> str:
                _, start, end = (self.on.text(each) for each in node.expressions)
                ends = [f"unix_micros(cast({each} as timestamp))" for each in (end, start)]
                return f"(({ends[0]} - {ends[1]}) div {MICROS[unit]})"

            self.replace("days between timestamps", node, text)
        return Integer("bigint", types.SMALL)

    _call_date_diff = _call_timestampdiff = _call_datediff

    def _call_date_trunc(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 2 and kinds[1] != "timestamp":
            self.replace("type of date_trunc", node.expressions[1], lambda text: f"cast({text} as timestamp)")
        return "timestamp"

    def _call_timestamp_seconds(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if not types.is_integer(kinds[0]):
            self.replace(
                "fraction of a second",
                node,
                lambda _: f"timestamp_micros(cast(({self.on.arguments(node)[0]}) * 1000000 as bigint))",
            )
        return "timestamp"

    def _call_to_timestamp(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 1 and types.is_number(kinds[0]):
            self.replace("number as timestamp", node, lambda _: f"cast({self.on.arguments(node)[0]} as timestamp)")
        return "timestamp"

    def _call_unix_timestamp(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 1 and kinds[0] in ("timestamp", "date"):
            self.replace(
                "time before 1970",
                node,
                lambda _: seconds(f"cast({self.on.arguments(node)[0]} as timestamp)", "bigint"),
            )
        return Integer("bigint", types.SMALL)

    _call_unix_seconds = _call_to_unix_timestamp = _call_unix_timestamp

    def _call_try_to_date(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        if len(kinds) == 1:
            self.replace("try_to_date", node, lambda _: f"try_cast({self.on.arguments(node)[0]} as date)")
        return "date"

    def _call_get_json_object(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        path = node.expressions[1]
        if isinstance(path, exp.Literal) and "[*]" in path.name:
            self.refuse("wildcard in a JSON path", node)
        return "string"

    def _call_to_json(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        for part in node.find_all(exp.Expression):
            if isinstance(part.meta.get("kind"), Decimal) or part.meta.get("kind") == "timestamp":
                self.refuse("decimals and timestamps in JSON", node)
        return "string"

    def _call_initcap(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.replace(
            "initcap",
            node,
            lambda _: (
                f"array_join(transform(split(lower({self.on.arguments(node)[0]}), ' '), "
                "w -> concat(upper(substr(w, 1, 1)), substr(w, 2))), ' ')"
            ),
        )
        return "string"

    def _call_split(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        pattern = node.expressions[1]
        if len(kinds) == 2 and isinstance(pattern, exp.Literal) and pattern.name == "":
            self.replace(
                "split at nothing",
                node,
                lambda text: f"if({self.on.arguments(node)[0]} = '', array(''), filter({text}, c -> c <> ''))",
            )
        return "array<string>"

    def _call_regexp_count(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.replace("type of regexp_count", node, lambda text: f"cast({text} as int)")
        return "int"

    def _call_aes_encrypt(self, node: Any, kinds: list[Type], whole: Any) -> Type:
        self.refuse("encryption", node)
        return "binary"


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


def renamed(columns: Columns | None, alias: Any) -> Columns | None:
    """Return columns by the names that an alias such as ``t(a, b)`` gives them."""
    names = [name.name for name in (alias.args.get("columns") or [])] if isinstance(alias, exp.TableAlias) else []
    if not names:
        return columns
    if columns is None or len(columns) != len(names):
        return [(name, None) for name in names]
    return [(name, kind) for name, (_, kind) in zip(names, columns, strict=True)]
