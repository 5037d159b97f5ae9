"""Publish gold tables to Postgres: all in one transaction, only what differs, compared before it counts.

The sync model declares what is published. A table travels by COPY into a temporary one, ``CHUNK_ROWS`` rows at a
time and as many read ahead, and the difference is applied; an empty table is filled at once. Then row count and
checksum must be those of the lake, or nothing has happened. published_table.py is what happens to one table.
"""

from __future__ import annotations

import runpy
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from graphlib import TopologicalSorter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from ingestion import migrate, postgres
from ingestion.errors import CryptoError
from ingestion.published_table import COLUMNS, Published, Table, Target, listed
from ingestion.settings import Settings

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

MODEL = "models/sync/postgres_sync.py"
LOCK = "crypto lakehouse: sync"
LOCK_SECONDS = 60.0
STATEMENT_SECONDS = 1_800
ATTEMPTS = 3
RECONNECT_SECONDS = 30
CHUNK_ROWS = 500_000
# What a later attempt can mend, besides a lost connection.
PASSING = (errors.SerializationFailure, errors.DeadlockDetected, errors.AdminShutdown, errors.CrashShutdown)

SENTENCES: dict[type[psycopg.Error], str] = {
    errors.LockNotAvailable: "Nothing was published, another program holds a lock ({}); run again later.",
    errors.QueryCanceled: "Nothing was published, a statement took too long ({}); see what holds it up.",
    errors.DiskFull: "Nothing was published, Postgres has no room left ({}); make room and run again.",
    errors.InsufficientPrivilege: "Nothing was published, the user may not ({}); grant it crypto_sync.",
    psycopg.IntegrityError: "Nothing was published, Postgres refuses a row ({}); mend the data or the rule.",
    psycopg.OperationalError: "The connection to Postgres was lost, again and again ({}); run again.",
}

RUNS_SCHEMA = (
    "run_id string, invocation_id string, table_name string, source_id string, source_version bigint, "
    "rows_inserted bigint, rows_updated bigint, rows_deleted bigint, rows_total bigint, "
    "checksum decimal(38,0), seconds double, finished_at timestamp"
)


