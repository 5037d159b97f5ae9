"""Exchanges' APIs as sources, asked by a program with CCXT; pages are kept on disk until their day is whole.

A day's pages are lines of a file, each with the cursor of the next page, so that a killed command goes on at the page
that it did not finish. A day is written once its last page has come, sorted and without what came twice.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from subprocess import Popen
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import sides, writer
from market_data.fetch import archives, ccxt_environment, records
from market_data.fetch.source import DAY, Estimate, Landing, Part, Wanted, microseconds, today
from market_data.markets import Market
from market_data.writer import DayFile

EXCHANGES = ("Binance", "Kraken", "Coinbase", "Bitstamp", "Gemini")
# Gives the last 24 hours only.
RECENT_ONLY = "Bitstamp"
# Bytes of a trade in a page.
BYTES_PER_ROW = 110
BATCH_ROWS = 100_000
# A trade of a page, as the program gives it.
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "timestamp": writer.TIME,
        "price": pa.float64(),
        "volume": pa.float64(),
        "trade_type": pa.string(),
    }
)

Row = list[Any]


class Api:
    """The APIs as a source. Its program is started when it is first asked something, and ends with the block."""

    name, unit = "the exchange's API", "trades"

    def __init__(self, settings: Settings, wanted: Wanted, say: Callable[[str], None]) -> None:
        self.settings, self.wanted, self.say = settings, wanted, say
        self._program: Popen[str] | None = None

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            self._program.kill()
            self._program.communicate()

    def plan(self, market: Market, days: list[date], say: Callable[[str], None]) -> list[Part]:
        """Return one part a day; of an exchange that gives recent trades only, the days that they are of."""
        self.name = f"{market.exchange}'s API"
        if market.exchange != RECENT_ONLY:
            return [Part(market, (day,)) for day in days]
        older = [day for day in days if day < today() - DAY]
        if older:
            say(f"{self.name} gives the last 24 hours only, nothing of {archives.listed(older)}.")
        # One answer has trades of both days, and those of today can't be had again tomorrow.
        return [Part(market, (day,)) for day in (today() - DAY, today())]

    def estimate(self, parts: list[Part]) -> Estimate:
        """Ask the exchange for a few pages of each market, and return an estimate from them."""
        rows, seconds = 0, 0.0
        for market in dict.fromkeys(part.market for part in parts):
            days = [part.days[0] for part in parts if part.market == market]
            start, end = microseconds(days[0]), min(microseconds(days[-1] + DAY), _now())
            for answer in self._ask({"ask": "estimate", "start": start, "end": end}, market):
                share = len(days) / ((days[-1] - days[0]).days + 1)
                rows += round(answer["rows"] * share)
                seconds += answer["seconds"] * share
        return Estimate(rows, rows * BYTES_PER_ROW, seconds, "as fast as the exchange allows")

    def get(self, part: Part, advance: Callable[[int], None]) -> Iterator[DayFile]:
        """Get the pages of a day that are missing, and write the day if it is whole or the user wants what there is."""
        market, day = part.market, part.days[0]
        is_over, is_recent_only = day < today(), market.exchange == RECENT_ONLY
        start, end = microseconds(day), microseconds(day + DAY)
        # Pages of a day that is not over are of no use later, but for what could not be had again.
        is_kept = is_over or is_recent_only
        pages = _Pages(records.folder(self.settings, market) / f"{day}{'' if is_kept else '.today'}.pages")
        if not is_kept:
            pages.forget()
        advance(pages.rows)
        if is_recent_only or not pages.is_whole:
            request = {"ask": "trades", "start": start, "end": end, "cursor": pages.cursor}
            for page in self._ask(request, market):
                pages.add(page)
                advance(len(page["trades"]))
            if not is_recent_only:
                pages.finish()
        if is_recent_only and is_over and not pages.covers(start, end):
            since = pages.since(end)
            there = f"trades came since {_clock(max(since, start))} UTC" if since else "no trade of it came in time"
            self.say(
                f"{market.exchange} {market.name}: {day} is not whole, {there}; run this at least twice a day, what "
                "comes is kept until its day is whole."
            )
            return
        if not is_over and not self.wanted.with_today:
            return
        kind = writer.AGGREGATED if market.exchange == "Binance" else writer.TRADES
        trades = _in_order(market, day, _table(pages.trades()), self.wanted.without_ids)
        landing = Landing(self.settings, self.wanted, market)
        yield from landing.write((day,), kind, _batches(trades), are_over=is_over)
        if is_over or not is_kept:
            pages.forget()

    def _ask(self, request: dict[str, Any], market: Market) -> Iterator[dict[str, Any]]:
        """Yield the program's answers to a request; raise CryptoError with its sentence if it has none."""
        program = self._started()
        mirror = self.settings.exchange_mirror
        # The limit is for the exchange's sake; a mirror on this machine needs none.
        is_local = bool(mirror) and urlsplit(str(mirror)).hostname in ("127.0.0.1", "localhost", "::1")
        names = {"exchange": market.exchange, "market": market.name, "base": market.base, "quote": market.quote}
        text = json.dumps(request | names | {"mirror": mirror, "rate_limit": 0 if is_local else None})
        assert program.stdin and program.stdout
        try:
            program.stdin.write(f"{text}\n")
            program.stdin.flush()
        except OSError as error:
            raise self._ended() from error
        for line in program.stdout:
            answer = json.loads(line)
            if answer.get("done"):
                return
            if "error" in answer:
                raise CryptoError(answer["error"])
            yield answer
        raise self._ended()

    def _started(self) -> Popen[str]:
        if self._program is None:
            self._program = ccxt_environment.start(ccxt_environment.fetch(self.settings.project, self.say))
        return self._program

    def _ended(self) -> CryptoError:
        assert self._program
        _, said = self._program.communicate()
        last = (said or "").strip().splitlines()[-1:] or ["it said nothing"]
        return CryptoError(f"The program that asks exchanges ended ({last[0][:200]}); run the same command again.")


