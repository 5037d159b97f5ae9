"""Connections of the ``localspark`` adapter: one Spark Connect session for a dbt process."""

from __future__ import annotations

import gc
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from dbt.adapters.contracts.connection import AdapterResponse, Connection, ConnectionState
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.localspark import delta_statements, sql_errors
from dbt.adapters.localspark.guard import verdicts
from dbt.adapters.spark.connections import SparkConnectionManager, SparkConnectionMethod, SparkCredentials
from dbt_common.exceptions import DbtRuntimeError

from lakehouse import engine, engine_errors, settings
from lakehouse.errors import CryptoError
from lakehouse.settings import SAIL, Settings
from lakehouse.storage import lake

CREATE_VIEW = re.compile(r"\s*create or replace view `?(\w+)`?\.`?(\w+)`?", re.IGNORECASE)
QUERY = re.compile(r"\s*(select|with)\b", re.IGNORECASE)
QUERY_COMMENT = re.compile(r"^\s*/\*.*?\*/", re.DOTALL)
# dbt opens a connection for each node: an engine that has answered is taken for one that still does for so long.
TRUSTED_SECONDS = 5
# Spark's name of the only catalog, for the artifacts: tools that read them expect one.
CATALOG = "spark_catalog"


@cache
def local_settings(engine: str) -> settings.Settings:
    """Return the settings of this dbt process for an engine, as the target's profile names it."""
    return replace(settings.load(), engine=engine)


@cache
def freeze_project() -> None:
    """Keep what is loaded by now, dbt's manifest above all, from being walked through in each garbage collection."""
    gc.freeze()


@dataclass
class LocalSparkCredentials(SparkCredentials):
    """A profile of a local engine: it needs ``schema``, and names the ``engine`` if that is not Sail."""

    engine: str = settings.SAIL

    def __post_init__(self) -> None:
        self.method, self.host = SparkConnectionMethod.SESSION, "local engine"
        super().__post_init__()
        self.database = CATALOG
        # dbt-spark turns ANSI mode off; Databricks has it on, and so has the local engine.
        self.server_side_parameters = {}

    @property
    def type(self) -> str:
        """The adapter's name in a profile."""
        return "localspark"

    @property
    def unique_field(self) -> str:
        """What tells one installation from another; nothing here is worth telling."""
        return "local engine"

    def _connection_keys(self) -> tuple[str, ...]:
        return ("database", "schema", "engine")


class LocalSparkConnectionManager(SparkConnectionManager):
    """dbt-spark's connections, each a cursor over the same session."""

    TYPE = "localspark"

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """Start the engine if need be and hand out a cursor."""
        if connection.state == ConnectionState.OPEN:
            return connection
        freeze_project()
        try:
            found = local_settings(connection.credentials.engine)
            connection.handle = Handle(engine.session(found, trusted_seconds=TRUSTED_SECONDS), found)
        except CryptoError as error:
            raise FailedToConnectError(str(error)) from error
        connection.state = ConnectionState.OPEN
        return connection

    @classmethod
    def get_response(cls, cursor: Any) -> AdapterResponse:
        """Say how many rows a statement changed, where Delta counts them."""
        rows = cursor.rows_affected() if isinstance(cursor, Handle) else None
        return AdapterResponse(_message="OK" if rows is None else f"OK {rows} rows", rows_affected=rows)