@dataclass
class Source:
    """A Delta table at one version: what is read is what is recorded, whatever is written meanwhile."""

    spark: SparkSession
    table: Table
    id: str
    version: int

    @property
    def relation(self) -> str:
        """The version, as SQL names it."""
        return f"{self.table.relation} version as of {self.version}"

    def columns(self) -> dict[str, str]:
        """Spark's type of each column, by name."""
        schema = self.spark.sql(f"select * from {self.relation}").schema
        return {column.name: column.dataType.simpleString() for column in schema}

    def chunks(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows as Arrow tables of about CHUNK_ROWS rows, split by the key; the next is read meanwhile."""
        count = self.spark.sql(f"select count(*) from {self.relation}").collect()[0][0]
        chunks = max(1, -(-count // CHUNK_ROWS))
        names, key = (", ".join(f"`{name}`" for name in some) for some in (columns, self.table.key))

        def read(chunk: int) -> pa.Table:
            where = f"where pmod(xxhash64({key}), {chunks}) = {chunk}" if chunks > 1 else ""
            return self.spark.sql(f"select {names} from {self.relation} {where}").toArrow()

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, 0)
            for chunk in range(1, chunks):
                found, ahead = ahead.result(), reader.submit(read, chunk)
                yield found
            yield ahead.result()


def newest(spark: SparkSession, table: Table) -> Source:
    """The table's newest version; CryptoError if there is no such Delta table."""
    from pyspark.errors import PySparkException

    try:
        version = spark.sql(f"describe history {table.relation} limit 1").select("version").collect()[0][0]
        identity = spark.sql(f"describe detail {table.relation}").select("id").collect()[0][0]
    except PySparkException as error:
        raise CryptoError(f"{table.relation} can't be read to be published; run 'dbt build' first.") from error
    return Source(spark, table, identity, version)


def declared(project: Path) -> list[Table]:
    """The tables that the sync model declares, by the names they have in the local lake: folder = schema."""

    def ref(name: str) -> str:
        path = next(project.glob(f"models/*/{name}.sql"), None)
        if path is None:
            raise CryptoError(f"{MODEL} publishes {name!r}, but no folder of models/ has {name}.sql; mend its name.")
        return f"{path.parent.name}.{name}"

    tables: list[Table] = runpy.run_path(str(project / MODEL))["tables"](SimpleNamespace(ref=ref))
    return tables


def publish(
    spark: SparkSession,
    settings: Settings,
    invocation_id: str,
    tables: Sequence[Table],
    *,
    plan: bool = False,
    force: bool = False,
    lock_seconds: float = LOCK_SECONDS,
) -> list[Published]:
    """Publish the tables and return what was done, in the order of ``tables``.

    With ``plan`` nothing is written and nothing waits; with ``force`` everything is read and a shrink is let
    through. CryptoError, and the old state, if it can't be done.
    """
    from pyspark.errors import PySparkException

    # Asking for a version is most of a sync that finds nothing new.
    with ThreadPoolExecutor() as asking:
        sources = list(asking.map(partial(newest, spark), tables))
    run = Run(uuid.uuid4(), invocation_id, settings.max_shrink, plan, force, lock_seconds)
    for attempt in range(1, ATTEMPTS + 1):
        connection = _connect(settings, patient=attempt > 1)
        try:
            # A plan sees the schema as it would be, and leaves it as it is.
            with connection.transaction(force_rollback=True) if plan else nullcontext():
                migrate.migrate(connection)
                return run.publish(connection, sources)
        except psycopg.Error as error:
            if attempt == ATTEMPTS or not (connection.broken or isinstance(error, PASSING)):
                raise CryptoError(plain(error)) from error
        except PySparkException as error:
            said = str(error).split("\n", 1)[0].strip()
            raise CryptoError(f"Nothing was published, the lake could not be read ({said}); run again.") from error
        finally:
            connection.close()
        time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def runs(spark: SparkSession, settings: Settings, unknown_to: str | None = None) -> DataFrame:
    """``crypto.sync_runs`` as a DataFrame, without the runs that the lake's table ``unknown_to`` has."""
    known: set[str] = set()
    if unknown_to:
        known = {row.run_id for row in spark.sql(f"select distinct run_id from {unknown_to}").collect()}
    query = f"select {listed(COLUMNS)} from crypto.sync_runs order by finished_at, table_name"
    with postgres.connect(settings) as connection:
        rows = [(str(run_id), *rest) for run_id, *rest in connection.execute(query) if str(run_id) not in known]
    return spark.createDataFrame(rows, RUNS_SCHEMA)


def _connect(settings: Settings, patient: bool) -> psycopg.Connection:
    """Connect; who is patient has lost a connection and gives the server time to restart."""
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        try:
            return postgres.connect(settings)
        except CryptoError:
            if not patient or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


@dataclass
class Run:
    """One sync: what it was asked for, which a lost connection does not change."""

    id: uuid.UUID
    invocation_id: str
    max_shrink: float
    plan: bool
    force: bool
    lock_seconds: float

    def publish(self, connection: psycopg.Connection, sources: Sequence[Source]) -> list[Published]:
        """Do all of it in one transaction, of which nobody sees a part."""
        limits = {
            "lock_timeout": f"{round(self.lock_seconds * 1000)}ms",
            "statement_timeout": f"{STATEMENT_SECONDS}s",
            # Postgres looks whether we still live: a killed client's statement ends, and with it its locks.
            "client_connection_check_interval": "2s",
            # And whether a client that says nothing is still there: a vanished machine closes no connection.
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        }
        for name, value in limits.items():
            connection.execute("select set_config(%s, %s, true)", [name, value])
        if not self.plan:
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            # A commit whose answer was lost has happened by now or never will: we hold the lock.
            if done := self._recorded(connection, sources):
                return done
        targets = [self._target(connection, source) for source in sources]
        _each(targets, Target.create, Target.compare_columns)
        ordered = by_foreign_key(connection, targets)
        reading = [target for target in ordered if not target.unchanged()]
        _each(reading, Target.load)
        staging = [target for target in reading if not target.loaded]
        _each(staging, Target.stage, Target.refuse, lambda target: target.guard(self.max_shrink), Target.compare)
        if not self.plan:
            writing = [target for target in staging if target.differs]
            _each(writing, Target.add_columns)
            _each(writing[::-1], Target.delete)
            _each(writing, Target.upsert)
            _each([target for target in reading if target.loaded or target.differs], Target.verify)
            _each(targets, Target.record)
            connection.commit()
        return [target.published for target in targets]

    def _target(self, connection: psycopg.Connection, source: Source) -> Target:
        published = Published(self.id, self.invocation_id, source.table.target, source.id, source.version)
        return Target(connection, source, published, plan=self.plan, force=self.force)

    def _recorded(self, connection: psycopg.Connection, sources: Sequence[Source]) -> list[Published]:
        query = f"select {listed(COLUMNS)} from crypto.sync_runs where run_id = %s"
        with connection.cursor(row_factory=class_row(Published)) as cursor:
            rows = {row.table_name: row for row in cursor.execute(query, [self.id])}
        return [rows[source.table.target] for source in sources] if rows else []


def _each(targets: Sequence[Target], *steps: Callable[[Target], None]) -> None:
    """Take every table through a step before any through the next."""
    for step in steps:
        for target in targets:
            with target.timed():
                step(target)


def by_foreign_key(connection: psycopg.Connection, targets: Sequence[Target]) -> list[Target]:
    """The targets so that each comes after those it refers to."""
    by_name = {target.table.target: target for target in targets}
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


def plain(error: psycopg.Error) -> str:
    """One sentence for what Postgres said."""
    said = " ".join(filter(None, [error.diag.message_primary or str(error), error.diag.message_detail]))
    said = " ".join(said.split())
    for kind, sentence in SENTENCES.items():
        if isinstance(error, kind):
            return sentence.format(said)
    return f"Nothing was published, Postgres refused it ({said}); see what it says, mend it and run again."
