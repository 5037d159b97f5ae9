"""Trades as CCXT's ``fetch_trades`` gives them: the market is in them, the side is the taker's, the exchange is not."""

from __future__ import annotations

from market_data.exchanges.exchange import Answer, has_keys
from market_data.normalise import Columns

ANSWER = Answer(
    Columns("price", "amount", "timestamp", "id", "side"),
    has_keys("id", "timestamp", "datetime", "symbol", "side", "price", "amount"),
)
