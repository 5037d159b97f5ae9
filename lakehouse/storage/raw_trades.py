"""The columns of a raw trade, as they stand in the files of the landing zone and, with others, in ``bronze.trades``."""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("us", "UTC")
SCHEMA = pa.schema(
    {
        "trade_id": pa.string(),
        "symbol": pa.string(),
        "price": pa.float64(),
        "volume": pa.float64(),
        "trade_type": pa.string(),
        "exchange": pa.string(),
        "timestamp": TIME,
        "user_id": pa.string(),
    }
)
