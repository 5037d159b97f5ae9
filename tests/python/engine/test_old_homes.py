"""A data home that Apache Spark or an earlier release built is opened by Sail, and read exactly."""

import json
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse import engine
from lakehouse.storage import delta_log, lake

CLOSE = Decimal("1775.2375020710000002")
OLD = {"delta.enableChangeDataFeed": "true"}


def written(settings, name, **given):
    """Write a table of one row with statistics in its log, NOT NULL and, if asked for, the change feed."""
    fields = [pa.field("symbol", pa.string(), nullable=False), pa.field("close", pa.decimal128(38, 16))]
    rows = pa.table({"symbol": ["BTC"], "close": [CLOSE]}, pa.schema(fields))
    place = settings.warehouse / "gold.db" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    write_deltalake(place, rows, **given)
    return f"gold.{name}"


def added(settings, name):
    """The last file that the table's log adds."""
    folder = settings.warehouse / "gold.db" / name.split(".")[1] / "_delta_log"
    lines = [json.loads(line) for file in sorted(folder.glob("*.json")) for line in file.read_text().splitlines()]
    return [line["add"] for line in lines if "add" in line][-1]


@pytest.mark.parametrize("properties", [OLD, {}], ids=["change feed", "no property"])
def test_what_sail_stumbles_over_is_taken_from_a_table_once(settings, properties):
    name = written(settings, "old", configuration=properties)
    assert '"close"' in added(settings, name)["stats"]
    assert delta_log.adapt_to_sail(settings, name)
    assert not delta_log.adapt_to_sail(settings, name)
    table = lake.table(settings, name)
    assert table.to_pyarrow_table().to_pylist() == [{"symbol": "BTC", "close": CLOSE}]
    assert all(field.nullable for field in table.schema().fields)
    assert table.metadata().configuration == {"delta.dataSkippingNumIndexedCols": "0"}
    assert table.protocol().min_writer_version == 2
    last = added(settings, name)
    assert json.loads(last["stats"]) == {"numRecords": 1} and last["dataChange"] is False


def test_a_table_that_names_its_statistics_keeps_them(settings):
    fields = [pa.field("symbol", pa.string()), pa.field("close", pa.decimal128(38, 16))]
    rows = pa.table({"symbol": ["BTC"], "close": [CLOSE]}, pa.schema(fields))
    place = settings.warehouse / "gold.db" / "named"
    place.parent.mkdir(parents=True)
    write_deltalake(place, rows, configuration={"delta.dataSkippingStatsColumns": "symbol"})
    assert not delta_log.adapt_to_sail(settings, "gold.named")


def test_sail_reads_such_a_home_exactly(settings):
    written(settings, "old", configuration=OLD)
    try:
        spark = engine.session(settings)
        assert spark.sql("select close from gold.old").collect()[0][0] == CLOSE
        spark.sql("insert into gold.old select 'ETH', null").collect()
        assert spark.sql("select count(*) from gold.old").collect()[0][0] == 2
    finally:
        engine.stop(settings)
