"""Whatever the order in which trades arrive, the tables end the same: replays, random files, and a planted error."""

import random
import re
from pathlib import Path

import hypothesis
import pytest
import yaml
from deltalake import DeltaTable
from hypothesis import strategies as st
from support import trade_files
from support.commands import runner
from support.project import PROJECT, copied, edited
from support.replay import Home, nasty


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which nasty files have arrived in two batches, the oldest days last."""
    found = Home(tmp_path_factory.mktemp("order") / "home")
    files = nasty()
    for number, given in enumerate(files):
        if number == 2:
            found.build()
            # Some rows have an unknown symbol and this exchange: they stay rejected, but are not the same.
            found.run("crypto", "exchanges", "add", "Nowhere")
        trade_files.write(found.landing, f" o'file {number}.parquet", given)
    found.build()
    yield found
    found.stop()


def test_the_nasty_files_hold_what_they_are_for(home):
    rows = DeltaTable(home.place / "warehouse/silver.db/screened_trades").to_pyarrow_table().to_pylist()
    reasons = {row["reason"] for row in rows}
    assert {
        None,
        "duplicate",
        "conflicting_duplicate",
        "unknown_symbol",
        "missing_volume",
        "invalid_timestamp",
    } <= reasons
    # Rows that an earlier run kept have lost to later copies.
    assert any(row["batch_id"] < row["revision"] for row in rows)


def test_a_run_reads_only_the_days_and_files_with_changes(home):
    compiled = home.place / "target/compiled/crypto/models/silver"
    candles = (compiled / "candles" / "candles_1m.sql").read_text()
    spans = re.findall(r"traded_at >= timestamp '(\S+) \S+' and traded_at < timestamp '(\S+) ", candles)
    # Neither the two months between nor an impossible time.
    assert spans == [("2024-01-01", "2024-01-02"), ("2024-03-01", "2024-03-02")]
    screened = (compiled / "trades" / "screened_trades.sql").read_text()
    assert "where trades.batch_id between 1 and 1 and trades.source_file in (" in screened
    assert r"source_file in (' o\'file 0.parquet', ' o\'file 1.parquet')" in screened


FILLED = """-- Grain: one row per symbol and calendar day.
{{ config(unique_key=['symbol', 'metric_date']) }}

with days as (
    select symbol, metric_date, volume from {{ ref('daily_metrics') }}
),

final as (
    select symbol, metric_date, 0 as in_union, if(volume = 0, 0, volume) as in_if from days where volume = 0
    union all
    select
        symbol, metric_date, volume as in_union, case when volume = 0 then 0 else volume end as in_if
    from days
    where volume > 0
)

