"""Queries: their sources, columns, set operations, `qualify` and pivots."""

from __future__ import annotations

import re
from typing import Any

from dbt.adapters.localspark.guard import spark_types as types
from dbt.adapters.localspark.guard.function_types import (
    AGGREGATES,
)
from dbt.adapters.localspark.guard.reader import Base, Columns, Scope
from dbt.adapters.localspark.guard.spark_types import Decimal, Type
from dbt.adapters.localspark.guard.text import (
    converted,
    element_of,
    filtered,
    quoted,
    renamed,
    within,
)
from sqlglot import exp


class Queries(Base):
    """Queries: their sources, columns, set operations, `qualify` and pivots."""

    def statement(self, tree: exp.Expression) -> Columns | None:
        """Read the outermost queries of a statement, and return the columns of one that is a query itself."""
        self.literals()
        if isinstance(tree, exp.Command):
            return None
        if isinstance(tree, exp.Query | exp.Values):
            return self.query(tree, {}, None)
        waiting = [tree]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, exp.Query | exp.Values):
                self.query(node, {}, None)
            else:
                waiting.extend(node.iter_expressions())
        return None

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
