"""Bring schema ``crypto`` of a Postgres database up to date: plain SQL files, each applied once, in order."""

from __future__ import annotations

from importlib import resources

import psycopg

from lakehouse.errors import CryptoError

LOCK = "crypto lakehouse: migrations"
LOCK_SECONDS = 60


def files() -> dict[str, str]:
    """The migrations' SQL by file name, in the order in which they apply."""
    folder = resources.files("lakehouse.postgres.migrations")
    found = [path for path in folder.iterdir() if path.name.endswith(".sql")]
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(found, key=lambda path: path.name)}


def migrate(connection: psycopg.Connection) -> list[str]:
    """Apply what is missing, in one transaction, and return its names; CryptoError if the user may not.

    A database that has everything is only read, so that a user without rights to change it can call this.
    """
    try:
        with connection.transaction():
            if not _missing(connection):
                return []
            connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
            connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [LOCK])
            # Another process may have applied them while this one waited.
            missing = _missing(connection)
            for name in missing:
                connection.execute(files()[name])
                connection.execute("insert into crypto.schema_migrations (name) values (%s)", [name])
            return missing
    except psycopg.errors.InsufficientPrivilege as error:
        raise CryptoError(
            f"The Postgres user {connection.info.user!r} may not set up schema crypto "
            f"({error.diag.message_primary}); run once with a user who may create schemas in the database."
        ) from error
    except psycopg.errors.LockNotAvailable as error:
        raise CryptoError("Another program is changing schema crypto; run again when it is done.") from error


def _missing(connection: psycopg.Connection) -> list[str]:
    # Read from the catalog's rows: a lookup by name may remember that there was no such schema.
    exists = "select 1 from pg_tables where schemaname = 'crypto' and tablename = 'schema_migrations'"
    applied: set[str] = set()
    if connection.execute(exists).fetchone():
        applied = {name for (name,) in connection.execute("select name from crypto.schema_migrations")}
    return [name for name in files() if name not in applied]
