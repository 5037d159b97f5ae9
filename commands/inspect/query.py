"""``crypto sql``: the answer to one statement, from the lake or from Postgres, as a table, CSV or JSON."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from commands.run import lock
from lakehouse import engine, postgres
from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import Settings

# How a statement begins that only reads, after comments and opening brackets.
READING = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(select|with|values|show|describe|desc|explain|table)\b", re.I | re.S
)
# A table on the screen ends here; CSV and JSON hold every row.
SHOWN_ROWS = 200

Row = Sequence[Any]


@dataclass(frozen=True)
class Answer:
    """The rows of a statement, with the names of their columns; both are empty if the statement returns none."""

    columns: list[str]
    rows: Sequence[Row]


def ask_lake(settings: Settings, statement: str, *, may_write: bool) -> Answer:
    """Return the engine's answer; raise CryptoError if it fails, or if it writes and ``may_write`` is false."""
    from dbt.adapters.localspark.connections import Handle
    from dbt_common.exceptions import DbtRuntimeError

    if not (may_write or READING.match(statement)):
        raise CryptoError(
            f"{(statement.split() or [''])[0]!r} begins no statement that only reads; add --write if it is meant to "
            "change the lake."
        )
    with lock.exclusive(settings) if may_write else nullcontext():
        # The adapter's own way, so that a statement means here what it means in a model.
        handle = Handle(engine.session(settings), settings)
        try:
            handle.execute(statement)
            return Answer([name for name, *_ in handle.description], handle.fetchall())
        except DbtRuntimeError as error:
            raise CryptoError(str(error.msg).strip()) from error


def ask_postgres(settings: Settings, statement: str, *, may_write: bool) -> Answer:
    """Return Postgres' answer, of one transaction that is read-only unless ``may_write``; else as `ask_lake`."""
    import psycopg

    with postgres.connect(settings) as connection:
        connection.read_only = not may_write
        try:
            cursor = connection.execute(statement)
        except psycopg.errors.ReadOnlySqlTransaction as error:
            raise CryptoError("This statement changes Postgres; add --write if it is meant to.") from error
        except psycopg.Error as error:
            raise CryptoError(f"Postgres refuses the statement: {first_line(error)}.") from error
        if cursor.description is None:
            return Answer([], [])
        return Answer([column.name for column in cursor.description], cursor.fetchall())


def show(answer: Answer, form: str) -> None:
    """Print an answer as a ``table``, ``csv`` or ``json``."""
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(answer.columns)
        writer.writerows([["" if value is None else _text(value) for value in row] for row in answer.rows])
    elif form == "json":
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        print(json.dumps(rows, default=_text, ensure_ascii=False))
    elif answer.columns:
        for line in _table(answer):
            print(line)


def _table(answer: Answer) -> Iterator[str]:
    cells = [["" if value is None else _text(value) for value in row] for row in answer.rows[:SHOWN_ROWS]]
    widths = [max(map(len, column)) for column in zip(answer.columns, *cells, strict=True)]
    numbers = [
        all(isinstance(value, int | float | Decimal | None) for value in column)
        for column in zip(*answer.rows[:SHOWN_ROWS], strict=True)
    ] or [False] * len(widths)
    for row in [answer.columns, ["-" * width for width in widths], *cells]:
        aligned = (
            text.rjust(width) if is_number else text.ljust(width)
            for text, width, is_number in zip(row, widths, numbers, strict=True)
        )
        yield "  ".join(aligned).rstrip()
    if len(answer.rows) > SHOWN_ROWS:
        yield f"... and {len(answer.rows) - SHOWN_ROWS:,} more rows; --format csv prints all."


def _text(value: Any) -> str:
    """Return a value as text; times are in UTC, without a zone."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)
