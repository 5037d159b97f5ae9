"""Layouts of trades, declared in formats.toml, by which `detection` knows a file whatever it is packed in."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from market_data import normalise
from market_data.normalise import Columns
from market_data.tables import Table, text_columns
from market_data.trade_files import SINGLE, NotTrades, TradeFile

# What patterns of rows have for single values.
NUMBER = r"-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
VALUES = {"<w>": r"\d+", "<n>": NUMBER, "<i>": f" *(?:{NUMBER})?", "<t>": "(?i:true|false)", "<s>": "(?i:buy|sell)"}
# Names of markets that are those of contracts whatever the exchange, and what says so of a file or above its rows.
CONTRACT_NAME = re.compile(
    r"[A-Z0-9]+[-_]?(USD[TC]?|BTC|ETH|EUR)[-_]SWAP|[A-Z0-9]{2,}[-_](PERP|PERPETUAL|[UDC]MCBL)|[A-Z0-9]+/[A-Z]+:[A-Z]+"
    r"|[A-Z0-9]{2,}-USD[TC]?-\d\d(0[1-9]|1[0-2])[0-3]\d"
)
CONTRACT_PLACE = re.compile(
    rf"/(futures|option|swap)/|/(?i:{CONTRACT_NAME.pattern})(?![A-Za-z0-9])[^/]*(\n|$)"
    r"|\ncategory=(linear|inverse|option)|\ninstType=(SWAP|FUTURES|OPTION)"
)
A_CONTRACT = "trades of contracts (futures, swaps, options), not of a spot market; leave it out"


@dataclass(frozen=True)
class Format:
    """A layout of trades.

    formats.toml says what its parts mean. A ``row``, ``place`` and ``refusal`` that is empty is none.
    """

    columns: Columns
    what: str = ""
    exchange: str | None = None
    kind: str = SINGLE
    kinds: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    row: str = ""
    place: str = ""
    refusal: str = ""
    left_out: str | None = None
    whole: tuple[str, ...] = ()
    contract_exchanges: tuple[str, ...] = ()
    since_midnight: bool = False
    json: bool = False
    api: bool = False
    source: str = ""

    def fits(self, table: Table) -> bool:
        """Return whether a table has this layout."""
        if (self.json and not table.is_answer) or not re.search(self.place, table.place):
            return False
        if not table.has_titles:
            return bool(self.row and re.fullmatch(self.row, ",".join(table.first)))
        known = {name: table.title(name) for name in (*self.columns.names, *self.needs, *self.values)}
        return (
            not self.row
            and all(known.values())
            and all(re.fullmatch(pattern, table.value(name)) for name, pattern in self.values.items())
        )

    def named(self, table: Table) -> dict[str, str]:
        """Return what a table's place says: of exchange, folder (one that may be an exchange's) and market."""
        found = re.search(self.place, table.place)
        groups = {name: text for name, text in (found.groupdict() if found else {}).items() if text}
        if "quote" in groups:
            # Bitcoincharts has bitcoin only.
            groups["market"] = f"{groups.get('base', 'BTC')}/{groups['quote']}"
        return groups

    def trade_file(self, table: Table, exchange: str | None, market: str | None) -> TradeFile:
        """Return a table of this layout as a file of trades; raise NotTrades if it is none of spot markets."""
        if self.refusal:
            raise NotTrades(f"{table.file.where} holds {self.refusal}.")
        columns = self.columns.map(lambda name: table.title(name) or name)
        if self.since_midnight:
            columns = replace(columns, day=_day_in(table))
        left_out = table.title(self.left_out) if self.left_out else None
        whole = {table.title(name) for name in self.whole if re.fullmatch(VALUES["<w>"], table.value(name))}
        types = column_types(columns) | dict.fromkeys(filter(None, whole), pa.int64())
        types |= {left_out: pa.string()} if left_out else {}
        return TradeFile(
            *(self.what, table.file, self.kind, exchange, market, columns),
            lambda: table.read(types),
            is_page=table.is_answer,
            contract_exchanges=self.contract_exchanges,
            kinds=self.kinds,
            left_out=left_out,
        )

    def trades(self, rows: list[Any], where: str) -> pa.RecordBatch:
        """Return rows of JSON as `normalise.trades` does."""
        kept = [row for row in rows if not (self.left_out and row.get(self.left_out))]
        return normalise.trades(text_columns(kept, self.columns.names, where), self.columns, where)

    def moments(self, rows: list[Any]) -> list[int]:
        """Return the time of each row of JSON in microseconds since 1970."""
        name = self.columns.timestamp
        return normalise.microseconds(text_columns(rows, [name], "An answer")[name]).cast(pa.int64()).to_pylist()


def _load(declared: dict[str, Any]) -> Format:
    row = declared.pop("row", "")
    for short, pattern in VALUES.items():
        row = row.replace(short, pattern)
    columns = Columns(
        **declared.pop("columns"),
        sides=normalise.parse_sides(declared.pop("sides", "")),
        fixed_point=declared.pop("fixed_point", False),
    )
    return Format(columns, row=row, **declared)


# Of two layouts that fit, the one with more columns counts.
FORMATS = sorted(
    map(_load, tomllib.loads(Path(__file__).with_name("formats.toml").read_text())["format"]),
    key=lambda one: -len({*one.columns.names, *one.needs}),
)


def answer_of(exchange: str) -> Format:
    """Return the layout that the API of one of our exchanges gives."""
    return next(one for one in FORMATS if one.api and one.exchange == exchange)


def column_types(columns: Columns) -> dict[str, pa.DataType]:
    """Return how columns are read where a file has text only."""
    return dict.fromkeys(columns.names, pa.string()) | dict.fromkeys((columns.price, columns.volume), pa.float64())


def _day_in(table: Table) -> date:
    if not (found := re.search(r"\d{4}-?\d\d-?\d\d", table.file.name)):
        raise NotTrades(f"{table.file.where} has times since midnight, but no day in its name; give it its name back.")
    return date.fromisoformat(found[0])
