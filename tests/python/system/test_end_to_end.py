"""The whole, as a user runs it: from nothing to Postgres, in the data home whose engine all tests share."""

import fcntl
import json
import re
from concurrent.futures import ThreadPoolExecutor

import pyarrow
import pytest
from support.project import PROJECT

from lakehouse import postgres
from lakehouse.storage import lake


@pytest.fixture(scope="session")
def rows(engine_settings, first_run):
    """Run a query in the embedded Postgres."""

    def query(text):
        with postgres.connect(engine_settings) as connection:
            return connection.execute(text).fetchall()

    return query


def test_make_run_ends_with_every_day_of_every_symbol_in_postgres(first_run, rows):
    assert "All is well." in first_run
    assert rows("select count(*), count(distinct symbol), count(distinct metric_date) from crypto.daily_metrics") == [
        (450, 5, 90)
    ]
    assert rows("select count(*) from crypto.trading_indicators") == [(450,)]


def test_the_readme_shows_how_make_run_ends(first_run):
    shown = re.search(r"It ends with\n\n```\n(.+?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    said = {line.rstrip() for line in first_run.splitlines()} | {"..."}
    assert [line for line in shown[1].splitlines() if line not in said] == []


def test_rsi_is_null_for_exactly_the_first_14_days_of_each_symbol(rows):
    assert rows("""
        select symbol, count(*), max(bars_seen), bool_and(bars_seen <= 14)
        from crypto.trading_indicators where rsi_14 is null group by symbol order by symbol
    """) == [(symbol, 14, 14, True) for symbol in ("AVAX", "BTC", "ETH", "MATIC", "SOL")]


def test_a_second_run_changes_nothing(user, rows):
    state = "select * from crypto.daily_metrics natural join crypto.trading_indicators order by symbol, metric_date"
    before = rows(state)
    summary = json.loads(user("crypto", "run", "--json").splitlines()[-1])
    assert summary["ok"] and summary["landed"]["batch_id"] is None
    written = [(row["rows_inserted"], row["rows_updated"], row["rows_deleted"]) for row in summary["sync"]]
    assert written == [(0, 0, 0), (0, 0, 0)]
    assert rows(state) == before


def test_plain_dbt_commands_work_without_a_word_about_settings(user, published):
    assert "metric_date" in user("dbt", "show", "-s", "daily_metrics")
    user("dbt", "test", "--target", "postgres")
    user("dbt", "docs", "generate", "--static")
    assert "rsi_14" in (PROJECT / "target" / "static_index.html").read_text()
    catalog = json.loads((PROJECT / "target" / "catalog.json").read_text())
    table = catalog["nodes"]["model.crypto.trading_indicators"]
    assert "rsi_14" in table["columns"] and table["metadata"]["database"] == "spark_catalog"


def test_dbt_build_runs_every_node_and_unit_test(user, first_run):
    said = user("dbt", "build")
    assert "Completed successfully" in said and "ERROR=0" in said and "SKIP=0" in said


def test_a_build_waits_for_another_command_that_writes(user, first_run, engine_settings):
    with ThreadPoolExecutor(1) as pool, (engine_settings.home / "run.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build = pool.submit(user, "dbt", "run", "-s", "market_overview")
        assert "market_overview" in user("dbt", "list", "-s", "market_overview")
        assert "daily_metrics: 450 rows, would be " in user("crypto", "sync", "--plan")
        assert not build.done()
        fcntl.flock(lock, fcntl.LOCK_UN)
        said = build.result()
    assert "Another run is at work" in said and "Completed successfully" in said


@pytest.mark.long
def test_a_command_that_mixes_both_sides_is_told_what_to_leave_out(user, published):
    """What refuse_other_side is for: with --exclude, dbt drops the selector that keeps the sides apart."""
    said = user("dbt", "test", "--exclude", "candles_1m", fails=True)
    assert re.search(r"Postgres has \w+ and \d+ more: leave it out too, as in `--exclude ... models/serving`", said)
    said = user("dbt", "build", "--target", "postgres", "--exclude", "daily_series", fails=True)
    assert re.search(r"The lake builds \w+ and \d+ more: run it without `--target postgres`", said)
    layers = ("silver", "gold", "sync", "serving")
    said = user("dbt", "test", "--exclude", "tests/singular", *(f"models/{layer}" for layer in layers))
    assert "not_null_symbols_history_symbol" in said and "ERROR=0" in said
    said = user("dbt", "test", "--target", "postgres", "-s", "models/serving")
    assert "PASS source_published_as_recorded" in said and "ERROR=0" in said


def test_status_tells_rows_and_no_problem(user, first_run):
    found = json.loads(user("crypto", "status", "--json"))
    tables = {row["table"]: row for row in found["tables"]}
    assert tables["bronze.trades"]["rows"] == 100_000
    assert tables["gold.daily_metrics"]["rows"] == 450
    assert found["problems"] == [] and found["engine"]["running"] and found["last_runs"][0]["ok"]
    assert "100,000" in user("crypto", "status")


def test_other_readers_open_the_tables(first_run, engine_settings):
    import duckdb
    from deltalake import DeltaTable

    connection = duckdb.connect()
    table = DeltaTable(engine_settings.warehouse / "silver.db" / "candles_1d")
    connection.register("candles", table.to_pyarrow_dataset())
    assert connection.sql("select count(*), count(distinct symbol) from candles").fetchall() == [(450, 5)]


def test_a_hand_edit_in_postgres_fails_the_parity_test(user, published, engine_settings):
    edit = "update crypto.daily_metrics set volume = volume {} 1, buy_volume = buy_volume {} 1 where symbol = 'BTC'"
    with postgres.connect(engine_settings) as connection:
        connection.execute(edit.format("+", "+"))
    try:
        said = user("dbt", "test", "--target", "postgres", "-s", "test_name:published_as_recorded", fails=True)
    finally:
        with postgres.connect(engine_settings) as connection:
            connection.execute(edit.format("-", "-"))
    assert "FAIL 1 source_published_as_recorded_crypto_sync_runs_" in said


def test_maintenance_joins_files_and_changes_no_row(user, first_run, engine_settings):
    from deltalake import DeltaTable

    place = engine_settings.warehouse / "bronze.db" / "trades"
    rows = DeltaTable(place).count()
    assert "Optimized bronze.trades" in user("dbt", "run-operation", "optimize_tables")
    assert DeltaTable(place).count() == rows
    assert len(DeltaTable(place).file_uris()) == 1


def test_no_decimal_or_double_has_statistics_in_the_log(engine_settings, first_run):
    """Sail would read a column that has one value in a file from them, and not exactly."""
    inexact = []
    for schema in lake.LAYERS:
        for name in lake.layer(engine_settings, schema).tables():
            table = lake.table(engine_settings, f"{schema}.{name}")
            types = lake.column_types(table)
            files = pyarrow.table(table.get_add_actions(flatten=True)).column_names
            inexact += [
                f"{schema}.{name}.{column}"
                for column, kind in types.items()
                if kind.startswith(("decimal", "double")) and f"min.{column}" in files
            ]
    assert inexact == []
