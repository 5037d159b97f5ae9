"""Functions that Sail computes otherwise than Spark."""

from __future__ import annotations

from typing import Any

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.function_types import (
    MICROS,
)
from dbt.adapters.localspark.guard.reader import Base
from dbt.adapters.localspark.guard.spark_types import Decimal, Integer, Type
from dbt.adapters.localspark.guard.text import (
    decimal_of_double,
    frame,
    literal_type,
    rounded,
    seconds,
    whole_number,
)
from sqlglot import exp


class Functions(Base):
    """Functions that Sail computes otherwise than Spark."""

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
