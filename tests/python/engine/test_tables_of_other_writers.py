"""What Sail stumbles over in tables of other writers, Apache Spark or an earlier release, is taken from them safely."""

from decimal import Decimal

import pyarrow as pa
import pytest
from dbt.adapters.localspark import delta_statements
from deltalake import DeltaTable, write_deltalake

from lakehouse import engine
from lakehouse.engine import catalog
from lakehouse.storage import lake

CLOSE = Decimal("1775.2375020710000002")
FIELDS = [pa.field("symbol", pa.string(), nullable=False), pa.field("close", pa.decimal128(38, 16))]
ROW = pa.table({"symbol": ["BTC"], "close": [CLOSE]}, pa.schema(FIELDS))


@pytest.fixture
def closes(settings):
    """The path of table gold.closes, of one row, with statistics in its log, NOT NULL and the change feed."""
    place = settings.warehouse / "gold.db" / "closes"
    place.parent.mkdir(parents=True)
    write_deltalake(place, ROW, configuration={"delta.enableChangeDataFeed": "true"})
    return place


def statistics(table: DeltaTable) -> set[str]:
    files = pa.table(table.get_add_actions(flatten=True))
    return {name for name in files.column_names if name.startswith("min.") and files[name].null_count < len(files)}


def test_sail_reads_and_writes_such_a_table(settings, closes):
    assert statistics(DeltaTable(closes)) == {"min.symbol", "min.close"}
    try:
        spark = engine.session(settings)
        assert spark.sql("select close from gold.closes").collect()[0][0] == CLOSE
        spark.sql("insert into gold.closes select 'ETH', null").collect()
        assert spark.sql("select count(*) from gold.closes").collect()[0][0] == 2
    finally:
        engine.stop(settings)
    table = DeltaTable(closes)
    assert statistics(table) == set() and all(field.nullable for field in table.schema().fields)
    catalog.prepare_for_sail(table)
    assert DeltaTable(closes).version() == table.version(), "it is done once"


def test_a_table_that_names_its_statistics_keeps_them(tmp_path):
    row = ROW.cast(pa.schema([field.with_nullable(True) for field in FIELDS]))
    write_deltalake(tmp_path, row, configuration={"delta.dataSkippingStatsColumns": "symbol"})
    table = DeltaTable(tmp_path)
    catalog.prepare_for_sail(table)
    assert table.version() == 0 and statistics(table) == {"min.symbol"}


def append(place):
    write_deltalake(place, ROW, mode="append")


def replace(place):
    DeltaTable(place).delete()
    append(place)


@pytest.mark.parametrize(("other_commit", "rows"), [(append, 3), (replace, 1)])
def test_a_commit_between_reading_and_writing_the_log_is_kept(closes, other_commit, rows):
    append(closes)
    table = DeltaTable(closes)
    other_commit(closes)
    catalog.prepare_for_sail(table)
    found = DeltaTable(closes)
    assert found.to_pyarrow_table().num_rows == rows and statistics(found) == set()


@pytest.mark.parametrize(
    "statement",
    [
        "comment on table gold.closes is 'Closes.'",
        "alter table gold.closes alter column symbol comment 'Asset.', close comment 'Price.'",
    ],
)
def test_a_row_that_is_appended_while_a_comment_is_written_stays(settings, closes, monkeypatch, statement):
    append(closes)
    real = lake.table

    def read_then_append(*arguments):
        table = real(*arguments)
        append(closes)
        return table

    monkeypatch.setattr(lake, "table", read_then_append)
    delta_statements.answer(settings, statement)
    assert DeltaTable(closes).to_pyarrow_table().num_rows == 3
