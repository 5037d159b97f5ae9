"""A landing zone and a bronze schema of a test's own, and raw files for them."""

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion import ledger

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def raw_trades(count: int = 3, **columns: pa.Array) -> pa.Table:
    good = {
        "trade_id": pa.array([f"t{number}" for number in range(count)]),
        "symbol": pa.array(["BTC"] * count),
        "price": pa.array([1.5 + number for number in range(count)]),
        "volume": pa.array([None, *[0.1] * (count - 1)][:count], pa.float64()),
        "trade_type": pa.array(["BUY"] * count),
        "exchange": pa.array(["Kraken"] * count),
        "timestamp": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
        "user_id": pa.array(["u"] * count),
    }
    return pa.table(good | columns)


@dataclass
class Bronze:
    """A landing zone, a bronze schema, and the session that fills one from the other."""

    spark: object
    settings: object
    schema: str
    warehouse: Path

    @property
    def zone(self) -> Path:
        return Path(self.settings.landing_zone)

    def write(self, path: str, table: pa.Table | None = None, **options) -> Path:
        target = self.zone / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(raw_trades() if table is None else table, target, **options)
        return target

    def ingest(self) -> ledger.IngestResult:
        return ledger.ingest(self.spark, self.settings, schema=self.schema)

    def drop(self, table: str) -> None:
        """Drop a table with its files, which an engine leaves that found them at its start."""
        self.spark.sql(f"drop table {self.schema}.{table}")
        shutil.rmtree(self.warehouse / f"{self.schema}.db" / table, ignore_errors=True)

    def rows(self, table: str) -> list[dict]:
        return self.spark.table(f"{self.schema}.{table}").toArrow().to_pylist()

    def landed(self) -> dict[str, int]:
        """Rows of each file in bronze.trades; no row is there twice, and the ledger agrees."""
        found: dict[str, list[int]] = {}
        for row in self.rows("trades"):
            found.setdefault(row["source_file"], []).append(row["source_row"])
        assert all(sorted(numbers) == [*range(len(numbers))] for numbers in found.values())
        counts = {path: len(numbers) for path, numbers in found.items()}
        entries = self.rows("landed_files")
        assert {row["source_file"]: row["row_count"] for row in entries if row["row_count"]} == counts
        assert len({row["source_file"] for row in entries}) == len(entries)
        return counts

    def commits(self) -> int:
        return len([*(self.warehouse / f"{self.schema}.db").glob("*/_delta_log/*.json")])
