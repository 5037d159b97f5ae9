"""Reference data is copied as it is in Postgres, and what has trades can't be lost there."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion import ledger, reference
from lakehouse import postgres
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.postgres import migrate

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[settings_module.Settings]:
    settings = settings_module.load(
        {"CRYPTO_HOME": str(tmp_path_factory.mktemp("reference")), "CRYPTO_CONFIG": "", "DB_ENDPOINT": ""}
    )
    yield settings
    postgres.stop(settings)


@pytest.fixture
def connection(server: settings_module.Settings) -> Iterator[psycopg.Connection]:
    """A connection to a schema crypto as the migrations make it."""
    with postgres.connect(server, autocommit=True) as connection:
        connection.execute("drop schema if exists crypto cascade")
        migrate.migrate(connection)
        yield connection


def held(spark, schema: str, table: str) -> list[dict]:
    return spark.table(f"{schema}.{table}").toArrow().to_pylist()


def commits(engine_settings, schema: str) -> int:
    return len([*(engine_settings.warehouse / f"{schema}.db").glob("*/_delta_log/*.json")])


def trade(spark, schema: str, settings, symbol: str, exchange: str) -> None:
    """Land one trade."""
    row = {
        "trade_id": "a",
        "symbol": symbol,
        "price": 1.0,
        "volume": 1.0,
        "trade_type": "BUY",
        "exchange": exchange,
        "timestamp": NOON,
    }
    target = Path(settings.landing_zone) / "x.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([row]), target)
    ledger.ingest(spark, settings, schema=schema)


def test_all_three_tables_are_copied_and_written_only_if_they_differ(spark, schema, connection, engine_settings):
    assert reference.copy(spark, connection, schema) == ["symbols", "exchanges"]
    columns = "symbol, name, category, is_active"
    rows = connection.execute(f"select {columns} from crypto.symbols").fetchall()
    assert len(rows) == 5
    assert {tuple(row.values()) for row in held(spark, schema, "symbols")} == set(rows)
    assert len(held(spark, schema, "exchanges")) == 4
    assert held(spark, schema, "withdrawn_files") == []

    before = commits(engine_settings, schema)
    assert reference.copy(spark, connection, schema) == []
    assert commits(engine_settings, schema) == before

    connection.execute("update crypto.symbols set is_active = false where symbol = 'MATIC'")
    connection.execute("set time zone 'Asia/Kolkata'")
    connection.execute(
        "insert into crypto.withdrawn_files values ('a b.parquet', 'wrong', %s)",
        [NOON.replace(microsecond=123_456)],
    )
    assert reference.copy(spark, connection, schema) == ["symbols", "withdrawn_files"]
    assert held(spark, schema, "withdrawn_files") == [
        {"source_file": "a b.parquet", "reason": "wrong", "withdrawn_at": NOON.replace(microsecond=123_456)}
    ]
    inactive = [row["symbol"] for row in held(spark, schema, "symbols") if not row["is_active"]]
    assert inactive == ["MATIC"]

    # A withdrawal may be taken back.
    connection.execute("delete from crypto.withdrawn_files")
    assert reference.copy(spark, connection, schema) == ["withdrawn_files"]
    assert held(spark, schema, "withdrawn_files") == []


def test_what_has_trades_cannot_be_removed_or_respelled(spark, schema, connection, settings, engine_settings):
    reference.copy(spark, connection, schema)
    trade(spark, schema, settings, "\tbtc ", " KRAKEN\r\n")
    before = commits(engine_settings, schema)
    for change, name in (
        ("delete from crypto.symbols where symbol = 'BTC'", "BTC"),
        ("update crypto.symbols set symbol = 'Btc' where symbol = 'BTC'", "BTC"),
        ("delete from crypto.exchanges where exchange = 'Kraken'", "Kraken"),
    ):
        with connection.transaction(force_rollback=True):
            connection.execute(change)
            with pytest.raises(CryptoError, match=f"^{name} has trades but is gone"):
                reference.copy(spark, connection, schema)
    assert commits(engine_settings, schema) == before


def test_what_has_no_trades_may_go_or_come(spark, schema, connection, settings):
    reference.copy(spark, connection, schema)
    trade(spark, schema, settings, "BTC", "Kraken")
    connection.execute("delete from crypto.symbols where symbol <> 'BTC'")
    connection.execute("insert into crypto.symbols values ('DOGE', 'Dogecoin', 'meme')")
    assert reference.copy(spark, connection, schema) == ["symbols"]
    assert {row["symbol"] for row in held(spark, schema, "symbols")} == {"BTC", "DOGE"}


def test_postgres_without_the_tables_is_one_sentence(spark, schema, connection):
    connection.execute("drop schema crypto cascade")
    with pytest.raises(CryptoError, match="check its schema crypto"):
        reference.copy(spark, connection, schema)