class _Pages:
    """The pages of one day that have come, in a file; a line that was cut off by a kill is left out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor: int | str | None = None
        self.rows = 0
        self.is_whole = False
        self.spans: list[tuple[int, int]] = []
        end = 0
        for line, page in self._read():
            end += len(line)
            self._take(page)
        if path.exists() and path.stat().st_size > end:
            os.truncate(path, end)

    def since(self, end: int) -> int | None:
        """Return the time from which on all trades until ``end`` have come; None if some before it are missing."""
        since = end
        for first, last in sorted(self.spans, key=lambda span: span[1], reverse=True):
            if last < since:
                break
            since = min(since, first)
        return since if since < end else None

    def covers(self, start: int, end: int) -> bool:
        """Return whether all trades of a span of time have come."""
        since = self.since(end)
        return since is not None and since <= start

    def add(self, page: dict[str, Any]) -> None:
        """Keep a page."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(page) + "\n")
        self._take(page)

    def finish(self) -> None:
        """Note that there are no more pages."""
        self.add({"trades": [], "cursor": self.cursor, "is_last": True})

    def forget(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        self.cursor, self.rows, self.is_whole, self.spans = None, 0, False, []

    def trades(self) -> Iterator[list[Row]]:
        """Yield the trades of each page, as they came."""
        for _, page in self._read():
            yield page["trades"]

    def _take(self, page: dict[str, Any]) -> None:
        self.cursor, self.is_whole = page["cursor"], page.get("is_last", False)
        self.rows += len(page["trades"])
        if page.get("covers"):
            self.spans.append((page["covers"][0], page["covers"][1]))

    def _read(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                yield line, json.loads(line)


def _in_order(market: Market, day: date, trades: pa.Table, without_ids: bool) -> pa.Table:
    """Return a day's trades in the exchange's order, each once; raise CryptoError if an id is that of two trades."""
    # Ids that are numbers are ordered by their value.
    trades = trades.append_column("digits", pc.utf8_length(trades["id"]))
    by_id, by_rest = ["digits", "id"], ["timestamp", "price", "volume", "trade_type"]
    names = ["timestamp", *by_id, *by_rest[1:]] if without_ids else [*by_id, *by_rest]
    ordered = trades.sort_by([(name, "ascending") for name in names])
    same_id = _repeats(ordered, ["id"])
    same = _repeats(ordered, ["id", *by_rest])
    moments = ordered["timestamp"].cast(pa.int64()).to_numpy()
    steps_back = np.maximum.accumulate(moments) - moments if len(moments) else moments
    if not without_ids and ((same_id & ~same).any() or (steps_back > writer.STEP_BACK).any()):
        raise records.restarted(market, day)
    return ordered.filter(pa.array(~same)).drop_columns(["digits"])


def _repeats(trades: pa.Table, names: list[str]) -> np.ndarray:
    """Return of each trade whether it equals the one before it in some columns."""
    repeats = np.ones(trades.num_rows, bool)
    repeats[:1] = False
    for name in names if trades.num_rows > 1 else ():
        column = trades[name].combine_chunks()
        repeats[1:] &= pc.equal(column[1:], column[:-1]).to_numpy(zero_copy_only=False)
    return repeats


def _table(pages: Iterable[list[Row]]) -> pa.Table:
    """Return trades of pages as a table; prices are the nearest doubles of their texts."""
    batches = []
    for rows in pages:
        if rows:
            ids, moments, prices, volumes, takers = zip(*rows, strict=True)
            columns = [ids, moments, list(map(float, prices)), list(map(float, volumes)), takers]
            batches.append(
                pa.record_batch([pa.array(one, kind.type) for one, kind in zip(columns, SCHEMA, strict=True)], SCHEMA)
            )
    return pa.Table.from_batches(batches, SCHEMA)


def _batches(trades: pa.Table) -> Iterator[pa.RecordBatch]:
    """Yield the writer's batches."""
    for batch in trades.to_batches(BATCH_ROWS):
        columns = {name: batch.column(name) for name in batch.schema.names}
        yield pa.record_batch(columns | {"trade_type": sides.taken(batch.column("trade_type"), sides.TAKER)})


def _now() -> int:
    return int(time.time() * 1_000_000)


def _clock(moment: int) -> str:
    return datetime.fromtimestamp(moment / 1_000_000).strftime("%H:%M")
