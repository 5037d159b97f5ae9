"""`crypto verify` compares tables that have no key row by row, in the order of their values."""

import pyarrow as pa
from deltalake import write_deltalake

from commands.inspect import verify


def test_rows_of_a_table_without_a_key_are_compared(spark, engine_settings):
    place = engine_settings.home / verify.LIVE / "gold.db" / "loose"
    write_deltalake(str(place), pa.table({"symbol": ["BTC", "BTC", "ETH"], "x": [1.5, 1.5, 2.0]}))
    model = verify.Model("gold.loose", [], "")

    def compare(values, writers=frozenset()):
        rows = spark.sql(f"select cast(symbol as string) as symbol, x from values {values} as t(symbol, x)")
        return verify._compare(spark, engine_settings, model, rows, set(writers))

    assert compare("('ETH', 2d), ('BTC', 1.5d), ('BTC', 1.5d)") is None
    # As often as in the table.
    assert compare("('ETH', 2d), ('BTC', 1.5d), ('ETH', 2d)").what == "1 rows"
    assert compare("('ETH', 2d), ('BTC', 1.5d)").what == "2 rows"
    near = "('ETH', 2d), ('BTC', 1.5d), ('BTC', 1.5000000000001d)"
    assert compare(near, writers={"spark"}) is None
    assert compare(near).examples == ("row_place=2: x is 1.5, the replay gives 1.5000000000001",)
