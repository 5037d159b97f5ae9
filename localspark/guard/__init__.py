"""Reads each statement before Sail runs it: rewrites what Sail would answer otherwise than Spark, or refuses it.

`differences` lists what Sail gets wrong; `queries`, `expressions`, `windows` and `functions` recognise it in the tree
of a statement and write what stands in its place. A replaced spot keeps the text around it to the letter (`statement`).
What depends on types is judged with the types of the tables and views that the statement reads, propagated by Spark's
rules (`spark_types`). Where a type can't be known, the text stays. `verdicts` keeps what was found.
"""

from __future__ import annotations

from dbt.adapters.localspark.guard.expressions import Expressions
from dbt.adapters.localspark.guard.functions import Functions
from dbt.adapters.localspark.guard.queries import Queries
from dbt.adapters.localspark.guard.reader import ColumnsOf, Refused, Verdict
from dbt.adapters.localspark.guard.statement import ParseError, Statement, TokenError
from dbt.adapters.localspark.guard.windows import Windows

__all__ = ["Verdict", "judge"]


class Reader(Queries, Expressions, Windows, Functions):
    """Walks through one statement, from the innermost query outwards."""


def judge(sql: str, columns_of: ColumnsOf) -> Verdict:
    """Read one statement; what can't be parsed passes, and Sail says what is wrong with it."""
    try:
        statement = Statement(sql)
    except (ParseError, TokenError, RecursionError):
        return Verdict(sql)
    reader = Reader(statement, columns_of)
    columns = None
    try:
        for tree in statement.trees:
            columns = reader.statement(tree)
    except Refused as refused:
        return Verdict(sql, refused=refused.name, spot=refused.spot, tables=tuple(sorted(reader.tables)))
    text = statement.result() if statement.changed else sql
    return Verdict(text, tuple(sorted(reader.rewritten)), tables=tuple(sorted(reader.tables)), columns=columns)