select * from final
"""
FILLED_COLUMNS = {"symbol": "string", "metric_date": "date", "in_union": "decimal(28,8)", "in_if": "decimal(28,8)"}


def test_a_change_is_staged_in_the_types_of_the_contract(home, tmp_path):
    """A union, a case and an if are declared to have the type of their first branch; here that is a whole number."""
    gold = copied(tmp_path / "project") / "models" / "gold"
    columns = [{"name": name, "data_type": kind, "description": "-"} for name, kind in FILLED_COLUMNS.items()]
    described = {"models": [{"name": "filled", "description": "One row per symbol and day.", "columns": columns}]}
    (gold / "filled.yml").write_text(yaml.safe_dump(described))
    (gold / "filled.sql").write_text(FILLED)
    build = ("dbt", "run", "--select", "filled", "--project-dir", str(gold.parents[1]))
    home.run(*build)
    filled = DeltaTable(home.place / "warehouse/gold.db/filled")
    filled.delete("in_union > 1")
    filled.update({"in_union": "in_union + 1", "in_if": "in_if + 1"})
    home.run(*build)
    metrics = DeltaTable(home.place / "warehouse/gold.db/daily_metrics").to_pyarrow_table().to_pylist()
    days = {(row["symbol"], row["metric_date"]): row["volume"] for row in metrics}
    filled.update_incremental()
    found = filled.to_pyarrow_table().to_pylist()
    assert {(row["symbol"], row["metric_date"]): row["in_union"] for row in found} == days
    assert {(row["symbol"], row["metric_date"]): row["in_if"] for row in found} == days
    assert any(volume % 1 for volume in days.values())


def test_another_order_in_pieces_ends_in_the_same_tables(home):
    said = home.run("crypto", "verify", "--seed", "1", "--batches", "2")
    assert "`crypto verify --seed 1 --batches 2` repeats this order" in said
    assert re.search(r"o'file \d.parquet is withdrawn in the first batch; .*file \d.parquet lands twice; ", said)
    assert re.search(r" and (Binance|Gemini|Kraken|Nowhere) are unknown in the first batch\.", said)
    assert "Every silver and gold table is equal, value for value." in said
    assert not list(home.place.glob("verify-*"))


def test_models_are_computed_alone_over_the_live_tables(home):
    def verify(*selection, status=0):
        return home.run("crypto", "verify", "--select", *selection, status=status)

    def computed(said):
        return set(re.findall(r"Computing (\S+) ...", said))

    table = DeltaTable(home.place / "warehouse/gold.db/daily_metrics")
    version = table.version()
    table.update({"high": "high + 1"}, predicate="symbol = 'BTC' and metric_date = '2024-01-01'")
    try:
        said = verify("daily_metrics exchange_spreads trades", status=1)
        assert computed(said) == {"gold.daily_metrics", "gold.exchange_spreads"}
        assert "gold.daily_metrics: 1 rows differ, such as\n  symbol=BTC, metric_date=2024-01-01: high is " in said
        assert "The computed models differ." in said and "gold.exchange_spreads: " not in said
    finally:
        DeltaTable(home.place / "warehouse/gold.db/daily_metrics").restore(version)
    # Without a name: what has not passed as it is now.
    first, second = (computed(said) for said in (verify(), verify()) if "Every type and value is equal." in said)
    assert {"gold.daily_metrics", "gold.market_overview", "silver.screened_trades"} <= first and second == set()
    assert "gold.exchange_spreads" not in first and "gold.candle_revisions" not in first
    assert not list(home.place.glob("verify-*"))


def test_a_selection_without_a_model_is_refused(home):
    said = home.run("crypto", "verify", "--select", "no_such_model", status=1)
    assert "'no_such_model' chooses no model" in said
    assert "None of these models makes a table" in home.run("crypto", "verify", "--select", "trades", status=1)
    assert "0 is not in the range" in home.run("crypto", "verify", "--batches", "0", status=2)


RESCREEN, CANDLES = "macros/screening/rows_to_rescreen.sql", "macros/incremental/changed_windows.sql"
FAULTS = {
    # name: (file, old text, new text): what only an incremental run can get wrong
    "a file that counts again is not screened again": (
        RESCREEN,
        "!= coalesce(screened.reason",
        "> coalesce(screened.reason",
    ),
    "a name that is known later": (RESCREEN, "symbols.symbol is distinct from screened.symbol", "false"),
    "a later copy of an id": (RESCREEN, "{{ new_trade_keys(last_batch) }}\n        union\n", ""),
    "late trades of a window that is there": (
        CANDLES,
        "and traded_at is not null",
        "and batch_id = revision and traded_at is not null",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_replay_finds_what_only_an_incremental_run_gets_wrong(home, tmp_path, fault):
    copy = copied(tmp_path / "project")
    (copy / ".venv").symlink_to(PROJECT / ".venv")
    with edited(copy, *FAULTS[fault]):
        said = runner(home.place)(copy, "! .venv/bin/crypto verify --seed 3 --batches 3")
    assert "The replay differs." in said and "silver." in said, said


@pytest.mark.long
def test_verify_names_the_first_differences(home):
    table = DeltaTable(home.place / "warehouse/gold.db/daily_metrics")
    version = table.version()
    table.update({"high": "high + 1"}, predicate="symbol = 'BTC' and metric_date = '2024-01-01'")
    try:
        said = home.run("crypto", "verify", "--seed", "2", "--batches", "1", status=1)
    finally:
        DeltaTable(home.place / "warehouse/gold.db/daily_metrics").restore(version)
    assert "gold.daily_metrics: 1 rows differ, such as\n  symbol=BTC, metric_date=2024-01-01: high is " in said
    assert said.count("rows differ") == 1 and "The replay differs." in said


def test_nothing_to_verify_is_said(tmp_path):
    said = Home(tmp_path / "new").run("crypto", "verify", status=1)
    assert "There is nothing to verify yet; run `crypto run` first." in said


@pytest.mark.long
@pytest.mark.timeout(5400)
@hypothesis.settings(max_examples=6, deadline=None, suppress_health_check=list(hypothesis.HealthCheck), database=None)
@hypothesis.given(files=trade_files.files(), seed=st.integers(0, 999))
def test_random_files_in_random_batches_end_as_in_one(files, seed, tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("random") / "home")
    draw = random.Random(seed)
    try:
        names = [f"day={draw.randint(1, 9)}/file {number}.parquet" for number in range(len(files))]
        half = draw.randint(1, len(files) - 1)
        for name, given in list(zip(names, files, strict=True))[:half]:
            trade_files.write((home.landing / name).parent, Path(name).name, given)
        home.build()
        for name, given in list(zip(names, files, strict=True))[half:]:
            trade_files.write((home.landing / name).parent, Path(name).name, given)
        home.run("crypto", "ingest")
        home.run("crypto", "withdraw", draw.choice(names), "--why", "drawn by a test")
        home.build()
        home.run("crypto", "verify", "--seed", str(seed), "--batches", "1")
    finally:
        home.stop()
