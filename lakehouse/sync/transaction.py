"""Sync gold tables to Postgres in one transaction: write only the rows that differ, and verify before the commit.

The sync model declares the tables. Rows are copied (COPY) into temporary tables, ``CHUNK_ROWS`` at a time with one
chunk read ahead, and the differences are applied; an empty table is filled directly. Row counts and checksums must then
equal those of the lake, or the transaction is rolled back. synced_table.py has the steps for one table.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from lakehouse import postgres
from lakehouse.errors import CryptoError
from lakehouse.postgres import migrate
from lakehouse.postgres.identifiers import column_list
from lakehouse.settings import Settings
from lakehouse.sync.log import COLUMNS, TableSync
from lakehouse.sync.source import Table, TableSource, newest
from lakehouse.sync.synced_table import SyncedTable

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOCK = "crypto lakehouse: sync"
LOCK_SECONDS = 60.0
STATEMENT_SECONDS = 1_800
ATTEMPTS = 3
RECONNECT_SECONDS = 30
# Errors after which another attempt can succeed; a lost connection is one too.
TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected, errors.AdminShutdown, errors.CrashShutdown)

SENTENCES: dict[type[psycopg.Error], str] = {
    errors.LockNotAvailable: "Nothing was published, another program holds a lock ({}); run again later.",
    errors.QueryCanceled: "Nothing was published, a statement took too long ({}); find out what slows it down.",
    errors.DiskFull: "Nothing was published, Postgres has no room left ({}); make room and run again.",
    errors.InsufficientPrivilege: "Nothing was published, the user lacks a privilege ({}); grant it crypto_sync.",
    errors.DependentObjectsStillExist: "Nothing was published, a view shows a column to drop ({}); drop it first.",
    psycopg.IntegrityError: "Nothing was published, Postgres refuses a row ({}); correct the data or the rule.",
    psycopg.OperationalError: "The connection to Postgres was lost repeatedly ({}); run again.",
}


def sync_tables(
    spark: SparkSession | None,
    settings: Settings,
    invocation_id: str,
    tables: Sequence[Table],
    *,
    plan: bool = False,
    force: bool = False,
    drop_columns: bool = False,
    lock_seconds: float = LOCK_SECONDS,
) -> list[TableSync]:
    """Bring the tables of Postgres up to date and return the log row of each, in the order of ``tables``.

    If ``spark`` is None, the tables of the local lake are read from their files, else the tables of its catalog.
    ``invocation_id`` names the caller in the log. With ``plan`` nothing is written, and other syncs are not waited for;
    with ``force`` every row is read and any shrink is accepted; with ``drop_columns`` a column that gold has lost is
    dropped, unless a view shows it. ``lock_seconds`` is how long to wait for a lock.
    Raise CryptoError if the sync fails; Postgres then keeps its old state.
    """
    from pyspark.errors import PySparkException

    # If no table has changed, reading the versions is most of the work, so it is done in parallel.
    with ThreadPoolExecutor() as pool:
        sources = list(pool.map(partial(newest, spark, settings), tables))
    run = SyncRun(uuid.uuid4(), invocation_id, settings.max_shrink, plan, force, drop_columns, lock_seconds)
    for attempt in range(1, ATTEMPTS + 1):
        connection = _connect(settings, patient=attempt > 1)
        try:
            # A plan migrates too, to see the schema as it would be, and rolls back.
            with connection.transaction(force_rollback=True) if plan else nullcontext():
                migrate.migrate(connection)
                return run.sync(connection, sources)
        except psycopg.Error as error:
            if attempt == ATTEMPTS or not (connection.broken or isinstance(error, TRANSIENT)):
                raise CryptoError(explain(error)) from error
        except PySparkException as error:
            reason = str(error).split("\n", 1)[0].strip()
            raise CryptoError(f"Nothing was published, the lake could not be read ({reason}); run again.") from error
        finally:
            connection.close()
        time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def _connect(settings: Settings, patient: bool) -> psycopg.Connection:
    """Return a connection; with ``patient``, after a lost connection, give the server time to restart."""
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        try:
            return postgres.connect(settings)
        except CryptoError:
            if not patient or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


@dataclass
class SyncRun:
    """One sync and its options; it has the same id in all attempts."""

    id: uuid.UUID
    invocation_id: str
    max_shrink: float
    plan: bool
    force: bool
    drop_columns: bool
    lock_seconds: float

    def sync(self, connection: psycopg.Connection, sources: Sequence[TableSource]) -> list[TableSync]:
        """Sync all tables in one transaction, so that no reader sees a partial result; return their log rows."""
        limits = {
            "lock_timeout": f"{round(self.lock_seconds * 1000)}ms",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            # Postgres checks its client: a killed client's statement ends and releases its locks.
            "client_connection_check_interval": "2s",
            # The keepalives detect a client machine that was lost without closing its connection.
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        }
        for name, value in limits.items():
            connection.execute("select set_config(%s, %s, true)", [name, value])
        if not self.plan:
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            # If the connection was lost during a commit, the log shows under this lock whether the commit succeeded.
            if done := self._recorded(connection, sources):
                return done
        tables = [self._table(connection, source) for source in sources]
        _each(tables, SyncedTable.create, SyncedTable.compare_columns)
        ordered = by_foreign_key(connection, tables)
        reading = [table for table in ordered if not table.unchanged()]
        _each(reading, SyncedTable.load)
        staging = [table for table in reading if not table.loaded]
        _each(staging, SyncedTable.stage, SyncedTable.check_keys)
        _each(staging, lambda table: table.check_shrink(self.max_shrink), SyncedTable.compare)
        if not self.plan:
            writing = [table for table in staging if table.differs]
            _each(writing, SyncedTable.alter_columns)
            _each(writing[::-1], SyncedTable.delete)
            _each(writing, SyncedTable.upsert)
            _each([table for table in reading if table.loaded or table.differs], SyncedTable.verify)
            _each(tables, SyncedTable.record)
            connection.commit()
        return [table.result for table in tables]

    def _table(self, connection: psycopg.Connection, source: TableSource) -> SyncedTable:
        result = TableSync(self.id, self.invocation_id, source.table.target, source.id, source.version)
        options = {"plan": self.plan, "force": self.force, "drop_columns": self.drop_columns}
        return SyncedTable(connection, source, result, **options)

    def _recorded(self, connection: psycopg.Connection, sources: Sequence[TableSource]) -> list[TableSync]:
        query = f"select {column_list(COLUMNS)} from crypto.sync_runs where run_id = %s"
        with connection.cursor(row_factory=class_row(TableSync)) as cursor:
            rows = {row.table_name: row for row in cursor.execute(query, [self.id])}
        return [rows[source.table.target] for source in sources] if rows else []


def _each(tables: Sequence[SyncedTable], *steps: Callable[[SyncedTable], None]) -> None:
    """Do each step for all tables before the next step."""
    for step in steps:
        for table in tables:
            with table.timed():
                step(table)


def by_foreign_key(connection: psycopg.Connection, tables: Sequence[SyncedTable]) -> list[SyncedTable]:
    """Return the tables in the order of their foreign keys: each table after the tables that it references."""
    by_name = {table.table.target: table for table in tables}
    graph: dict[str, set[str]] = {name: set() for name in by_name}
    query = """
        select referring.relname, referred.relname
        from pg_constraint
        inner join pg_class as referring on pg_constraint.conrelid = referring.oid
        inner join pg_class as referred on pg_constraint.confrelid = referred.oid
        where contype = 'f' and conrelid <> confrelid and connamespace = 'crypto'::regnamespace
    """
    for name, referred in connection.execute(query):
        if name in by_name and referred in by_name:
            graph[name].add(referred)
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def explain(error: psycopg.Error) -> str:
    """Return one sentence that explains an error of Postgres."""
    reason = " ".join(filter(None, [error.diag.message_primary or str(error), error.diag.message_detail]))
    reason = " ".join(reason.split())
    for kind, sentence in SENTENCES.items():
        if isinstance(error, kind):
            return sentence.format(reason)
    return f"Nothing was published, Postgres refused it ({reason}); correct what it names and run again."
