"""What Sail does with a statement that another commit overtakes: between the version it has read and its own commit."""

import threading

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.errors import PySparkException

# So many rows take a statement two seconds or more on most machines, and the other commit is made in that time; each
# further attempt has twice as many.
ROWS = 6_000_000
SLOW = "select max(id) % 1 + 1 as k, count(distinct id * 7919 % {rows} + sqrt(id)) as v from range({rows})"
OVERTAKEN = {
    "merge": "merge into {table} as t using ({slow}) as s on t.k = s.k when matched then update set v = s.v",
    "overwrite": "insert overwrite {table} select k, v from ({slow}) as s where k not in (select v from {table})",
}
READING = "insert into {table} select s.k + 1, s.v from ({slow}) as s left anti join {table} as t on s.v = t.k"


def overtake(spark, engine_settings, schema: str, statement: str) -> tuple[str, list[tuple[int, int]]]:
    """Run a statement, commit a row while it runs; return why it failed, if it did, and the rows at the end."""
    for attempt in range(5):
        slow = SLOW.format(rows=ROWS * 2**attempt)
        spark.sql(f"create or replace table {schema}.one (k bigint, v bigint) using delta")
        spark.sql(f"insert into {schema}.one values (1, 1)")
        place = engine_settings.warehouse / f"{schema}.db" / "one"
        before = DeltaTable(place).version()
        failed = []

        def run(failed=failed, slow=slow):
            try:
                spark.sql(statement.format(table=f"{schema}.one", slow=slow)).collect()
            except PySparkException as error:
                failed.append(str(error))

        running = threading.Thread(target=run)
        running.start()
        # A busy engine reads the table's version late: an append before that overtakes nothing.
        running.join(1)
        was_running = running.is_alive() and DeltaTable(place).version() == before
        write_deltalake(place, pa.table({"k": [5], "v": [5]}), mode="append")
        running.join()
        if was_running:
            rows = DeltaTable(place).to_pyarrow_table().to_pylist()
            return "".join(failed), sorted((row["k"], row["v"]) for row in rows)
    raise AssertionError("The statement was never overtaken; give it more rows.")


@pytest.mark.parametrize("name", OVERTAKEN)
def test_a_merge_and_an_overwrite_are_refused(spark, engine_settings, schema, name):
    failed, rows = overtake(spark, engine_settings, schema, OVERTAKEN[name])
    assert "Failed to commit transaction" in failed and rows == [(1, 1), (5, 5)], (failed, rows)


def test_an_insert_that_reads_the_table_is_not(spark, engine_settings, schema):
    """Spark refuses it. Once Sail does, what a killed command left running can do less harm."""
    failed, rows = overtake(spark, engine_settings, schema, READING)
    assert failed == "" and len(rows) == 3, (failed, rows)
