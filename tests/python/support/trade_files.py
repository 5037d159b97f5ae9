"""Raw files with everything that makes order matter elsewhere: ties, copies, copies that differ, late days, dirt."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from lakehouse.storage.raw_trades import SCHEMA

FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)
# Few ids, instants, prices and names, so that they meet each other often.
IDS = [*(f"t{number}" for number in range(30)), "T1", " t2 ", "10", "9", "é", "", None]
SYMBOLS = ["BTC", "ETH", " eth\t", "SOL", "DOGE", None]
EXCHANGES = ["Kraken", "binance", "Gemini", "Nowhere"]
PRICES = [100.0, 100.00000001, 99.5, 1e-8, 0.1 + 0.2, 4e-9, 0.0, -1.0, float("nan"), 1e11]
VOLUMES = [1.0, 0.5, 1e-8, 0.3, 12.125, 0.0, float("inf"), None]
# In seconds: edges of a minute, an hour and a day among them, and days that are sixty days apart.
MOMENTS = [0, 0.000001, 59.999999, 60, 3599.999999, 3600, 43_200, 86_399.999999, 86_400, 60 * 86_400, 61 * 86_400 + 7]

IMPOSSIBLE = [None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]


@st.composite
def rows(draw):
    """One raw row: valid more often than not."""
    moment = draw(st.sampled_from(MOMENTS))
    return {
        "trade_id": draw(st.sampled_from(IDS)),
        "symbol": draw(st.sampled_from(SYMBOLS)),
        "price": draw(st.sampled_from(PRICES[:4] * 3 + PRICES)),
        "volume": draw(st.sampled_from(VOLUMES[:4] * 3 + VOLUMES)),
        "trade_type": draw(st.sampled_from(["BUY", "SELL", "sell\n", "HOLD"])),
        "exchange": draw(st.sampled_from(EXCHANGES)),
        "timestamp": draw(st.sampled_from([*[FIRST_DAY + timedelta(seconds=moment)] * 9, *IMPOSSIBLE])),
        "user_id": draw(st.sampled_from(["u1", " ", None])),
    }


def files(max_files=5, max_rows=60):
    """Some files, each a list of rows."""
    return st.lists(st.lists(rows(), min_size=1, max_size=max_rows), min_size=2, max_size=max_files)


def write(folder: Path, name: str, given: list[dict]) -> Path:
    """Write one file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    pq.write_table(pa.Table.from_pylist(given, SCHEMA), path)
    return path
