"""What tests of Postgres share: servers of two makes, databases of a test's own, and a lake in memory."""

import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from unittest.mock import patch

import psycopg
import pyarrow as pa

from lakehouse import postgres, settings, sync
from lakehouse.postgres import embedded, migrate
from lakehouse.sync import Table, TableSync, transaction
from support.project import PROJECT

# The system's own server, such as Debian's postgresql-15.
SYSTEMS = max(Path("/usr/lib/postgresql").glob("1[5-9]/bin"), default=None)
WHY_NO_SYSTEMS = "this machine has no Postgres 15 or newer in /usr/lib/postgresql; apt-get install postgresql brings it"
TABLES = sync.published_tables(PROJECT)
# Of each Arrow type that has another name in Spark.
SPARK_TYPES = {
    "int64": "bigint",
    "int32": "int",
    "bool": "boolean",
    "date32[day]": "date",
    "timestamp[us,tz=UTC]": "timestamp",
}


class Server:
    """A server of a test session, run as the embedded one is, from the programs given."""

    def __init__(self, home: Path, programs: Path) -> None:
        self.embedded = embedded.Embedded(home)
        self.programs = programs

    def start(self) -> None:
        with patch.object(embedded, "binaries", lambda: self.programs):
            self.embedded.start()
        # What is lost in a power cut was a test's.
        with psycopg.connect(**self.embedded.values(), autocommit=True) as connection:
            connection.execute("alter system set fsync = off")
            connection.execute("select pg_reload_conf()")

    def stop(self) -> None:
        self.embedded.stop()

    def database(self, base: settings.Settings) -> settings.Settings:
        """Settings that name a fresh database of this server as one of the user's own."""
        values, name = self.embedded.values(), f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(**values, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        server = settings.Postgres(
            values["host"], values["port"], name, values["user"], values["password"], "disable", None
        )
        return replace(base, postgres=server)


def login(database: settings.Settings, role: str) -> settings.Settings:
    """The same database as a new user sees it who has the role and nothing else."""
    name = f"user_{uuid.uuid4().hex[:12]}"
    with postgres.connect(database, autocommit=True) as connection:
        migrate.migrate(connection)
        connection.execute(f"create role {name} login password 'test' in role {role}")
    assert database.postgres
    return replace(database, postgres=replace(database.postgres, user=name, password="test"))


def rows(database: settings.Settings, query: str) -> list[tuple]:
    """What a query gives."""
    with postgres.connect(database) as connection:
        return connection.execute(query).fetchall()


def count(database: settings.Settings, table: str) -> int:
    """How many rows a table has."""
    return rows(database, f"select count(*) from {table}")[0][0]


@cache
def daily_metrics(days: int = 10, mark: int = 0, symbols: tuple[str, ...] = ("BTC", "ETH")) -> pa.Table:
    """Rows such as gold has; ``mark`` is in each of them."""
    keys = [(symbol, date(2026, 1, 1) + timedelta(day)) for symbol in symbols for day in range(days)]
    size = len(keys)

    def decimals(value: str, precision: int, scale: int) -> pa.Array:
        return pa.array([Decimal(value)] * size, pa.decimal128(precision, scale))

    noon = datetime(2026, 1, 1, 12, 0, 0, 1, tzinfo=UTC)
    return pa.table(
        {
            "symbol": pa.array([symbol for symbol, _ in keys]),
            "metric_date": pa.array([day for _, day in keys]),
            "symbol_name": pa.array(["Bitcoin, é" if day.day % 2 else None for _, day in keys]),
            "open": decimals("1.00000001", 18, 8),
            "high": decimals("9999999999.99999999", 18, 8),
            "low": decimals("0.00000001", 18, 8),
            "close": decimals("2", 18, 8),
            "volume": decimals("3.5", 28, 8),
            "buy_volume": decimals("3.5", 28, 8),
            "sell_volume": decimals("0", 28, 8),
            "quote_volume": decimals("1234567890123456789012.1234567890123456", 38, 16),
            "vwap": pa.array([0.1 + day.toordinal() for _, day in keys]),
            "trade_count": pa.array([mark] * size, pa.int64()),
            "first_trade_at": pa.array([noon] * size, pa.timestamp("us", "UTC")),
            "last_trade_at": pa.array([None] * size, pa.timestamp("us", "UTC")),
            "is_filled": pa.array([False] * size),
            "is_complete": pa.array([True] * size),
            "return_1d": pa.array([None if day.day == 1 else -1 / 3 for _, day in keys], pa.float64()),
        }
    )


@cache
def trading_indicators(days: int = 10, mark: int = 0, symbols: tuple[str, ...] = ("BTC", "ETH")) -> pa.Table:
    """Rows such as gold has; ``mark`` is in each of them."""
    keys = daily_metrics(days, mark, symbols).select(["symbol", "metric_date"])
    size = keys.num_rows
    names = ["sma_7", "sma_30", "sma_200", "ema_12", "ema_26", "macd", "macd_signal", "macd_histogram", "rsi_14"]
    names += ["bollinger_middle", "bollinger_upper", "bollinger_lower", "atr_14", "vwap_7", "vwap_30"]
    table = keys.append_column("close", pa.array([1e-300] * size))
    for name in [*names, "volatility_30"]:
        values = [None if day.day < 3 else 0.1 * day.day for day in keys["metric_date"].to_pylist()]
        table = table.append_column(name, pa.array(values, pa.float64()))
    table = table.append_column("drawdown", pa.array([-0.0] * size))
    return table.append_column("bars_seen", pa.array([mark + 1] * size, pa.int64()))


@dataclass
class FakeSource:
    """What sync.Source is, from rows in memory; ``during`` is called in the middle of reading them."""

    table: Table
    data: pa.Table
    version: int = 1
    id: str = "a table"
    during: Callable[[], None] = lambda: None
    reads: int = 0

    def columns(self) -> dict[str, str]:
        schema = self.data.schema
        types = [str(kind).replace("decimal128", "decimal").replace(", ", ",") for kind in schema.types]
        return {name: SPARK_TYPES.get(kind, kind) for name, kind in zip(schema.names, types, strict=True)}

    def chunks(self, columns: list[str]) -> Iterator[pa.Table]:
        self.reads += 1
        data, half = self.data.select(columns), self.data.num_rows // 2
        yield data.slice(0, half)
        self.during()
        yield data.slice(half)


@dataclass
class Lake:
    """Both gold tables in memory; ``publish`` publishes them as the real ones are."""

    database: settings.Settings
    sources: dict[str, FakeSource] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sources:
            return
        for table, make in zip(TABLES, (daily_metrics, trading_indicators), strict=True):
            self.sources[table.target] = FakeSource(table, make())

    def write(self, target: str, data: pa.Table) -> None:
        source = self.sources[target]
        source.data, source.version = data, source.version + 1

    def write_both(self, days: int = 10, mark: int = 0) -> None:
        self.write("daily_metrics", daily_metrics(days, mark))
        self.write("trading_indicators", trading_indicators(days, mark))

    def publish(self, **options) -> dict[str, TableSync]:
        done = sync.sync_tables(self, self.database, "test", **({"tables": TABLES} | options))
        return {published.table_name: published for published in done}


@contextmanager
def lakes_in_memory() -> Iterator[None]:
    """Let publishing read a Lake where it is given one instead of Spark."""
    real = transaction.newest

    def newest(spark: object, given: settings.Settings, table: Table) -> object:
        return spark.sources[table.target] if isinstance(spark, Lake) else real(spark, given, table)

    with patch.object(transaction, "newest", newest):
        yield


@contextmanager
def proxy(
    port: int, should_cut: Callable[[bytes], bool], passes_on: bool = True, host: str = "127.0.0.1"
) -> Iterator[int]:
    """A TCP proxy to 127.0.0.1; it cuts a connection once what the client sends, which it passes on, says so."""
    listener = socket.create_server((host, 0))

    def pump(source: socket.socket, sink: socket.socket, judge: Callable[[bytes], bool]) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if should_cut_here := judge(data):
                    # The client learns nothing of what the server makes of this.
                    source.shutdown(socket.SHUT_RDWR)
                if passes_on or not should_cut_here:
                    sink.sendall(data)
                if should_cut_here:
                    break
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_WR)

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", port))
            threading.Thread(target=pump, args=(client, server, should_cut), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, lambda data: False), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
