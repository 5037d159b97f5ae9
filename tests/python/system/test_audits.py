"""Changes are tested before they are merged, whole tables once a day."""

import pytest
from deltalake import DeltaTable
from support.project import copied, edited
from support.replay import Home

FINER, PLANTED = "macros/candles/candles_from_candles.sql", "warehouse/silver.db/candles_1m"
FAULTS = {
    # name: (file, old text, new text, what is said); a fault further down lets what is before it be merged
    "an id that counts twice": (
        "macros/screening/resolve_duplicates.sql",
        "when row_number() over smallest_first = 1 then null",
        "when true then null",
        "break the test screened_trades_keep_one_row_of_an_id ",
    ),
    "a broken sum": (
        FINER,
        "sum(trade_count) as",
        "sum(trade_count) + 1 as",
        "break the test holds_all_of_candles_1h_",
    ),
    "a broken rule": (FINER, "max(high) as high", "min(high) as high", "break the test "),
    "a key twice": (
        "models/silver/candles/candles_1h.sql",
        "select * from candles",
        "select * from candles union all select * from candles",
        "break the test unique_combination_candles_1h_symbol__window_start ",
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    found = Home(tmp_path_factory.mktemp("audits") / "home")
    found.generate(1000, days=3, seed=1)
    found.run("crypto", "run")
    yield found
    found.stop()


def versions(home):
    tables = ("screened_trades", "candles_1m", "candles_1h", "candles_1d")
    return [DeltaTable(home.place / "warehouse/silver.db" / name).version() for name in tables]


def test_a_planted_fault_is_found_before_it_is_merged(home, tmp_path):
    project = copied(tmp_path / "project")
    home.generate(500, days=1, seed=2)
    # Copies of ids that are there.
    home.generate(1000, days=3, seed=1)
    home.run("crypto", "ingest")
    before = versions(home)
    for name, (file, old, new, said) in FAULTS.items():
        with edited(project, file, old, new):
            places = ("--project-dir", str(project), "--target-path", str(tmp_path / "target"))
            found = home.run("dbt", "run", "--select", "silver", *places, status=1)
        assert said in found and "nothing was merged" in found, f"{name}: {found}"
        assert versions(home)[2:] == before[2:]
    home.run("crypto", "run")
    assert versions(home)[3] == before[3] + 1


def test_a_fault_in_old_rows_is_found_by_tests_of_whole_tables_alone(home):
    table = DeltaTable(home.place / PLANTED)
    version = table.version()
    table.update({"volume": "volume + 1"}, predicate="symbol = 'BTC'")
    try:
        assert "whole tables tested" in home.run("crypto", "run")
        said = home.run("crypto", "run", "--all-tests", status=1)
        assert "FAILED test candles_1m_rows_keep_their_rules" in said and "published" in said
        assert "candles_1m_rows_keep_their_rules" in home.run("dbt", "test", "--select", "candles_1m", status=1)
    finally:
        DeltaTable(home.place / PLANTED).restore(version)
