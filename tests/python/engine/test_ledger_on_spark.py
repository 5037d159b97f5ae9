"""Delta's transactions keep simultaneous appends apart on Apache Spark, as on Databricks; on Sail the run lock does."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.bronze import Bronze

from ingestion import bronze, ledger, normalise


@pytest.fixture(scope="module")
def engine_settings(apache_settings):
    return apache_settings


@pytest.fixture(scope="module")
def spark(apache_spark):
    return apache_spark


@pytest.fixture
def lake(spark, settings, schema, engine_settings) -> Bronze:
    return Bronze(spark, settings, schema, engine_settings.warehouse)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_append_of_a_killed_client_and_the_next_one_count_once(
    lake: Bronze, monkeypatch: pytest.MonkeyPatch, moment: str
):
    """The ghost saw one file less: what it appended counts, and the rest follows in a batch of its own."""
    lake.write("x.parquet")
    bronze.create_tables(lake.spark, lake.schema)
    real = ledger._append

    def with_ghost(spark, schema, batch, folder, spoiled):
        if batch.number == 1:
            only = [file for file in batch.zone.list().files if file.path == "x.parquet"]
            ghost = Path(folder).with_name("ghost")
            normalise.normalise(batch, only, ghost)
            appends = [(folder, spoiled), (str(ghost), [])]
            for place, left_out in appends if moment == "after" else reversed(appends):
                real(spark, schema, batch, place, left_out)
        else:
            real(spark, schema, batch, folder, spoiled)

    monkeypatch.setattr(ledger, "_append", with_ghost)
    lake.write("y.parquet")
    landed = lake.ingest()
    assert landed.files == {"x.parquet": 3, "y.parquet": 3}
    assert landed.batch_id == (1 if moment == "after" else 2)
    assert lake.landed() == {"x.parquet": 3, "y.parquet": 3}


def test_two_runs_at_once_land_each_file_once(lake: Bronze, monkeypatch: pytest.MonkeyPatch):
    for number in range(5):
        lake.write(f"{number}.parquet")
    lake.ingest()
    for number in range(5, 10):
        lake.write(f"{number}.parquet")
    (lake.zone / "bad.parquet").write_bytes(b"")
    both = threading.Barrier(2, timeout=60)
    real = ledger._append

    def together(*args):
        if args[2].number == 2:
            both.wait()
        return real(*args)

    monkeypatch.setattr(ledger, "_append", together)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(lake.ingest) for _ in range(2)]
        for run in runs:
            run.result()
    assert lake.landed() == {f"{number}.parquet": 3 for number in range(10)}
    assert [row["source_file"] for row in lake.rows("rejected_files")] == ["bad.parquet"]
