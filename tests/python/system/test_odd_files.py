"""What the world's files and shells do, from the landing zone to Postgres: each odd thing costs only itself."""

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.commands import DBT, run_command
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import postgres
from lakehouse import settings as settings_module
from lakehouse.storage import lake

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)
# A company's shell: a proxy that nobody answers at, and variables of other projects.
SHELL = {
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "no_proxy": "localhost",
    "PGHOSTADDR": "192.0.2.1",
    "PGOPTIONS": "-c no_such_setting=1",
    "LC_ALL": "C",
}


def land(folder: Path, name: bytes, *ids: str, symbol: bytes = b"BTC", price: float = 100.0, **more: list) -> None:
    count = len(ids)
    columns = {
        "trade_id": list(ids),
        "symbol": pa.array([symbol] * count).view(pa.string()),
        "price": [price] * count,
        "volume": [1.0] * count,
        "trade_type": ["BUY"] * count,
        "exchange": ["Kraken"] * count,
        "timestamp": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
    }
    place = os.path.join(os.fsencode(folder), name)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    with pa.OSFile(place, "wb") as file:
        pq.write_table(pa.table(columns | more), file)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("odd%2Fhome#1") / "home"
    yield home
    for server in ("engine", "postgres"):
        run_command(server, "stop", CRYPTO_HOME=str(home))


def crypto(home: Path, *words: str, **given: str):
    done = run_command(*words, CRYPTO_HOME=str(home), **(SHELL | given))
    assert "Traceback" not in done.stdout + done.stderr
    return done


def reasons(home: Path) -> dict[str, str | None]:
    found = settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)
    rows = lake.read(found, "silver.screened_trades", ["trade_id", "source_file", "reason"]).to_pylist()
    return {f"{row['trade_id']} {row['source_file']}": row["reason"] for row in rows}


def test_odd_files_land_or_are_named_and_a_withdrawal_of_one_counts(home):
    trades = home / "landing" / "trades"
    land(trades, b"good.parquet", "g1")
    land(trades, b"trades_${date}.parquet", "t1", "t2", price=50.0)
    land(trades, b"donn\xe9es.parquet", "l1", symbol=b"B\xe9C")
    land(trades, b"huge.parquet", "h1", "h2", price=9_999_999_999.0, note=[b"\xff", b"x"])
    (trades / "up").symlink_to(trades)
    (trades / "x.csv").touch()
    with socket.socket(socket.AF_UNIX) as odd:
        os.chdir(trades)
        odd.bind("socket.parquet")
        os.chdir(PROJECT)
    done = crypto(home, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = r"unknown_symbol: 1 of 1 rows of donn\xe9es.parquet are rejected."
    for named in ("Left out up: ", "Left out socket.parquet: ", "1 files ending in .csv", unknown):
        assert named in done.stdout
    assert reasons(home) == {
        "g1 good.parquet": None,
        "t1 trades_${date}.parquet": None,
        "t2 trades_${date}.parquet": None,
        r"l1 donn\xe9es.parquet": "unknown_symbol",
        "h1 huge.parquet": None,
        "h2 huge.parquet": None,
    }
    for name in ("trades_${date}.parquet", r"donn\xe9es.parquet"):
        assert crypto(home, "withdraw", name, "--why", "a test").returncode == 0
    assert "for the same reason" in crypto(home, "withdraw", "trades_${date}.parquet", "--why", "a test").stdout
    again = crypto(home, "withdraw", "trades_${date}.parquet", "--why", "another")
    assert (again.returncode, "because 'a test'" in again.stderr) == (1, True)
    land(trades, b"copy.parquet", "t1", "g1")
    done = crypto(home, "run", "--json")
    summary = json.loads(done.stdout)
    assert done.returncode == 0 and summary["ok"] and summary["notices"] == []
    assert reasons(home) == {
        "g1 good.parquet": "duplicate",
        "g1 copy.parquet": None,
        "t1 copy.parquet": None,
        "t1 trades_${date}.parquet": "withdrawn",
        "t2 trades_${date}.parquet": "withdrawn",
        r"l1 donn\xe9es.parquet": "withdrawn",
        "h1 huge.parquet": None,
        "h2 huge.parquet": None,
    }


def test_dbt_show_shows_the_rows_of_a_table_that_is_kept_up(home):
    """Macro get_show_sql; a test above has run the build."""
    places = ["--target-path", str(home / "target"), "--log-path", str(home / "logs")]
    done = run_command(
        "show", "-s", "candles_1d", "--output", "json", *places, program=DBT, CRYPTO_HOME=str(home), **SHELL
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = json.loads(done.stdout[done.stdout.index("{") :])["show"]
    assert (row["symbol"], row["trade_count"]) == ("BTC", 4)


def test_a_run_that_fails_says_that_nothing_was_published(home):
    """After the test above: gold has one day, and Postgres would have to give up the two that stand there."""
    found = settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)
    with postgres.connect(found) as connection:
        connection.execute("""
            insert into crypto.daily_metrics select (more.row).* from (
                select jsonb_populate_record(metrics, jsonb_build_object('metric_date', date '2020-01-01' + n)) as row
                from crypto.daily_metrics as metrics, generate_series(1, 5) as n
            ) as more
        """)
    land(home / "landing" / "trades", b"more.parquet", "m1")
    done = crypto(home, "run")
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("published")]
    assert line.split() == ["published", "nothing"]
    assert "skipped" in done.stdout
