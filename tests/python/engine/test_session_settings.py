"""A connection to Postgres is what the settings say, whatever the database, the role and the shell are set to."""

from datetime import UTC, datetime

import psycopg
import pytest

from lakehouse import postgres
from lakehouse.errors import CryptoError
from lakehouse.postgres import connection as connection_module
from lakehouse.postgres import migrate

ODD = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "sql_standard",
    "TimeZone": "Asia/Tokyo",
    "search_path": "nowhere",
    "standard_conforming_strings": "off",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "quote_all_identifiers": "on",
    "array_nulls": "off",
    "transform_null_equals": "on",
    "default_transaction_isolation": "serializable",
    "statement_timeout": "50ms",
    "lock_timeout": "50ms",
    "idle_in_transaction_session_timeout": "50ms",
}


@pytest.fixture
def odd(migrated):
    """Settings that name a database where all that the statements rely on is set to something else."""
    assert {*ODD} == {*connection_module.SESSION}
    with postgres.connect(migrated, autocommit=True) as connection:
        for name, value in ODD.items():
            connection.execute(
                f'alter database "{migrated.postgres.name}" set {name} to {value!r}'.replace("'nowhere'", "nowhere")
            )
    return migrated


@pytest.mark.parametrize("autocommit", [False, True])
def test_the_session_is_set_by_the_client(odd, autocommit):
    with postgres.connect(odd, autocommit=autocommit) as connection:
        connection.rollback()
        connection.execute("select pg_sleep(0.2)")
        for name, value in connection_module.SESSION.items():
            assert connection.execute(f"show {name}").fetchone() == (value,)
        (now,) = connection.execute("select timestamptz '2025-03-04 05:06:07+00'").fetchone()
        assert now == datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
        assert connection.autocommit == autocommit


def test_migrations_and_withdrawals_are_read_there(odd):
    with postgres.connect(odd, autocommit=True) as connection:
        assert migrate.migrate(connection) == []
        connection.execute(
            "insert into crypto.withdrawn_files (source_file, reason) values (%s, %s)", [r"a\b'c", "why"]
        )
        (name, at) = connection.execute("select source_file, withdrawn_at from crypto.withdrawn_files").fetchone()
        assert (name, at.tzinfo is not None) == (r"a\b'c", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGHOSTADDR", "192.0.2.1"),
        ("PGOPTIONS", "-c no_such_setting=1"),
        ("PGSERVICE", "no-such-service"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/no/such/file"),
        ("PGTARGETSESSIONATTRS", "standby"),
        ("PGREQUIREAUTH", "none"),
        ("PGCLIENTENCODING", "latin1"),
        ("PGDATESTYLE", "German"),
        ("PGTZ", "Asia/Tokyo"),
        ("PGGSSENCMODE", "require"),
    ],
)
def test_the_environment_of_libpq_has_no_say(migrated, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with postgres.connect(migrated) as connection:
        assert connection.execute("show timezone").fetchone() == ("UTC",)
        assert connection.execute("show client_encoding").fetchone() == ("UTF8",)


def test_the_files_of_libpq_have_no_say(migrated, monkeypatch, tmp_path):
    folder = tmp_path / ".postgresql"
    folder.mkdir()
    for name in ("postgresql.crt", "postgresql.key", "root.crt", "root.crl"):
        (folder / name).write_text("no certificate")
    monkeypatch.setenv("HOME", str(tmp_path))
    with postgres.connect(migrated, sslmode="prefer") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize(
    "statement",
    [
        "create table crypto.coins (name text)",
        "create table crypto.symbols (id int primary key, ticker text)",
        "create view crypto.prices as select 1 as price",
        "create function crypto.price() returns int language sql as 'select 1'",
        "create table crypto.schema_migrations (version bigint primary key)",
    ],
)
def test_a_schema_of_another_program_is_one_sentence_and_stays_as_it_is(database, statement):
    with postgres.connect(database, autocommit=True) as connection:
        connection.execute("create schema crypto")
        connection.execute(statement)
        with pytest.raises(CryptoError, match=r"DB_NAME") as error:
            migrate.migrate(connection)
        assert database.postgres.name in str(error.value) and "\n" not in str(error.value)
        query = "select count(*) from pg_class where relnamespace = 'crypto'::regnamespace and relkind = 'r'"
        assert connection.execute(query).fetchone()[0] <= 1


def test_an_empty_schema_is_ours(database):
    with postgres.connect(database, autocommit=True) as connection:
        connection.execute("create schema crypto")
        assert migrate.migrate(connection) == list(migrate.files())


def test_a_lost_connection_is_no_matter_of_the_schema(database):
    with postgres.connect(database) as connection, postgres.connect(database, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(psycopg.OperationalError):
            migrate.migrate(connection)
