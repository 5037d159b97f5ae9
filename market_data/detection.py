"""What a file is, told by its columns: trades of an exchange or a tool, or what is no trades and is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from lakehouse.errors import CryptoError, first_line
from market_data import exchanges
from market_data.exchanges.exchange import Answer, Exchange
from market_data.input_files import InputFile, reading
from market_data.tables import CsvFile, columnar_schema, is_columnar, plain, read_csv_head
from market_data.tools import bitcoincharts, ccxt_trades, freqtrade, own_columns, tardis
from market_data.trade_files import WITHOUT_IDS, ImportOptions, NotTrades, TradeFile

TOOLS = (bitcoincharts.find_csv, tardis.find_csv, freqtrade.find_csv)
CSV_FILES = (*(exchange.find_csv for exchange in exchanges.EXCHANGES), *TOOLS)
ANSWERS: list[tuple[Exchange | None, Answer]] = [
    (None, ccxt_trades.ANSWER),
    *((exchange, answer) for exchange in exchanges.EXCHANGES for answer in exchange.answers),
]

CANDLES = {"open", "high", "low", "close"}
BOOK = re.compile(r"bid|ask|issnapshot|orderbook|depth|level")
CONTRACTS = re.compile(r"fundingrate|openinterest|markprice|strike|liquidation")
# Rows of candles without a header: Kraken has 7 or 8 numbers, Binance 12; freqtrade 6.
CANDLE_ROW = re.compile(r"[wn]{6,12}")
A_CANDLE = "candles (open, high, low, close), of which trades can't be made; look for the source's trades"
A_BOOK = "an order book or quotes, not trades; look for the source's trades"
A_CONTRACT = "figures of contracts (futures, swaps, options), not trades of a spot market"


def detect(file: InputFile, options: ImportOptions) -> TradeFile:
    """Return what a file of trades is; raise NotTrades, by name, if it is something else.

    ``--columns`` takes the place of looking: the file is then one of the user's own.
    """
    if is_columnar(file):
        schema = columnar_schema(file)
        if not options.columns:
            if known := freqtrade.find_columnar(file, schema):
                return known
            _refuse_others(file, schema.names)
        return own_columns.find_columnar(file, schema, options)
    if not options.columns and file.head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"[", b"{")):
        return _detect_json(file)
    if file.head.lstrip().startswith(b"<"):
        raise NotTrades(
            f"{file.where} is a web page or an error message, not the file it is named after; get it again."
        )
    csv = read_csv_head(file)
    if csv is None:
        raise NotTrades(f"{file.where} is no file of trades that is known here.")
    return own_columns.find_csv(csv, options) if options.columns else _detect_csv(csv, options)


def _detect_csv(csv: CsvFile, options: ImportOptions) -> TradeFile:
    if not csv.titles and CANDLE_ROW.fullmatch(csv.shape):
        raise NotTrades(f"{csv.file.where} holds {A_CANDLE}.")
    for find in CSV_FILES:
        if found := find(csv):
            return found
    _refuse_others(csv.file, csv.titles)
    return own_columns.find_csv(csv, options)


def _refuse_others(file: InputFile, names: Iterable[str]) -> None:
    """Raise NotTrades if columns with these names are known to be no trades."""
    known = {plain(name) for name in names}
    what = None
    if known >= CANDLES or known >= {"o", "h", "l", "c"}:
        what = A_CANDLE
    elif any(CONTRACTS.search(name) for name in known):
        what = A_CONTRACT
    elif any(BOOK.search(name) for name in known):
        what = A_BOOK
    if what:
        raise NotTrades(f"{file.where} holds {what}.")


def _detect_json(file: InputFile) -> TradeFile:
    """Return what an exchange's answer, or another JSON file, is."""
    content = _load_json(file)
    if isinstance(content, dict):
        _refuse_others(file, content)
    lists = list(_lists("", content))
    if not lists:
        raise NotTrades(f"{file.where} holds no trades.")
    for name, rows in lists:
        if found := freqtrade.find_rows(file, rows) or _find_answer(file, name, rows):
            return found
    first = lists[0][1][0]
    if isinstance(first, dict):
        _refuse_others(file, first)
        keys = ", ".join(sorted(first))
        raise NotTrades(f"{file.where} has trades of an unknown kind, with {keys}; make a CSV of it.")
    if not isinstance(first, list):
        raise NotTrades(f"{file.where} holds no trades.")
    what = A_CANDLE if len(first) >= 6 else "lists of an unknown kind, not trades"
    raise NotTrades(f"{file.where} holds {what}.")


def _load_json(file: InputFile) -> Any:
    """Return the content, numbers with decimals as text; several answers in one file, a line each, are one list."""
    with reading(file.where), file.opens() as stream:
        text = stream.read().decode("utf-8-sig")
        try:
            return json.loads(text, parse_float=str)
        except json.JSONDecodeError as error:
            if "Extra data" not in str(error):
                raise
        lines = [json.loads(line, parse_float=str) for line in text.splitlines() if line.strip()]
        return [row for line in lines for row in (line if isinstance(line, list) else [line])]


def _lists(name: str, content: Any) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists that are not empty in an answer, each with the key that it stands under."""
    if isinstance(content, list) and content:
        yield name, content
    elif isinstance(content, dict):
        for key, inner in content.items():
            yield from _lists(key, inner)


def _find_answer(file: InputFile, name: str, rows: list[Any]) -> TradeFile | None:
    """Return what rows are of which the first is known; ``name`` is the key under which they stand."""
    for exchange, answer in ANSWERS:
        try:
            if not answer.is_row(rows[0]):
                continue
            batch = answer.table(rows)
        except NotTrades as error:
            raise NotTrades(f"{file.where} is {error}.") from error
        except (LookupError, TypeError, AttributeError) as error:
            raise CryptoError(f"{file.where} has a row that is not like the first ({first_line(error)}).") from error
        columns, kind = answer.columns, answer.kind
        if columns.id and batch.num_rows and batch.column(columns.id).null_count == batch.num_rows:
            columns, kind = replace(columns, id=None), WITHOUT_IDS
        what = f"{exchange.name}'s answer" if exchange else "trades as CCXT gives them"
        market = _market_in(exchange, name, file.name) if exchange else str(rows[0]["symbol"])
        read = partial(iter, [batch] if batch.num_rows else [])
        return TradeFile(what, file, kind, exchange.name if exchange else None, market, columns, read, is_page=True)
    return None


def _market_in(exchange: Exchange, *names: str) -> str | None:
    """Return the part of a key or a file's name that is a market, such as BTC-USD in ``coinbase_BTC-USD_2024``."""
    for name in names:
        for part in (*re.split(r"[ _.]", name), *re.split(r"[^A-Za-z0-9]", name)):
            try:
                found = exchange.market(part)
            except CryptoError:
                continue
            if found.quote in exchange.quotes and not exchanges.is_known(found.base):
                return part
    return None
