"""Compare the tables of two lakes row for row: ``python tests/python/support/compare_homes.py HOME OTHER_HOME``.

Left out is what the clock, or a lake's own history, decides: commit times, revisions, run ids.
"""

import sys

import duckdb
import pyarrow as pa

from lakehouse import settings
from lakehouse.settings import Settings
from lakehouse.storage import lake

SCHEMAS = ("snapshots", "silver", "gold", "sync")
OWN = {
    "silver": {"revision", "ingestion_timestamp", "batch_id", "file_modified_at"},
    "gold.candle_revisions": {"revised_at", "candle_version", "batch_id"},
    "snapshots": {"dbt_scd_id", "dbt_updated_at", "dbt_valid_from", "dbt_valid_to"},
    "sync": {
        *("run_id", "invocation_id", "source_id", "source_version", "seconds", "finished_at"),
        *("rows_inserted", "rows_updated", "rows_deleted"),
    },
}


def tables(home: Settings) -> set[str]:
    """Return the names of a lake's tables."""
    return {f"{schema}.{name}" for schema in SCHEMAS for name in lake.layer(home, schema).tables()}


def rows(home: Settings, name: str) -> pa.Table:
    """Return the table's columns that two lakes must agree on."""
    schema, _ = name.split(".")
    found = lake.table(home, name)
    assert found, name
    data = found.to_pyarrow_table()
    return data.select(sorted(set(data.column_names) - OWN.get(name, set()) - OWN.get(schema, set())))


def difference(one: pa.Table, other: pa.Table) -> str:
    """Return what differs between two tables, as multisets of rows; empty if nothing does."""
    if one.column_names != other.column_names:
        return f"columns {set(one.column_names) ^ set(other.column_names)}"
    connection = duckdb.connect()
    connection.register("one", one)
    connection.register("other", other)
    only = [
        connection.sql(f"select count(*) from (from {a} except all from {b})").fetchall()[0][0]
        for a, b in (("one", "other"), ("other", "one"))
    ]
    return f"{only[0]} rows only in the first, {only[1]} only in the second" if any(only) else ""


def compare(one: Settings, other: Settings) -> dict[str, str]:
    """Return what differs, by table: nothing if the lakes are equal."""
    found = {name: "in one only" for name in tables(one) ^ tables(other)}
    for name in tables(one) & tables(other):
        found[name] = difference(rows(one, name), rows(other, name))
    return {name: what for name, what in sorted(found.items()) if what}


def main(one: str, other: str) -> int:
    """Print what differs; return 1 if anything does."""
    lakes = [settings.load({"CRYPTO_HOME": home, "CRYPTO_CONFIG": ""}) for home in (one, other)]
    differs = compare(*lakes)
    for name, what in differs.items():
        print(f"{name}: {what}")
    counts = ", ".join(f"{name} {rows(lakes[0], name).num_rows:,}" for name in sorted(tables(lakes[0])))
    print(counts if differs else f"All equal: {counts}")
    return int(bool(differs))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
