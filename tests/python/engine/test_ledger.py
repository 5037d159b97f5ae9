"""Raw files land in bronze exactly once, whatever happens in between."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from support.bronze import NOON, Bronze, raw_trades

from ingestion import bronze, ledger, normalise
from lakehouse.errors import CryptoError


@pytest.fixture
def lake(spark, settings, schema, engine_settings) -> Bronze:
    return Bronze(spark, settings, schema, engine_settings.warehouse)


def test_without_a_landing_zone_all_tables_exist_and_are_empty(lake: Bronze):
    landed = lake.ingest()
    assert landed == ledger.IngestResult(None, {}, {}, (), ()) and landed.is_empty_zone
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


def test_files_land_once_untouched_and_a_second_run_writes_nothing(lake: Bronze):
    target = lake.write("a.parquet")
    os.utime(target, ns=(0, 999_999_999_123_456_789))
    before = datetime.now(UTC)
    landed = lake.ingest()
    assert (landed.batch_id, landed.files, landed.rows) == (1, {"a.parquet": 3}, 3)
    rows = sorted(lake.rows("trades"), key=lambda row: row["source_row"])
    assert [{name: row[name] for name in raw_trades().column_names} for row in rows] == raw_trades().to_pylist()
    assert [row["source_row"] for row in rows] == [0, 1, 2]
    (entry,) = lake.rows("landed_files")
    assert before <= entry["ingestion_timestamp"] <= datetime.now(UTC)
    assert entry == {
        "source_file": "a.parquet",
        "file_size": target.stat().st_size,
        "file_modified_at": datetime(2001, 9, 9, 1, 46, 39, 123_456, UTC),
        "row_count": 3,
        "batch_id": 1,
        "ingestion_timestamp": rows[0]["ingestion_timestamp"],
    }
    assert {row["file_modified_at"] for row in rows} == {entry["file_modified_at"]}

    commits = lake.commits()
    assert lake.ingest() == ledger.IngestResult(None, {}, {}, (), ())
    assert lake.commits() == commits

    # A file older than all that landed is as new as any.
    os.utime(lake.write("b.parquet"), (1, 1))
    assert (lake.ingest().batch_id, lake.landed()) == (2, {"a.parquet": 3, "b.parquet": 3})


def test_dialects_and_odd_names_land_together(lake: Bronze):
    count = 2
    lake.write("symbol=ETH/price=9/x.parquet")
    lake.write("day%20one+1/a:b [c]{d}*?'\"é.parquet", raw_trades(count, price=pa.array([1, 2], pa.uint8())))
    lake.write("spark.parquet/part-0.parquet", raw_trades().drop_columns("user_id"))
    lake.write("pandas.parquet", raw_trades(count, timestamp=pa.array([NOON] * count, pa.timestamp("ns"))))
    lake.write("extra.parquet", raw_trades(1, fee=pa.array([0.25])))
    lake.write("zero.parquet", raw_trades(0))
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


def test_the_edges_of_the_calendar_land(lake: Bronze):
    times = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1582, 10, 10, tzinfo=UTC),
        datetime(1899, 12, 31, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    lake.write("x.parquet", raw_trades(4, timestamp=pa.array(times, pa.timestamp("us", "UTC"))))
    lake.ingest()
    assert sorted(row["timestamp"] for row in lake.rows("trades")) == times
    # Other readers see them too: Spark's own format for times would end in 2262 for them.
    table = DeltaTable(lake.warehouse / f"{lake.schema}.db" / "trades").to_pyarrow_table(columns=["timestamp"])
    assert sorted(table["timestamp"].to_pylist()) == times


def test_a_bad_file_is_set_aside_once_and_tried_again_when_it_changes(lake: Bronze):
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

    lake.write("bad.parquet", raw_trades().drop_columns("price"))
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


def test_a_file_that_changes_after_it_landed_is_reported_and_not_landed_again(lake: Bronze):
    target = lake.write("x.parquet")
    lake.write("y.parquet")
    lake.ingest()
    written = target.stat().st_mtime
    lake.write("x.parquet", raw_trades(5))
    os.utime(target, (written, written))
    os.utime(lake.zone / "y.parquet", (1, 1))
    for _ in range(2):
        landed = lake.ingest()
        assert (landed.files, landed.changed) == ({}, ("x.parquet", "y.parquet"))
    assert lake.landed() == {"x.parquet": 3, "y.parquet": 3}


def test_rows_of_a_file_that_breaks_late_do_not_land(lake: Bronze, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(normalise, "BATCH_ROWS", 10)
    monkeypatch.setattr(normalise, "GROUP_ROWS", 10)
    lake.write("a'\\b.parquet", raw_trades(100), row_group_size=10, write_page_checksum=True)
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
    lake: Bronze, monkeypatch: pytest.MonkeyPatch, function: str, moment: str
):
    lake.write("x.parquet")
    lake.write("zero.parquet", raw_trades(0))
    lake.write("later good.parquet").rename(lake.zone / "whole")
    lake.write("later good.parquet", raw_trades().drop_columns("price"))
    bronze.create_tables(lake.spark, lake.schema)
    real = getattr(ledger, function)

    def die(*args, **kwargs):
        if moment == "after":
            real(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ledger, function, die)
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


def test_many_small_files_land_in_one_batch(lake: Bronze):
    content = lake.write("0.parquet").read_bytes()
    for number in range(1, 500):
        (lake.zone / f"{number}.parquet").write_bytes(content)
    landed = lake.ingest()
    assert (landed.batch_id, landed.rows) == (1, 1500)
    assert len(lake.landed()) == 500


def test_what_a_killed_run_staged_is_removed_in_time(lake: Bronze):
    old, fresh = lake.settings.home / "staging" / "old", lake.settings.home / "staging" / "fresh"
    for folder in (old, fresh):
        folder.mkdir(parents=True)
    os.utime(old, (1, 1))
    lake.write("x.parquet")
    lake.ingest()
    assert (old.exists(), fresh.exists()) == (False, True)


def test_an_engine_that_fails_is_one_sentence_and_loses_nothing(lake: Bronze):
    lake.ingest()
    lake.write("x.parquet")
    place = lake.warehouse / f"{lake.schema}.db" / "trades"
    place.rename(place.with_name("away"))
    with pytest.raises(
        CryptoError, match=r"^A table that the running engine knows has lost its files; run `crypto engine stop`"
    ):
        lake.ingest()
    place.with_name("away").rename(place)
    assert lake.ingest().files == {"x.parquet": 3}
    assert lake.landed() == {"x.parquet": 3}


def test_trades_that_were_lost_after_they_landed_are_missed(lake: Bronze):
    lake.write("x.parquet")
    lake.ingest()
    lake.drop("trades")
    with pytest.raises(CryptoError, match=r"trades holds 0 rows, but 3 have landed\. Restore the table; or drop it"):
        lake.ingest()
    lake.drop("landed_files")
    assert lake.ingest().files == {"x.parquet": 3}


CLIENT = """
import sys
from ingestion import bronze, ledger
from lakehouse import engine, ports
from lakehouse import settings
engine_home, home, schema = sys.argv[1:]
spark = engine.session(settings.load({"CRYPTO_HOME": engine_home, "CRYPTO_CONFIG": ""}))
print("ready", flush=True)
ledger.ingest(spark, settings.load({"CRYPTO_HOME": home, "CRYPTO_CONFIG": ""}), schema=schema)
"""


@LONG
@pytest.mark.parametrize("seed", range(2))
def test_clients_killed_at_random_points_lose_and_repeat_nothing(lake: Bronze, engine_settings, seed: int):
    random = Random(seed)
    lake.ingest()
    expected = {}
    seconds = 4.0
    for kill in range(10):
        for number in range(random.randrange(1, 4)):
            path = f"{kill}/{number}.parquet"
            expected[path] = random.randrange(1, 200)
            lake.write(path, raw_trades(expected[path]))
        lake.write(f"{kill}/zero.parquet", raw_trades(0))
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
