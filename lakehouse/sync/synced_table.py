"""One table in the Postgres transaction of a sync: the methods of ``SyncedTable`` are its steps, in this order."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from lakehouse.errors import CryptoError
from lakehouse.postgres.identifiers import column_list, identifier
from lakehouse.sync import binary_copy
from lakehouse.sync.log import COLUMNS, TableSync
from lakehouse.sync.source import TableSource

# Rows that a message or a plan names.
EXAMPLES = 3


class SyncedTable:
    """One table in the transaction of a sync; each step raises CryptoError or an error of psycopg if it fails."""

    def __init__(
        self,
        connection: psycopg.Connection,
        source: TableSource,
        result: TableSync,
        *,
        plan: bool,
        force: bool,
        drop_columns: bool,
    ) -> None:
        self.connection, self.source, self.result = connection, source, result
        self.plan, self.force, self.drop_columns = plan, force, drop_columns
        self.table = source.table
        self.name = f"crypto.{self.table.target}"
        self.sql_name = f"crypto.{identifier(self.table.target)}"
        self.staged = f"pg_temp.{identifier('staged_' + self.table.target)}"
        self.same_key = " and ".join(f"old.{name} = staged.{name}" for name in map(identifier, self.table.key))
        self.columns: dict[str, tuple[str, int]] = {}
        self.added: dict[str, str] = {}
        self.dropped: list[str] = []
        self.created = self.loaded = self.differs = False

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time that the block takes to the table's seconds."""
        started = time.monotonic()
        yield
        self.result.seconds += time.monotonic() - started

    def create(self) -> None:
        """Create the table in Postgres if it does not exist, which needs the privileges of crypto_owner."""
        if self._one("select to_regclass(%s)", [self.sql_name])[0] is not None:
            return
        columns = self.source.columns()
        if unknown := [name for name in self.table.key if name not in columns]:
            raise CryptoError(
                f"Column {unknown[0]!r} of the key of {self.name} is missing in {self.table.relation}; "
                "declare the key that the model has."
            )
        types = [self._postgres_type(name, spark_type)[0] for name, spark_type in columns.items()]
        try:
            self.connection.execute(
                "select crypto.create_table(%s, %s, %s, %s, %s)",
                [self.table.target, list(columns), types, list(self.table.key), f"Published {self.table.relation}."],
            )
        except psycopg.errors.InsufficientPrivilege as error:
            raise CryptoError(
                f"Postgres has no table {self.name} and user {self.connection.info.user!r} lacks the "
                "privilege to create it; sync once with a user who has crypto_owner."
            ) from error
        self.created = True

    def _postgres_type(self, name: str, spark_type: str) -> tuple[str, int]:
        postgres_type = binary_copy.postgres_type(spark_type)
        if postgres_type is None:
            raise CryptoError(
                f"Column {name!r} of {self.table.relation} is {spark_type}, which can't be published; "
                "cast it in the model."
            )
        return postgres_type

    def compare_columns(self) -> None:
        """Record the columns to add and to drop; raise CryptoError, naming the column, for any other difference."""
        query = """
            select attname, format_type(atttypid, atttypmod), atttypid::bigint
            from pg_attribute
            where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
            order by attnum
        """
        existing = self.connection.execute(query, [self.sql_name]).fetchall()
        self.columns = {name: (type_name, oid) for name, type_name, oid in existing}
        relation, source_columns = self.table.relation, self.source.columns()
        gone = [name for name in self.columns if name not in source_columns]
        if gone and not (self.drop_columns and {*gone}.isdisjoint(self.table.key)):
            raise CryptoError(
                f"Column {gone[0]!r} of {self.name} is missing in {relation}; put it back in the model, or drop it "
                "there too: `crypto sync --drop-columns`."
            )
        self.dropped = gone
        for name, spark_type in source_columns.items():
            postgres_type = self._postgres_type(name, spark_type)
            if self.columns.setdefault(name, postgres_type) != postgres_type:
                raise CryptoError(
                    f"Column {name!r} is {spark_type} in {relation} but {self.columns[name][0]} in "
                    f"{self.name}; change the model, or Postgres by a migration."
                )
        self.added = {name: type_name for name, (type_name, _) in list(self.columns.items())[len(existing) :]}
        for name in gone:
            del self.columns[name]

    @property
    def altered(self) -> bool:
        """Tell whether columns are added or dropped."""
        return bool(self.added or self.dropped)

    def unchanged(self) -> bool:
        """Return whether the last sync published this same version, so that the table need not be read."""
        query = """
            select source_id, source_version, rows_total, checksum
            from crypto.sync_runs where table_name = %s order by finished_at desc limit 1
        """
        last = self.connection.execute(query, [self.table.target]).fetchone()
        if self.force or self.created or self.altered or not last or last[:2] != (self.source.id, self.source.version):
            return False
        self.result.rows_total, self.result.checksum = last[2], int(last[3])
        return True

    def load(self) -> None:
        """Copy the lake's rows directly into the table if it is empty, without a comparison."""
        if self.plan or self.altered or self._one(f"select exists (select from {self.sql_name})")[0]:
            return
        try:
            with self.connection.transaction():
                self._copy(self.sql_name)
        except psycopg.IntegrityError:
            # The steps with a temporary table find the rows at fault and report them.
            self.result.rows_total = self.result.checksum = 0
        else:
            self.loaded, self.result.rows_inserted = True, self.result.rows_total

    def stage(self) -> None:
        """Copy the lake's rows into a temporary table."""
        definition = ", ".join(f"{identifier(name)} {type_name}" for name, (type_name, _) in self.columns.items())
        self.connection.execute(f"create table {self.staged} ({definition}) on commit drop")
        self._copy(self.staged)
        self.connection.execute(f"analyze {self.staged}")

    def _copy(self, into: str) -> None:
        """Copy the lake's rows into a table, and add up their number and checksums."""
        names = list(self.columns)
        oids = [oid for _, oid in self.columns.values()]
        with self.connection.cursor().copy(f"copy {into} ({column_list(names)}) from stdin (format binary)") as copy:
            copy.write(binary_copy.HEADER)
            for chunk in self.source.chunks(names):
                for rows in binary_copy.encode(chunk, oids):
                    copy.write(rows.copy)
                    self.result.rows_total += rows.count
                    self.result.checksum += rows.checksum
            copy.write(binary_copy.TRAILER)

    def check_keys(self) -> None:
        """Raise CryptoError, with examples, if keys are null or repeated."""
        key = column_list(self.table.key)
        null_keys = " or ".join(f"{identifier(name)} is null" for name in self.table.key)
        for problem, condition in (
            ("nulls in its key", f"where {null_keys}"),
            ("repeated keys", f"group by {key} having count(*) > 1"),
        ):
            query = f"select {key} from {self.staged} {condition} limit {EXAMPLES}"
            if rows := self.connection.execute(query).fetchall():
                raise CryptoError(
                    f"{self.table.relation} has {problem} ({', '.join(self.table.key)}), such as "
                    f"{'; '.join(map(as_text, rows))}; correct the model, nothing was published."
                )

    def check_shrink(self, max_shrink: float) -> None:
        """Raise CryptoError if the table would lose more than this share of its rows; a plan only lists that."""
        before, after = self._count(self.sql_name), self.result.rows_total
        if after < before * (1 - max_shrink) and not self.force:
            problem = f"{self.table.relation} has {after} rows but {self.name} {before}, a shrink"
            problem += f" of more than {max_shrink:.0%}"
            if not self.plan:
                raise CryptoError(f"{problem}; nothing was published; if that is meant, run 'crypto sync --force'.")
            self.result.examples.append(f"! {problem}: refused unless forced")

    def compare(self) -> None:
        """Set ``differs``; in a plan, also list the differences."""
        expected = (self.result.rows_total, self.result.checksum)
        self.differs = self.altered or self._fingerprint() != expected
        if self.differs and self.plan:
            self._plan()

    def _plan(self) -> None:
        result, key = self.result, self.table.key
        result.rows_deleted = self._count(self._gone())
        result.rows_inserted = self._count(self._new())
        result.rows_updated = self._count(self._changed())
        result.examples += [f"- column {name}" for name in self.dropped]
        result.examples += [f"+ column {name} {type_name}" for name, type_name in self.added.items()]
        for sign, side, rows in (("-", "old", self._gone()), ("+", "staged", self._new())):
            names = column_list(key, side)
            query = f"select {names} from {rows} order by {names} limit {EXAMPLES}"
            result.examples += [f"{sign} {as_text(row)}" for row in self.connection.execute(query)]
        names = column_list(key, "staged")
        query = f"select {names}, to_jsonb(old), to_jsonb(staged) from {self._changed()} order by {names}"
        for *key_values, old, new in self.connection.execute(f"{query} limit {EXAMPLES}"):
            changes = [f"{name} {old.get(name)} -> {new[name]}" for name in new if old.get(name) != new[name]]
            result.examples.append(f"~ {as_text(key_values)}: {', '.join(changes)}")

    def alter_columns(self) -> None:
        """Drop the columns that gold has lost, which needs the table's owner, and add its new ones, by a function.

        Readers are blocked until the transaction ends.
        """
        for name in self.dropped:
            self.connection.execute(f"alter table {self.sql_name} drop column {identifier(name)}")
        for name, type_name in self.added.items():
            arguments = [self.table.target, name, type_name]
            self.connection.execute("select crypto.add_column(%s, %s, %s)", arguments)

    def delete(self) -> None:
        """Delete the rows that the lake no longer has."""
        self.result.rows_deleted = self.connection.execute(f"delete from {self._gone()}").rowcount

    def upsert(self) -> None:
        """Update the rows that differ and insert the new ones."""
        execute, values = self.connection.execute, self._values()
        if values:
            self.result.rows_updated = execute(
                f"update {self.sql_name} as old set ({column_list(values)}) = row ({column_list(values, 'staged')}) "
                f"from {self.staged} as staged where {self.same_key} and {self._distinct()}"
            ).rowcount
        self.result.rows_inserted = execute(
            f"insert into {self.sql_name} ({column_list(self.columns)}) "
            f"select {column_list(self.columns, 'staged')} from {self._new()}"
        ).rowcount

    def verify(self) -> None:
        """Raise CryptoError, which rolls the transaction back, if row count or checksum differ from the lake's."""
        actual, expected = self._fingerprint(), (self.result.rows_total, self.result.checksum)
        if actual != expected:
            raise CryptoError(
                f"{self.name} would have {actual[0]} rows with checksum {actual[1]} but {self.table.relation} "
                f"has {expected[0]} with {expected[1]}; nothing was published, look for a trigger on the table "
                "or another program that writes it."
            )

    def record(self) -> None:
        """Insert this table's row into the log, with a later time than all other rows, even if the clock went back."""
        names = [name for name in COLUMNS if name != "finished_at"]
        values = ", ".join(["%s"] * len(names))
        later = "(select max(finished_at) + interval '1 microsecond' from crypto.sync_runs)"
        (self.result.finished_at,) = self._one(
            f"insert into crypto.sync_runs ({column_list(names)}, finished_at) "
            f"values ({values}, greatest(clock_timestamp(), {later})) returning finished_at",
            [getattr(self.result, name) for name in names],
        )

    def _values(self) -> Sequence[str]:
        return [name for name in self.columns if name not in self.table.key]

    def _gone(self) -> str:
        others = f"select from {self.staged} as staged where {self.same_key}"
        return f"{self.sql_name} as old where not exists ({others})"

    def _new(self) -> str:
        others = f"select from {self.sql_name} as old where {self.same_key}"
        return f"{self.staged} as staged where not exists ({others})"

    def _changed(self) -> str:
        return f"{self.sql_name} as old, {self.staged} as staged where {self.same_key} and {self._distinct()}"

    def _distinct(self) -> str:
        # A plan adds no column, so the columns that gold has added are missing in Postgres: take them as null.
        missing = self.added if self.plan else {}
        old = [f"null::{missing[name]}" if name in missing else f"old.{identifier(name)}" for name in self._values()]
        return f"row ({', '.join(old)}) is distinct from row ({column_list(self._values(), 'staged')})"

    def _fingerprint(self) -> tuple[int, int]:
        row = self._one("select row_count, checksum from crypto.fingerprint(%s)", [self.sql_name])
        return row[0], int(row[1])

    def _count(self, rows: str) -> int:
        return self._one(f"select count(*) from {rows}")[0]

    def _one(self, query: str, arguments: Sequence[Any] | None = None) -> tuple[Any, ...]:
        row = self.connection.execute(query, arguments).fetchone()
        assert row
        return row


def as_text(row: Iterable[Any]) -> str:
    """Return a row as text for a message."""
    return " ".join("null" if value is None else str(value) for value in row)