class Handle:
    """What dbt takes for a database connection and its cursor (DB-API, as far as dbt uses it)."""

    def __init__(self, spark: Any, settings: Settings) -> None:
        self.spark, self.settings = spark, settings
        self._frame: Any = None
        self._table: Any = None
        self._sql = ""

    def cursor(self) -> Handle:
        """Return a cursor of its own for each statement."""
        return Handle(self.spark, self.settings)

    def execute(self, sql: str, bindings: Sequence[Any] | None = None) -> None:
        """Run one statement; a failure is Spark's message without the Java trace."""
        from pyspark.errors import PySparkException

        sql = sql.strip().removesuffix(";")
        if bindings:
            sql = sql % tuple(literal(value) for value in bindings)
        bare = QUERY_COMMENT.sub("", sql, count=1)
        self._table = self._frame = None
        saved, sql = sql, self._for_sail(sql) if self.settings.engine == SAIL else sql
        self._sql = sql
        try:
            if self.settings.engine == SAIL and (table := delta_statements.answer(self.settings, bare)) is not None:
                self._table = table
            elif QUERY.match(bare):
                self._table = self._rows_of(sql)
            else:
                self._frame = self.spark.sql(sql)
        except PySparkException as error:
            raise DbtRuntimeError(self._explained(error, sql)) from error
        if self.settings.engine == SAIL:
            verdicts.forget(self.settings, bare)
        # The catalog lives in memory: the engine reads the views back from here when it starts.
        view = CREATE_VIEW.match(bare)
        if view and not view[2].endswith("__dbt_tmp"):
            lake.layer(self.settings, view[1]).save_view(view[2], saved, sql)

    def _for_sail(self, sql: str) -> str:
        """Return the text that Sail answers as Spark answers this one; refuse it if there is none."""
        found = verdicts.verdict(self.settings, self.spark, sql)
        if name := found.get("refused"):
            from dbt.adapters.localspark.guard.differences import sentence

            where, spot = sql_errors.place(self.settings.project, found["spot"]), " ".join(found["spot"].split())
            raise DbtRuntimeError(f"{where}`{spot[:120]}`: {sentence(name)}")
        return str(found.get("sql", sql))

    def _explained(self, error: Exception, sql: str) -> str:
        message = error_message(error, self.settings)
        if self.settings.engine != SAIL:
            return message
        known = [
            column
            for name in set(re.findall(r"\b(?:from|join)\s+(`?\w+`?\.`?\w+`?)", sql, re.IGNORECASE))
            for column, _ in verdicts.columns(self.settings, self.spark, name.replace("`", "")) or []
        ]
        said = sql_errors.readable(message, sql, known)
        missing = re.search(r"There is no column (?:\w+\.)*(\w+)", said)
        return sql_errors.place(self.settings.project, missing[1] if missing else "") + said

    def _rows_of(self, query: str) -> Any:
        # `spark.sql` has the server analyse a query to see that it is no command, then for its columns, then to run it.
        from pyspark.sql.connect.plan import SQL

        client = self.spark.client
        return client.to_table(SQL(query).to_proto(client), {})[0]

    def _result(self) -> Any:
        from pyspark.errors import PySparkException

        if self._table is None and self._frame is not None:
            try:
                self._table = self._frame.toArrow()
            except PySparkException as error:
                raise DbtRuntimeError(self._explained(error, self._sql)) from error
        return self._table

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Name and type of each column of the result."""
        table = self._result()
        return [(field.name, sql_type(field.type), *[None] * 5) for field in table.schema] if table is not None else []

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows."""
        table = self._result()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True)) if table is not None else []

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the first row, None if there is none."""
        rows = self.fetchall()
        return rows[0] if rows else None

    def fetchmany(self, size: int) -> list[tuple[Any, ...]]:
        """Return the first ``size`` rows."""
        return self.fetchall()[:size]

    def rows_affected(self) -> int | None:
        """Return what a merge, insert or delete says it changed."""
        if self._table is not None:
            columns = self._table.column_names
        else:
            columns = self._frame.columns if self._frame is not None else []
        if "num_affected_rows" not in columns:
            return None
        return int(self._result().column("num_affected_rows")[0].as_py() or 0)

    def cancel(self) -> None:
        """Interrupt what runs in this session."""
        self.spark.interruptAll()

    def rollback(self) -> None:
        """Do nothing: Spark has no transactions of several statements."""

    def close(self) -> None:
        """Forget the result."""
        self._frame = self._table = None


def sql_type(kind: Any) -> str:
    """Return Arrow's type by its name in SQL, as a contract writes it."""
    from pyspark.errors import PySparkException
    from pyspark.sql.pandas.types import from_arrow_type

    try:
        return str(from_arrow_type(kind).simpleString())
    except PySparkException:
        return str(kind)


def literal(value: Any) -> str:
    """Write a value of a seed as a Spark literal; dbt-spark leaves apostrophes unescaped."""
    if value is None:
        return "null"
    if isinstance(value, bool | int | float | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        value = value.isoformat()
    escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def error_message(error: Exception, settings: Settings) -> str:
    """Return what a failure means, else Spark's message without the query plan and the Java trace that follow it."""
    return engine_errors.explain(settings, error) or str(error).split("\n\nJVM stacktrace:")[0].split(";\n")[0].strip()
