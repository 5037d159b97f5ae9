"""Windows and aggregates: frames, means, sums and deviations."""

from __future__ import annotations

import decimal
from typing import Any

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.function_types import (
    DEVIATIONS,
    LIKE_FIRST,
    NOT_SLIDING,
    RETURNS,
)
from dbt.adapters.localspark.guard.reader import Base, Scope
from dbt.adapters.localspark.guard.spark_types import Decimal, Integer, Type
from dbt.adapters.localspark.guard.text import (
    frame,
    quotient,
)
from sqlglot import exp


class Windows(Base):
    """Windows and aggregates: frames, means, sums and deviations."""

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
