"""The rows that a run and the report tell: counted from Delta logs and by reason, without an engine."""

from decimal import Decimal

import pyarrow as pa
from deltalake import write_deltalake

from commands.run import row_counts


def write(settings, name, mode="append", **columns):
    schema, table = name.split(".")
    write_deltalake(settings.warehouse / f"{schema}.db" / table, pa.table(columns), mode=mode)


def test_trades_are_counted_by_reason_and_tables_by_their_logs(settings):
    assert row_counts.by_table(settings, row_counts.by_reason(settings)) == {
        "silver.trades": 0,
        "silver.rejected_trades": 0,
    }
    write(settings, "bronze.trades", trade_id=["a", "b"])
    write(settings, "bronze.trades", trade_id=["c", "d"])
    write(settings, "silver.screened_trades", reason=pa.array([None, None, "duplicate"], pa.string()))
    write(settings, "silver.screened_trades", reason=["withdrawn"])
    reasons = row_counts.by_reason(settings)
    assert reasons == {None: 2, "duplicate": 1, "withdrawn": 1}
    assert row_counts.by_table(settings, reasons) == {
        "bronze.trades": 4,
        "silver.trades": 2,
        "silver.rejected_trades": 2,
    }


def test_only_the_largest_value_of_the_type_is_beyond_it(settings):
    assert row_counts.beyond_type(settings) == 0
    largest = Decimal(row_counts.LARGEST_AMOUNT)
    amounts = [largest, Decimal(row_counts.LARGEST_AMOUNT[:-1] + "8"), Decimal(1)]
    write(settings, "silver.candles_1d", quote_volume=pa.array(amounts, pa.decimal128(38, 16)))
    assert row_counts.beyond_type(settings) == 1
