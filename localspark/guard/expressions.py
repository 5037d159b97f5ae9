"""Expressions: their types by Spark's rules, arithmetic, comparisons, casts and branches."""

from __future__ import annotations

import re
from typing import Any

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.reader import Base, Scope
from dbt.adapters.localspark.guard.spark_types import Decimal, Integer, Type
from dbt.adapters.localspark.guard.text import (
    decimal_of_double,
    limit_of,
    literal_type,
    quotient,
    seconds,
)
from sqlglot import exp


class Expressions(Base):
    """Expressions: their types by Spark's rules, arithmetic, comparisons, casts and branches."""

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
            self._listed_by_query(node)
        self.compare([node.this, *node.expressions])
        return "boolean"

    def _listed_by_query(self, node: Any) -> None:
        """Refuse a list with a query where Sail takes "unknown" for "no"; it tells them apart in plain conditions."""
        above, joined, denied = node, (exp.Paren, exp.And, exp.Or), False
        while isinstance(above.parent, exp.Paren | exp.Not):
            above = above.parent
            if isinstance(above, exp.Not):
                joined, denied = (exp.Paren, exp.And), True
        while isinstance(above.parent, joined):
            above = above.parent
        constant = node.this.find(exp.Column) is None
        if isinstance(above.parent, exp.Is) and not denied:
            # Spark takes "unknown" for "no" here as well.
            return
        if not isinstance(above.parent, exp.Where | exp.Having) or (denied and constant):
            self.refuse("list with a null", node)

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
