"""Raw files land in bronze exactly once, whatever happens in between."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ingestion import bronze, landing_zone, normalise
from lakehouse import engine
from lakehouse.errors import CryptoError

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def trades(count: int = 3, **columns: pa.Array) -> pa.Table:
    good = {
        "trade_id": pa.array([f"t{number}" for number in range(count)]),
        "symbol": pa.array(["BTC"] * count),
        "price": pa.array([1.5 + number for number in range(count)]),
        "volume": pa.array([None, *[0.1] * (count - 1)][:count], pa.float64()),
        "trade_type": pa.array(["BUY"] * count),
        "exchange": pa.array(["Kraken"] * count),
        "timestamp": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
        "user_id": pa.array(["u"] * count),
    }
    return pa.table(good | columns)


@dataclass
class Lake:
    """A landing zone, a bronze schema, and the session that fills one from the other."""

    spark: object
    settings: object
    schema: str
    warehouse: Path

    @property
    def zone(self) -> Path:
        return Path(self.settings.landing_zone)

    def write(self, path: str, table: pa.Table | None = None, **options) -> Path:
        target = self.zone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(trades() if table is None else table, target, **options)
        return target

    def ingest(self) -> bronze.Landed:
        return bronze.ingest(self.spark, self.settings, schema=self.schema)

    def rows(self, table: str) -> list[dict]:
        return self.spark.table(f"{self.schema}.{table}").toArrow().to_pylist()

    def landed(self) -> dict[str, int]:
        """Rows of each file in bronze.trades; no row is there twice, and the ledger agrees."""
        found: dict[str, list[int]] = {}
        for row in self.rows("trades"):
            found.setdefault(row["source_file"], []).append(row["source_row"])
        assert all(sorted(numbers) == [*range(len(numbers))] for numbers in found.values())
        counts = {path: len(numbers) for path, numbers in found.items()}
        ledger = self.rows("landed_files")
        assert {row["source_file"]: row["row_count"] for row in ledger if row["row_count"]} == counts
        assert len({row["source_file"] for row in ledger}) == len(ledger)
        return counts

    def commits(self) -> int:
        return len([*(self.warehouse / f"{self.schema}.db").glob("*/_delta_log/*.json")])


@pytest.fixture
def lake(spark, settings, schema, engine_settings) -> Lake:
    return Lake(spark, settings, schema, engine_settings.warehouse)


def test_without_a_landing_zone_all_tables_exist_and_are_empty(lake: Lake):
    assert lake.ingest() == bronze.Landed(None, {}, {}, (), (), is_empty_zone=True)
    assert {table: lake.rows(table) for table in bronze.TABLES} == {table: [] for table in bronze.TABLES}
    assert lake.spark.table(f"{lake.schema}.trades").dtypes == [
        ("trade_id", "string"),
        ("symbol", "string"),
        ("price", "double"),
        ("volume", "double"),
        ("trade_type", "string"),
        ("exchange", "string"),
        ("timestamp", "timestamp"),
        ("user_id", "string"),
        ("source_file", "string"),
        ("source_row", "bigint"),
        ("file_modified_at", "timestamp"),
        ("ingestion_timestamp", "timestamp"),
        ("batch_id", "bigint"),
        ("_rescued_data", "string"),
    ]


def test_files_land_once_untouched_and_a_second_run_writes_nothing(lake: Lake):
    target = lake.write("a.parquet")
    os.utime(target, ns=(0, 999_999_999_123_456_789))
    before = datetime.now(UTC)
    landed = lake.ingest()
    assert (landed.batch_id, landed.files, landed.rows) == (1, {"a.parquet": 3}, 3)
    rows = sorted(lake.rows("trades"), key=lambda row: row["source_row"])
    assert [{name: row[name] for name in trades().column_names} for row in rows] == trades().to_pylist()
    assert [row["source_row"] for row in rows] == [0, 1, 2]
    (ledger,) = lake.rows("landed_files")
    assert before <= ledger["ingestion_timestamp"] <= datetime.now(UTC)
    assert ledger == {
        "source_file": "a.parquet",
        "file_size": target.stat().st_size,
        "file_modified_at": datetime(2001, 9, 9, 1, 46, 39, 123_456, UTC),
        "row_count": 3,
        "batch_id": 1,
        "ingestion_timestamp": rows[0]["ingestion_timestamp"],
    }
    assert {row["file_modified_at"] for row in rows} == {ledger["file_modified_at"]}

    commits = lake.commits()
    assert lake.ingest() == bronze.Landed(None, {}, {}, (), ())
    assert lake.commits() == commits

    # A file older than all that landed is as new as any.
    os.utime(lake.write("b.parquet"), (1, 1))
    assert (lake.ingest().batch_id, lake.landed()) == (2, {"a.parquet": 3, "b.parquet": 3})


def test_dialects_and_odd_names_land_together(lake: Lake):
    count = 2
    lake.write("symbol=ETH/price=9/x.parquet")
    lake.write("day%20one+1/a:b [c]{d}*?'\"é.parquet", trades(count, price=pa.array([1, 2], pa.uint8())))
    lake.write("spark.parquet/part-0.parquet", trades().drop_columns("user_id"))
    lake.write("pandas.parquet", trades(count, timestamp=pa.array([NOON] * count, pa.timestamp("ns"))))
    lake.write("extra.parquet", trades(1, fee=pa.array([0.25])))
    lake.write("zero.parquet", trades(0))
    lake.write("_temporary.parquet")
    landed = lake.ingest()
    assert landed.files == {
        "symbol=ETH/price=9/x.parquet": 3,
        "day%20one+1/a:b [c]{d}*?'\"é.parquet": 2,
        "spark.parquet/part-0.parquet": 3,
        "pandas.parquet": 2,
        "extra.parquet": 1,
        "zero.parquet": 0,
    }
    assert lake.landed() == {path: rows for path, rows in landed.files.items() if rows}
    rows = lake.rows("trades")
    assert {row["symbol"] for row in rows} == {"BTC"}
    assert {row["timestamp"] for row in rows} == {NOON}
    assert {row["_rescued_data"] for row in rows} == {None, '{"fee": 0.25}'}
    assert lake.ingest().files == {}


def test_the_edges_of_the_calendar_land(lake: Lake):
    times = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1582, 10, 10, tzinfo=UTC),
        datetime(1899, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    lake.write("x.parquet", trades(4, timestamp=pa.array(times, pa.timestamp("us", "UTC"))))
    lake.ingest()
    assert sorted(row["timestamp"] for row in lake.rows("trades")) == times
    # Other readers see them too: Spark's own format for times would end in 2262 for them.
    table = DeltaTable(lake.warehouse / f"{lake.schema}.db" / "trades").to_pyarrow_table(columns=["timestamp"])
    assert sorted(table["timestamp"].to_pylist()) == times


def test_a_bad_file_is_set_aside_once_and_tried_again_when_it_changes(lake: Lake):
    lake.write("good.parquet")
    whole = lake.write("bad.parquet").read_bytes()
    (lake.zone / "bad.parquet").write_bytes(whole[:-9])
    (lake.zone / "empty.parquet").write_bytes(b"")
    landed = lake.ingest()
    assert landed.files == {"good.parquet": 3}
    assert {path: why.reason for path, why in landed.set_aside.items()} == {
        "bad.parquet": "unreadable",
        "empty.parquet": "empty",
    }
    commits = lake.commits()
    landed = lake.ingest()
    assert (landed.set_aside, set(landed.waiting)) == ({}, {"bad.parquet", "empty.parquet"})
    assert lake.commits() == commits

    lake.write("bad.parquet", trades().drop_columns("price"))
    assert lake.ingest().set_aside["bad.parquet"].reason == "missing_column"
    rejected = {row["source_file"]: row for row in lake.rows("rejected_files")}
    assert len(lake.rows("rejected_files")) == 2
    assert rejected["bad.parquet"]["reason"] == "missing_column"
    assert rejected["bad.parquet"]["detail"] == "no column price"
    assert rejected["bad.parquet"]["rejected_at"] > rejected["empty.parquet"]["rejected_at"]

    (lake.zone / "bad.parquet").write_bytes(whole)
    landed = lake.ingest()
    assert (landed.files, landed.waiting) == ({"bad.parquet": 3}, ("empty.parquet",))
    assert [row["source_file"] for row in lake.rows("rejected_files")] == ["empty.parquet"]
    assert lake.landed() == {"good.parquet": 3, "bad.parquet": 3}


def test_a_file_that_changes_after_it_landed_is_reported_and_not_landed_again(lake: Lake):
    target = lake.write("x.parquet")
    lake.write("y.parquet")
    lake.ingest()
    written = target.stat().st_mtime
    lake.write("x.parquet", trades(5))
    os.utime(target, (written, written))
    os.utime(lake.zone / "y.parquet", (1, 1))
    for _ in range(2):
        landed = lake.ingest()
        assert (landed.files, landed.changed) == ({}, ("x.parquet", "y.parquet"))
    assert lake.landed() == {"x.parquet": 3, "y.parquet": 3}


def test_rows_of_a_file_that_breaks_late_do_not_land(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(staging, "BATCH_ROWS", 10)
    monkeypatch.setattr(staging, "GROUP_ROWS", 10)
    lake.write("a'\\b.parquet", trades(100), row_group_size=10, write_page_checksum=True)
    content = bytearray((lake.zone / "a'\\b.parquet").read_bytes())
    page = pq.ParquetFile(lake.zone / "a'\\b.parquet").metadata.row_group(9).column(0).data_page_offset
    content[page + 30 : page + 50] = b"\xff" * 20
    (lake.zone / "a'\\b.parquet").write_bytes(content)
    lake.write("good.parquet")
    landed = lake.ingest()
    assert (landed.files, list(landed.set_aside)) == ({"good.parquet": 3}, ["a'\\b.parquet"])
    assert lake.landed() == {"good.parquet": 3}


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("function", "moment"),
    [
        ("_append", "after"),
        ("_enter", "after"),
        pytest.param("_append", "before", marks=LONG),
        pytest.param("_enter_from_trades", "before", marks=LONG),
        pytest.param("_enter_from_trades", "after", marks=LONG),
        pytest.param("_set_aside", "after", marks=LONG),
        pytest.param("_merge", "before", marks=LONG),
        pytest.param("_merge", "after", marks=LONG),
    ],
)
def test_a_run_that_dies_anywhere_is_completed_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, function: str, moment: str
):
    lake.write("x.parquet")
    lake.write("zero.parquet", trades(0))
    lake.write("later good.parquet").rename(lake.zone / "whole")
    lake.write("later good.parquet", trades().drop_columns("price"))
    bronze.create_tables(lake.spark, lake.schema)
    real = getattr(bronze, function)

    def die(*args, **kwargs):
        if moment == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(bronze, function, die)
        lake.ingest()
    assert [*(lake.settings.home / "staging").glob("*")] == []
    # What the dead run may have set aside, has come whole since.
    (lake.zone / "whole").rename(lake.zone / "later good.parquet")
    lake.ingest()
    assert lake.landed() == {"x.parquet": 3, "later good.parquet": 3}
    assert {row["source_file"] for row in lake.rows("landed_files")} == {*lake.landed(), "zero.parquet"}
    assert lake.rows("rejected_files") == []
    commits = lake.commits()
    lake.ingest()
    assert lake.commits() == commits


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_append_of_a_killed_client_and_the_next_one_count_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """The ghost saw one file less: what it appended counts, and the rest follows in a batch of its own."""
    lake.write("x.parquet")
    bronze.create_tables(lake.spark, lake.schema)
    real = bronze._append

    def with_ghost(spark, schema, batch, folder, spoiled):
        if batch.number == 1:
            only = [file for file in batch.zone.files() if file.path == "x.parquet"]
            ghost = folder.with_name("ghost")
            normalise.stage(batch, only, ghost)
            appends = [(folder, spoiled), (ghost, [])]
            for place, left_out in appends if moment == "after" else reversed(appends):
                real(spark, schema, batch, place, left_out)
        else:
            real(spark, schema, batch, folder, spoiled)

    monkeypatch.setattr(bronze, "_append", with_ghost)
    lake.write("y.parquet")
    landed = lake.ingest()
    assert landed.files == {"x.parquet": 3, "y.parquet": 3}
    assert landed.batch_id == (1 if moment == "after" else 2)
    assert lake.landed() == {"x.parquet": 3, "y.parquet": 3}


def test_two_runs_at_once_land_each_file_once(lake: Lake, monkeypatch: pytest.MonkeyPatch):
    for number in range(5):
        lake.write(f"{number}.parquet")
    lake.ingest()
    for number in range(5, 10):
        lake.write(f"{number}.parquet")
    (lake.zone / "bad.parquet").write_bytes(b"")
    both = threading.Barrier(2, timeout=60)
    real = bronze._append

    def together(*args):
        if args[2].number == 2:
            both.wait()
        return real(*args)

    monkeypatch.setattr(bronze, "_append", together)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(lake.ingest) for _ in range(2)]
        for run in runs:
            run.result()
    assert lake.landed() == {f"{number}.parquet": 3 for number in range(10)}
    assert [row["source_file"] for row in lake.rows("rejected_files")] == ["bad.parquet"]


def test_many_small_files_land_in_one_batch(lake: Lake):
    content = lake.write("0.parquet").read_bytes()
    for number in range(1, 500):
        (lake.zone / f"{number}.parquet").write_bytes(content)
    landed = lake.ingest()
    assert (landed.batch_id, landed.rows) == (1, 1500)
    assert len(lake.landed()) == 500


def test_what_a_killed_run_staged_is_removed_in_time(lake: Lake):
    old, fresh = lake.settings.home / "staging" / "old", lake.settings.home / "staging" / "fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    lake.write("x.parquet")
    lake.ingest()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_an_engine_that_fails_is_one_sentence_and_loses_nothing(lake: Lake):
    lake.ingest()
    lake.write("x.parquet")
    lake.spark.sql(f"alter table {lake.schema}.trades add constraint no_rows check (price > 100)")
    with pytest.raises(CryptoError, match=r"^The engine failed .* run it again\.$"):
        lake.ingest()
    lake.spark.sql(f"alter table {lake.schema}.trades drop constraint no_rows")
    assert lake.ingest().files == {"x.parquet": 3}
    assert lake.landed() == {"x.parquet": 3}


def test_a_lost_connection_to_the_engine_is_told_in_its_own_words():
    with grpc.insecure_channel(f"127.0.0.1:{engine.free_port()}") as channel, pytest.raises(grpc.RpcError) as raised:
        channel.unary_unary("/")(b"", timeout=5)
    assert landing_zone.first_line(raised.value).startswith("failed to connect to all addresses")


CLIENT = """
import sys
from ingestion import bronze
from lakehouse import engine
from lakehouse import settings
engine_home, home, schema = sys.argv[1:]
spark = engine.session(settings.load({"CRYPTO_HOME": engine_home, "CRYPTO_CONFIG": ""}))
print("ready", flush=True)
bronze.ingest(spark, settings.load({"CRYPTO_HOME": home, "CRYPTO_CONFIG": ""}), schema=schema)
"""


@LONG
@pytest.mark.parametrize("seed", range(2))
def test_clients_killed_at_random_points_lose_and_repeat_nothing(lake: Lake, engine_settings, seed: int):
    random = Random(seed)
    lake.ingest()
    expected = {}
    seconds = 4.0
    for kill in range(10):
        for number in range(random.randrange(1, 4)):
            path = f"{kill}/{number}.parquet"
            expected[path] = random.randrange(1, 200)
            lake.write(path, trades(expected[path]))
        lake.write(f"{kill}/zero.parquet", trades(0))
        (lake.zone / f"{kill}" / "bad.parquet").write_bytes(b"PAR1")
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, engine_settings.home, lake.settings.home, lake.schema],
            stdout=subprocess.PIPE,
        )
        client.stdout.readline()
        began = time.monotonic()
        try:
            client.wait(random.uniform(0, seconds))
            # It was quicker than the kill: aim at what a run takes.
            seconds = time.monotonic() - began
        except subprocess.TimeoutExpired:
            client.kill()
            client.wait()
        client.stdout.close()
    lake.ingest()
    assert lake.landed() == expected
    assert sorted(row["source_file"] for row in lake.rows("rejected_files")) == [f"{k}/bad.parquet" for k in range(10)]
    time.sleep(5)
    assert lake.ingest().files == {}
    assert lake.landed() == expected
