"""The migrations: complete, re-runnable, safe at once, and needless of rights when there is nothing to do."""

import threading
import uuid
from dataclasses import replace

import psycopg
import pytest
from support.databases import login, rows

from lakehouse import postgres
from lakehouse.errors import CryptoError
from lakehouse.postgres import migrate


def test_creates_every_table_and_fills_the_reference(database):
    with postgres.connect(database) as connection:
        assert migrate.migrate(connection) == list(migrate.files())
    tables = rows(database, "select tablename from pg_tables where schemaname = 'crypto' order by 1")
    assert [name for (name,) in tables] == [
        "daily_metrics", "exchanges", "schema_migrations", "symbols", "sync_runs", "trading_indicators",
        "withdrawn_files",
    ]  # fmt: skip
    assert rows(database, "select symbol, name, is_active from crypto.symbols order by 1") == [
        ("AVAX", "Avalanche", True), ("BTC", "Bitcoin", True), ("ETH", "Ethereum", True),
        ("MATIC", "Polygon", True), ("SOL", "Solana", True),
    ]  # fmt: skip
    exchanges = rows(database, "select exchange from crypto.exchanges order by 1")
    assert exchanges == [("Binance",), ("Coinbase",), ("Gemini",), ("Kraken",)]


def test_a_second_run_does_nothing(database):
    with postgres.connect(database) as connection:
        migrate.migrate(connection)
        assert migrate.migrate(connection) == []


def test_every_file_can_be_run_again(database):
    with postgres.connect(database) as connection:
        migrate.migrate(connection)
        connection.execute("update crypto.symbols set name = 'changed' where symbol = 'BTC'")
        migrate.give_letters(connection)
        for text in migrate.files().values():
            connection.execute(text)
    assert rows(database, "select name from crypto.symbols where symbol = 'BTC'") == [("changed",)]


def test_several_at_once_apply_each_file_once(database):
    applied, failed = [], []

    def work() -> None:
        try:
            with postgres.connect(database) as connection:
                applied.extend(migrate.migrate(connection))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert sorted(applied) == list(migrate.files())


def test_nothing_to_do_needs_no_rights_and_something_to_do_says_so(database):
    user = login(database, "pg_read_all_data")
    with postgres.connect(user) as connection:
        assert migrate.migrate(connection) == []
    with postgres.connect(database) as connection:
        connection.execute("drop schema crypto cascade")
    with (
        postgres.connect(user) as connection,
        pytest.raises(CryptoError, match=r"lacks the privilege to set up schema crypto \(.*\); run once with a user"),
    ):
        migrate.migrate(connection)


def test_a_user_who_may_not_create_roles_gets_the_tables(database):
    user = login(database, "pg_read_all_data")
    with postgres.connect(database, autocommit=True) as connection:
        connection.execute("drop schema crypto cascade")
        connection.execute(f"grant create on database {database.postgres.name} to {user.postgres.user}")
    with postgres.connect(user) as connection:
        assert migrate.migrate(connection) == list(migrate.files())
    owners = rows(user, "select distinct tableowner from pg_tables where schemaname = 'crypto'")
    assert owners == [(user.postgres.user,)]


def test_the_owner_role_changes_the_schema(migrated):
    owner = login(migrated, "crypto_owner")
    with postgres.connect(owner) as connection:
        connection.execute("insert into crypto.symbols values ('DOT', 'Polkadot', 'smart contracts')")
        connection.execute("create index by_close on crypto.daily_metrics (close)")
        connection.execute("select crypto.create_table('mine', '{x}', '{text}', '{x}', 'Mine.')")
    assert rows(owner, "select tableowner from pg_tables where tablename = 'mine'") == [("crypto_owner",)]
    owners = "select distinct tableowner from pg_tables where schemaname = 'crypto'"
    assert rows(owner, owners) == [("crypto_owner",)]


def test_a_user_as_clouds_give_them_sets_everything_up(database):
    """No superuser, who may create roles and owns the database, as the first user of Amazon RDS."""
    name, owner = f"master_{uuid.uuid4().hex[:12]}", database.postgres.user
    with postgres.connect(database, autocommit=True) as connection:
        connection.execute(f"create role {name} login createrole createdb nosuperuser password 'test'")
        # A role of another database's set-up, which this user may use.
        for role in ("crypto_owner", "crypto_sync", "crypto_reader"):
            if connection.execute("select to_regrole(%s)", [role]).fetchone() == (None,):
                connection.execute(f"create role {role} nologin")
        connection.execute(f"grant crypto_owner to {name} with admin option")
        connection.execute(f"alter database {database.postgres.name} owner to {name}")
    master = replace(database, postgres=replace(database.postgres, user=name, password="test"))
    try:
        with postgres.connect(master) as connection:
            assert migrate.migrate(connection) == list(migrate.files())
        assert rows(master, "select distinct tableowner from pg_tables where schemaname = 'crypto'") == [
            ("crypto_owner",)
        ]
        assert rows(master, "select has_table_privilege('crypto_sync', 'crypto.daily_metrics', 'delete')") == [(True,)]
    finally:
        with postgres.connect(database, autocommit=True) as connection:
            connection.execute(f"alter database {database.postgres.name} owner to {owner}")


@pytest.mark.parametrize(
    "statement",
    [
        "delete from crypto.symbols where symbol = 'BTC'",
        "update crypto.symbols set symbol = 'XBT' where symbol = 'BTC'",
        "insert into crypto.symbols values ('btc', 'Bitcoin', 'spelt twice')",
        "insert into crypto.symbols values (' DOT', 'Polkadot', 'white space')",
        "update crypto.daily_metrics set high = low / 2",
        "update crypto.daily_metrics set volume = -1",
        "insert into crypto.trading_indicators (symbol, metric_date, close, bars_seen, rsi_14)"
        " values ('BTC', '2026-01-01', 1, 1, 100.1)",
        "insert into crypto.trading_indicators (symbol, metric_date, close, bars_seen)"
        " values ('NOPE', '2026-01-01', 1, 1)",
    ],
)
def test_the_tables_refuse_what_makes_no_sense(migrated, statement):
    with postgres.connect(migrated) as connection:
        connection.execute(
            "insert into crypto.daily_metrics (symbol, metric_date, open, high, low, close, volume, buy_volume,"
            " sell_volume, quote_volume, vwap, trade_count, is_filled, is_complete)"
            " values ('BTC', '2026-01-01', 1, 2, 1, 1, 1, 1, 0, 1, 1, 1, false, true)"
        )
        with pytest.raises(psycopg.IntegrityError):
            connection.execute(statement)
        connection.rollback()


def test_a_symbol_with_rows_can_be_made_inactive(migrated):
    with postgres.connect(migrated) as connection:
        assert connection.execute("update crypto.symbols set is_active = false").rowcount == 5


def test_everything_has_a_comment(migrated):
    query = """
        select relname || coalesce('.' || attname, '')
        from pg_class
        left join pg_attribute on attrelid = pg_class.oid and attnum > 0 and relname <> 'schema_migrations'
        where relnamespace = 'crypto'::regnamespace and relkind = 'r'
            and (obj_description(pg_class.oid) is null or (
                attname is not null and col_description(pg_class.oid, attnum) is null
            ))
    """
    assert rows(migrated, query) == []
