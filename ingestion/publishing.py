"""Publish gold tables to Postgres: all in one transaction, only what differs, compared before it counts.

``TABLES`` declares what is published. A published table travels by COPY into a temporary table, at most
``CHUNK_ROWS`` rows in memory; the difference is applied; then row count and checksum must be those of the
lake, or nothing has happened.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import errors
from psycopg.rows import class_row
from psycopg.sql import SQL, Composable, Identifier

from ingestion import migrate, postgres, postgres_binary
from ingestion.errors import CryptoError
from ingestion.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

LOCK = "crypto lakehouse: sync"
LOCK_SECONDS = 60.0
STATEMENT_SECONDS = 1_800
ATTEMPTS = 3
RECONNECT_SECONDS = 30
# What a later attempt can mend, besides a lost connection.
PASSING = (errors.SerializationFailure, errors.DeadlockDetected, errors.AdminShutdown, errors.CrashShutdown)
CHUNK_ROWS = 500_000
EXAMPLES = 3


@dataclass(frozen=True)
class Table:
    """What is published: a table of the lake, a table in Postgres' schema ``crypto``, and the key of both."""

    relation: str
    target: str
    key: tuple[str, ...]


TABLES = (
    Table("gold.daily_metrics", "daily_metrics", ("symbol", "metric_date")),
    Table("gold.trading_indicators", "trading_indicators", ("symbol", "metric_date")),
)


@dataclass
class Published:
    """One table's row in ``crypto.sync_runs``; of a plan, what the row would be, and examples."""

    run_id: uuid.UUID
    invocation_id: str
    table_name: str
    source_id: str
    source_version: int
    rows_inserted: int = 0
    rows_updated: int = 0
    rows_deleted: int = 0
    rows_total: int = 0
    checksum: int = 0
    seconds: float = 0.0
    finished_at: datetime | None = None
    examples: list[str] = field(default_factory=list)


RUNS_SCHEMA = (
    "run_id string, invocation_id string, table_name string, source_id string, source_version bigint, "
    "rows_inserted bigint, rows_updated bigint, rows_deleted bigint, rows_total bigint, checksum decimal(38,0), "
    "seconds double, finished_at timestamp"
)
COLUMNS = [name for name in Published.__dataclass_fields__ if name != "examples"]


