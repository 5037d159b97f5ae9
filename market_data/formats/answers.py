"""Answers of exchanges' REST interfaces, saved as JSON: pages of trades, which can overlap and be newest first."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from lakehouse.errors import CryptoError, first_line
from market_data import exchanges, sides
from market_data.formats import freqtrade, not_trades
from market_data.formats.found import Fields, Found, NotTrades
from market_data.markets import market, quotes
from market_data.members import Member, reading
from market_data.writer import AGGREGATED, TRADES

Row = dict[str, Any]
FIELDS = Fields("price", "volume", "timestamp", "id", "side")
MAKER_FIELDS = Fields("price", "volume", "timestamp", "id", "side", sides.MAKER)


@dataclass(frozen=True)
class Answer:
    """How one exchange writes a trade: the keys by which it is known, and its id, price, volume, side and time."""

    exchange: str
    keys: frozenset[str]
    trade: Callable[[Row], tuple[Any, Any, Any, Any, Any]]
    fields: Fields = FIELDS
    kind: str = TRADES


ANSWERS = (
    # Coinbase gives the maker's side.
    Answer(
        "Coinbase",
        frozenset({"time", "trade_id", "price", "size", "side"}),
        lambda row: (row["trade_id"], row["price"], row["size"], row["side"], row["time"]),
        MAKER_FIELDS,
    ),
    Answer(
        "Gemini",
        frozenset({"timestampms", "tid", "price", "amount", "type"}),
        lambda row: (row["tid"], row["price"], row["amount"], row["type"], row["timestampms"]),
    ),
    Answer(
        "Bitstamp",
        frozenset({"date", "tid", "price", "amount", "type"}),
        lambda row: (row["tid"], row["price"], row["amount"], ("buy", "sell")[int(row["type"])], row["date"]),
    ),
    Answer(
        "Binance",
        frozenset({"id", "price", "qty", "quoteQty", "time", "isBuyerMaker"}),
        lambda row: (row["id"], row["price"], row["qty"], ("buy", "sell")[row["isBuyerMaker"]], row["time"]),
    ),
    Answer(
        "Binance",
        frozenset({"a", "p", "q", "f", "l", "T", "m"}),
        lambda row: (row["f"], row["p"], row["q"], ("buy", "sell")[row["m"]], row["T"]),
        kind=AGGREGATED,
    ),
)
# CCXT's own shape of a trade has the market in it, and the taker's side.
CCXT = frozenset({"id", "timestamp", "datetime", "symbol", "side", "price", "amount"})


def find(member: Member) -> Found | None:
    """Return what a JSON file is; None if it is no JSON. Raise NotTrades for another answer."""
    if not member.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        return None
    try:
        return _found_in(member, _content(member))
    except (LookupError, TypeError, AttributeError) as error:
        raise CryptoError(f"{member.where} has a row that is not like the first ({first_line(error)}).") from error


def _found_in(member: Member, content: Any) -> Found:
    if isinstance(content, dict):
        if result := content.get("result"):
            return _kraken(member, result)
        if told := not_trades.told_by_names(content):
            raise NotTrades(f"{member.where} holds {told}.")
        content = content.get("trades", [])
    if not content:
        raise NotTrades(f"{member.where} holds no trades.")
    if found := freqtrade.find_rows(member, content):
        return found
    first = content[0]
    if isinstance(first, list):
        told = not_trades.A_CANDLE if len(first) >= 6 else "lists of an unknown kind, not trades"
        raise NotTrades(f"{member.where} holds {told}.")
    if not isinstance(first, dict):
        raise NotTrades(f"{member.where} holds no trades.")
    return _answer(member, content)


def _answer(member: Member, rows: list[Row]) -> Found:
    keys = rows[0].keys()
    if told := not_trades.told_by_names(keys):
        raise NotTrades(f"{member.where} holds {told}.")
    if keys >= CCXT:
        trades = [(row["id"], row["price"], row["amount"], row["side"], row["timestamp"]) for row in rows]
        symbol = str(rows[0]["symbol"])
        return _found("trades as CCXT gives them", member, TRADES, None, symbol, FIELDS, trades)
    for answer in ANSWERS:
        if keys >= answer.keys:
            # Gemini marks trades that it took back.
            trades = [answer.trade(row) for row in rows if not row.get("broken")]
            name = _market_in(member.name, answer.exchange)
            what = f"{answer.exchange}'s answer"
            return _found(what, member, answer.kind, answer.exchange, name, answer.fields, trades)
    raise NotTrades(f"{member.where} has trades of an unknown kind, with {', '.join(sorted(keys))}; make a CSV of it.")


def _kraken(member: Member, result: Row) -> Found:
    """Return what an answer of Kraken is: lists of price, volume, time, side, type, a remark and, lately, the id."""
    pair = next((name for name, value in result.items() if isinstance(value, list)), None)
    rows = result[pair] if pair else []
    if pair is None or not rows or len(rows[0]) < 6:
        raise NotTrades(f"{member.where} is an answer of Kraken without trades.")
    if len(rows[0]) < 7 or not isinstance(rows[0][3], str) or rows[0][3] not in ("b", "s"):
        raise NotTrades(f"{member.where} is an answer of Kraken without ids of trades; take Kraken's history instead.")
    trades = [(row[6], row[0], row[1], row[3], row[2]) for row in rows]
    return _found("Kraken's answer", member, TRADES, "Kraken", pair, FIELDS, trades)


def _found(
    what: str, member: Member, kind: str, exchange: str | None, name: str | None, fields: Fields, trades: list[tuple]
) -> Found:
    return Found(what, member, kind, exchange, name, fields, lambda: _read(trades), is_page=True)


def _read(trades: list[tuple]) -> Iterator[pa.RecordBatch]:
    if not trades:
        return
    ids, prices, volumes, kinds, moments = zip(*trades, strict=True)
    yield pa.record_batch(
        {
            "id": pa.array([str(one) for one in ids]),
            "price": pa.array([str(one) for one in prices]).cast(pa.float64()),
            "volume": pa.array([str(one) for one in volumes]).cast(pa.float64()),
            "side": pa.array(kinds, pa.string()),
            "timestamp": pa.array([str(one) for one in moments]),
        }
    )


def _content(member: Member) -> Any:
    """Return the content; several answers in one file, a line each, count as one list."""
    with reading(member.where), member.opens() as stream:
        text = stream.read().decode("utf-8-sig")
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            if "Extra data" not in str(error):
                raise
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [row for line in lines for row in (line if isinstance(line, list) else [line])]


def _market_in(name: str, exchange: str) -> str | None:
    """Return the part of a file's name that is a market, such as BTC-USD in ``coinbase_BTC-USD_2024``."""
    for part in (*re.split(r"[ _.]", name), *re.split(r"[^A-Za-z0-9]", name)):
        try:
            found = market(exchange, part)
        except CryptoError:
            continue
        if found.quote in quotes(exchange) and not exchanges.is_known(found.base):
            return part
    return None