@dataclass
class Source:
    """A Delta table at one version: what is read is what was recorded, whatever is written meanwhile."""

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

    def chunks(self, columns: Sequence[str]) -> Iterator[Any]:
        """All rows as Arrow tables of about CHUNK_ROWS rows, split by the key."""
        count = self.spark.sql(f"select count(*) from {self.relation}").collect()[0][0]
        chunks = -(-count // CHUNK_ROWS)
        names, key = (", ".join(f"`{name}`" for name in some) for some in (columns, self.table.key))
        for chunk in range(chunks):
            where = f"where pmod(xxhash64({key}), {chunks}) = {chunk}" if chunks > 1 else ""
            yield self.spark.sql(f"select {names} from {self.relation} {where}").toArrow()


def source(spark: SparkSession, table: Table) -> Source:
    """The table's newest version; CryptoError if there is no such Delta table."""
    from pyspark.errors import PySparkException

    try:
        version = spark.sql(f"describe history {table.relation} limit 1").select("version").collect()[0][0]
        identity = spark.sql(f"describe detail {table.relation}").select("id").collect()[0][0]
    except PySparkException as error:
        raise CryptoError(
            f"{table.relation} can't be read to be published; run 'dbt build' first."
        ) from error
    return Source(spark, table, identity, version)


def publish(
    spark: SparkSession,
    settings: Settings,
    invocation_id: str,
    *,
    tables: Sequence[Table] = TABLES,
    relations: Mapping[str, str] | None = None,
    plan: bool = False,
    force: bool = False,
    lock_seconds: float = LOCK_SECONDS,
) -> list[Published]:
    """Publish the tables and return what was done, in the order of ``tables``.

    ``relations`` gives the lake's tables by target where they have other names than declared. With ``plan``
    nothing is written and nothing waits; with ``force`` everything is read and a shrink is let through.
    CryptoError, and the old state, if it can't be done.
    """
    named = [replace(table, relation=(relations or {}).get(table.target, table.relation)) for table in tables]
    sources = [source(spark, table) for table in named]
    run = _Run(uuid.uuid4(), invocation_id, settings.max_shrink, plan, force, lock_seconds)
    for attempt in range(1, ATTEMPTS + 1):
        connection = _connect(settings, patient=attempt > 1)
        try:
            migrate.migrate(connection)
            return run.publish(connection, sources)
        except psycopg.Error as error:
            if attempt == ATTEMPTS or not (connection.broken or isinstance(error, PASSING)):
                raise CryptoError(_plain(error, settings)) from error
        finally:
            connection.close()
        time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def runs(spark: SparkSession, settings: Settings, unknown_to: str | None = None) -> DataFrame:
    """``crypto.sync_runs`` as a DataFrame, without the runs that the lake's table ``unknown_to`` has."""
    known: set[str] = set()
    if unknown_to:
        known = {row.run_id for row in spark.sql(f"select distinct run_id from {unknown_to}").collect()}
    query = SQL("select {} from crypto.sync_runs order by finished_at").format(_names(COLUMNS))
    with postgres.connect(settings) as connection:
        rows = [
            (str(run_id), *rest) for run_id, *rest in connection.execute(query) if str(run_id) not in known
        ]
    return spark.createDataFrame(rows, RUNS_SCHEMA)


def _connect(settings: Settings, patient: bool) -> psycopg.Connection:
    """Connect; a patient caller has lost a connection and gives the server time to restart."""
    deadline = time.monotonic() + RECONNECT_SECONDS
    while True:
        try:
            # The server looks at times whether we still live: a killed client's statement ends, and its locks.
            return postgres.connect(settings, options="-c client_connection_check_interval=2s")
        except CryptoError:
            if not patient or time.monotonic() > deadline:
                raise
        time.sleep(0.5)


@dataclass
class _Run:
    """One sync: what it was asked for, which a lost connection does not change."""

    id: uuid.UUID
    invocation_id: str
    max_shrink: float
    plan: bool
    force: bool
    lock_seconds: float

    def publish(self, connection: psycopg.Connection, sources: Sequence[Source]) -> list[Published]:
        """Do all of it in one transaction, which nobody sees before it is whole."""
        execute = connection.execute
        execute(
            "select set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
            [f"{round(self.lock_seconds * 1000)}ms", f"{STATEMENT_SECONDS}s"],
        )
        if not self.plan:
            execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            # A commit whose answer was lost has either happened by now or never will: we hold the lock.
            if done := self._recorded(connection, sources):
                return done
        targets = [_Target(self, connection, source) for source in sources]
        for target in targets:
            with target.timed():
                target.compare_columns()
        changing = [target for target in _by_foreign_key(connection, targets) if not target.unchanged()]
        for step in (_Target.stage, _Target.refuse, _Target.compare):
            for target in changing:
                with target.timed():
                    step(target)
        if self.plan:
            connection.rollback()
            return [target.published for target in targets]
        changing = [target for target in changing if target.differs]
        steps = [(target, _Target.add_columns) for target in changing]
        steps += [(target, _Target.delete) for target in reversed(changing)]
        steps += [(target, _Target.upsert) for target in changing]
        steps += [(target, _Target.verify) for target in changing]
        steps += [(target, _Target.record) for target in targets]
        for target, step in steps:
            with target.timed():
                step(target)
        connection.commit()
        return [target.published for target in targets]

    def _recorded(self, connection: psycopg.Connection, sources: Sequence[Source]) -> list[Published]:
        query = SQL("select {} from crypto.sync_runs where run_id = %s").format(_names(COLUMNS))
        with connection.cursor(row_factory=class_row(Published)) as cursor:
            rows = {row.table_name: row for row in cursor.execute(query, [self.id])}
        return [rows[source.table.target] for source in sources] if rows else []


class _Target:
    """A published table in Postgres, and what one run does to it."""

    def __init__(self, run: _Run, connection: psycopg.Connection, source: Source) -> None:
        self.run = run
        self.connection = connection
        self.source = source
        self.table = source.table
        self.name = Identifier("crypto", source.table.target)
        self.staged = Identifier("pg_temp", f"staged_{source.table.target}")
        self.published = Published(run.id, run.invocation_id, self.table.target, source.id, source.version)
        self.columns: dict[str, tuple[str, int]] = {}
        self.added: dict[str, str] = {}
        self.differs = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Count the time towards the table's seconds."""
        started = time.monotonic()
        yield
        self.published.seconds += time.monotonic() - started

    def compare_columns(self) -> None:
        """Note what gold has added; refuse, by name, whatever else differs."""
        query = """
            select attname, format_type(atttypid, atttypmod), atttypid::bigint
            from pg_attribute
            where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
            order by attnum
        """
        found = self.connection.execute(query, [f"crypto.{self.table.target}"]).fetchall()
        if not found:
            raise CryptoError(
                f"Postgres has no table crypto.{self.table.target}; add a migration that creates it."
            )
        self.columns = {name: (type_name, oid) for name, type_name, oid in found}
        lake = self.source.columns()
        for name in self.columns:
            if name not in lake:
                raise CryptoError(
                    f"Column {name!r} of crypto.{self.table.target} is missing in {self.table.relation}; "
                    "put it back, or drop it in Postgres by a migration."
                )
        for name, spark_type in lake.items():
            wanted = postgres_binary.postgres_type(spark_type)
            if wanted is None:
                raise CryptoError(
                    f"Column {name!r} of {self.table.relation} has type {spark_type}, which can't be published; "
                    "cast it in the model."
                )
            if name not in self.columns:
                self.added[name] = wanted[0]
                self.columns[name] = wanted
            elif self.columns[name] != wanted:
                raise CryptoError(
                    f"Column {name!r} is {spark_type} in {self.table.relation} but {self.columns[name][0]} in "
                    f"crypto.{self.table.target}; change one of them, Postgres by a migration."
                )

    def unchanged(self) -> bool:
        """Whether the last sync published this very version: then nothing is read."""
        query = """
            select source_id, source_version, rows_total, checksum
            from crypto.sync_runs where table_name = %s order by finished_at desc limit 1
        """
        last = self.connection.execute(query, [self.table.target]).fetchone()
        if self.run.force or self.added or not last or last[:2] != (self.source.id, self.source.version):
            return False
        self.published.rows_total, self.published.checksum = last[2], int(last[3])
        return True

    def stage(self) -> None:
        """Copy the lake's rows into a temporary table, counting and summing what is sent."""
        definition = SQL(", ").join(
            SQL("{} {}").format(Identifier(name), SQL(type_name))
            for name, (type_name, _) in self.columns.items()
        )
        execute = self.connection.execute
        execute(SQL("create table {} ({}) on commit drop").format(self.staged, definition))
        copy_in = SQL("copy {} ({}) from stdin (format binary)").format(self.staged, _names(self.columns))
        oids = [oid for _, oid in self.columns.values()]
        with self.connection.cursor().copy(copy_in) as copy:
            copy.write(postgres_binary.HEADER)
            for chunk in self.source.chunks(list(self.columns)):
                for rows in postgres_binary.encode(chunk, oids):
                    copy.write(rows.copy)
                    self.published.rows_total += rows.count
                    self.published.checksum += rows.checksum
            copy.write(postgres_binary.TRAILER)
        execute(SQL("analyze {}").format(self.staged))

    def refuse(self) -> None:
        """Refuse null and repeated keys, with examples, and a shrink that looks like an accident."""
        key = _names(self.table.key)
        any_null = SQL(" or ").join(SQL("{} is null").format(Identifier(name)) for name in self.table.key)
        for what, query in (
            (
                "a null in its key",
                SQL("select {} from {} where {} limit {}").format(key, self.staged, any_null, EXAMPLES),
            ),
            (
                "repeated keys",
                SQL("select {} from {} group by {} having count(*) > 1 limit {}").format(
                    key, self.staged, key, EXAMPLES
                ),
            ),
        ):
            if rows := self.connection.execute(query).fetchall():
                raise CryptoError(
                    f"{self.table.relation} has {what} {', '.join(self.table.key)}, such as "
                    f"{'; '.join(_text(row) for row in rows)}; mend the model, nothing was published."
                )
        before = self._count(SQL("{}").format(self.name))
        if (
            self.published.rows_total < before * (1 - self.run.max_shrink)
            and not self.run.force
            and not self.run.plan
        ):
            raise CryptoError(
                f"{self.table.relation} has {self.published.rows_total} rows but crypto.{self.table.target} {before}, "
                f"a shrink of more than {self.run.max_shrink:.0%}; if that is meant, publish with force."
            )

    def compare(self) -> None:
        """Find out whether anything differs, and in a plan, what."""
        if not self.added and self._fingerprint() == (self.published.rows_total, self.published.checksum):
            return
        self.differs = True
        if self.run.plan:
            self._plan()

    def _plan(self) -> None:
        gone, new, changed = self._gone(), self._new(), self._changed()
        self.published.rows_deleted = self._count(gone)
        self.published.rows_inserted = self._count(new)
        self.published.rows_updated = self._count(changed)
        key = _names(self.table.key, "staged")
        for sign, rows in (("-", gone), ("+", new)):
            names = _names(self.table.key, "old") if sign == "-" else key
            query = SQL("select {} from {} order by {} limit {}").format(names, rows, names, EXAMPLES)
            self.published.examples += [f"{sign} {_text(row)}" for row in self.connection.execute(query)]
        query = SQL("select {}, to_jsonb(old), to_jsonb(staged) from {} order by {} limit {}").format(
            key, changed, key, EXAMPLES
        )
        for *names, old, new_values in self.connection.execute(query):
            differences = [
                f"{column} {old.get(column)} -> {value}"
                for column, value in new_values.items()
                if old.get(column) != value
            ]
            self.published.examples.append(f"~ {_text(names)}: {', '.join(differences)}")

    def add_columns(self) -> None:
        """Have the owner's function add what gold has added; readers wait for the rest of the transaction."""
        for name, type_name in self.added.items():
            self.connection.execute(
                "select crypto.add_column(%s, %s, %s)", [self.table.target, name, type_name]
            )

    def delete(self) -> None:
        """Delete what is gone from the lake."""
        query = SQL("delete from {} as old where not exists ({})").format(self.name, self._same_key("staged"))
        self.published.rows_deleted = self.connection.execute(query).rowcount

    def upsert(self) -> None:
        """Update what differs, insert what is new."""
        values = [name for name in self.columns if name not in self.table.key]
        update = SQL("update {} as old set ({}) = row ({}) from {} as staged where {} and {}").format(
            self.name, _names(values), _names(values, "staged"), self.staged, self._on(), self._distinct()
        )
        self.published.rows_updated = self.connection.execute(update).rowcount
        insert = SQL("insert into {} ({}) select {} from {}").format(
            self.name, _names(self.columns), _names(self.columns, "staged"), self._new()
        )
        self.published.rows_inserted = self.connection.execute(insert).rowcount

    def verify(self) -> None:
        """Compare the table with the lake; a difference undoes everything."""
        found, wanted = self._fingerprint(), (self.published.rows_total, self.published.checksum)
        if found != wanted:
            raise CryptoError(
                f"crypto.{self.table.target} would have {found[0]} rows with checksum {found[1]} but "
                f"{self.table.relation} has {wanted[0]} with {wanted[1]}; nothing was published, look for a trigger "
                "or another program that writes the table."
            )

    def record(self) -> None:
        """Write the run's row."""
        self.published.finished_at = datetime.now(UTC)
        places = SQL(", ").join(SQL("%s") for _ in COLUMNS)
        insert = SQL("insert into crypto.sync_runs ({}) values ({})").format(_names(COLUMNS), places)
        self.connection.execute(insert, [getattr(self.published, name) for name in COLUMNS])

    def _fingerprint(self) -> tuple[int, int]:
        query = "select row_count, checksum from crypto.fingerprint(%s)"
        row = self.connection.execute(query, [f"crypto.{self.table.target}"]).fetchone()
        assert row
        return row[0], int(row[1])

    def _count(self, rows: Composable) -> int:
        row = self.connection.execute(SQL("select count(*) from {}").format(rows)).fetchone()
        assert row
        return row[0]

    def _on(self) -> Composable:
        return SQL(" and ").join(
            SQL("old.{0} = staged.{0}").format(Identifier(name)) for name in self.table.key
        )

    def _same_key(self, side: str) -> Composable:
        table = self.staged if side == "staged" else self.name
        return SQL("select from {} as {} where {}").format(table, Identifier(side), self._on())

    def _gone(self) -> Composable:
        return SQL("{} as old where not exists ({})").format(self.name, self._same_key("staged"))

    def _new(self) -> Composable:
        return SQL("{} as staged where not exists ({})").format(self.staged, self._same_key("old"))

    def _changed(self) -> Composable:
        return SQL("{} as old, {} as staged where {} and {}").format(
            self.name, self.staged, self._on(), self._distinct()
        )

    def _distinct(self) -> Composable:
        values = [name for name in self.columns if name not in self.table.key]
        # In a plan the columns that gold has added are not there yet.
        missing = self.added if self.run.plan else {}
        old = SQL(", ").join(
            SQL("null::{}").format(SQL(missing[name])) if name in missing else Identifier("old", name)
            for name in values
        )
        return SQL("row ({}) is distinct from row ({})").format(old, _names(values, "staged"))


def _by_foreign_key(connection: psycopg.Connection, targets: Sequence[_Target]) -> list[_Target]:
    """The targets so that each comes after those it refers to."""
    query = """
        select conrelid::regclass::text, confrelid::regclass::text
        from pg_constraint where contype = 'f' and conrelid <> confrelid
    """
    by_name = {f"crypto.{target.table.target}": target for target in targets}
    graph: dict[str, set[str]] = {name: set() for name in by_name}
    for name, referred in connection.execute(query):
        if name in by_name and referred in by_name:
            graph[name].add(referred)
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def _names(names: Iterable[str], table: str | None = None) -> Composable:
    return SQL(", ").join(Identifier(*([table] if table else []), name) for name in names)


def _text(row: Iterable[Any]) -> str:
    return " ".join("null" if value is None else str(value) for value in row)


def _plain(error: psycopg.Error, settings: Settings) -> str:
    """One sentence for what Postgres said."""
    said = " ".join(filter(None, [error.diag.message_primary or str(error), error.diag.message_detail]))
    said = " ".join(said.split())
    table = f"crypto.{error.diag.table_name}" if error.diag.table_name else "Postgres"
    if isinstance(error, errors.LockNotAvailable):
        return "Another sync or program holds a lock on the published tables; nothing was published, run again later."
    if isinstance(error, errors.QueryCanceled):
        return f"Postgres stopped a statement of the sync ({said}); nothing was published, see what keeps it busy."
    if isinstance(error, errors.DiskFull):
        return f"Postgres has no room left ({said}); nothing was published, make room and run again."
    if isinstance(error, errors.InsufficientPrivilege):
        return f"The Postgres user may not publish ({said}); grant it the role crypto_sync."
    if isinstance(error, psycopg.IntegrityError):
        return (
            f"{table} refuses a row of the lake ({said}); nothing was published, mend the data or the rule."
        )
    if isinstance(error, psycopg.OperationalError):
        return f"The connection to Postgres was lost {ATTEMPTS} times ({said}); what was there is still there, run again."
    return f"Postgres refused the sync ({said}); nothing was published."
