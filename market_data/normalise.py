"""The columns of a source become raw trades: times, sides, ids, and what a raw trade can hold exactly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.errors import CryptoError
from lakehouse.storage.raw_trades import SCHEMA, TIME
from market_data.markets import Market

# What texts of a source's column of sides, in lower case, mean.
Sides = Mapping[str, int | None]
SIDES = pa.array(["BUY", "SELL"])
BUY, SELL = 0, 1
CODES = {"buy": BUY, "sell": SELL}
TAKER = {"buy": BUY, "b": BUY, "buy_estimated": BUY, "sell": SELL, "s": SELL, "sell_estimated": SELL}
MAKER = {name: 1 - side for name, side in TAKER.items()}
# The sign of the amount is the side: a negative one was sold.
SIGN: Sides = {"-": SELL, "+": BUY}
# The other one of two texts, so that one of them says all.
OPPOSITE = {"true": "false", "1": "0", "t": "f", "yes": "no", "y": "n", "buy": "sell", "+": "-"}
OPPOSITE |= {other: one for one, other in OPPOSITE.items()}
# How sources write that a trade has no side, or no id. Gemini's auctions have no taker.
NO_SIDE = {"", "unknown", "none", "null", "nan", "n/a", "-", "auction", "block", "no_aggressor"}
NO_ID = pa.array(["", "none", "null", "nan", "n/a", "-"])
# An id as a spreadsheet shortens it.
SHORTENED = r"^[0-9]([.,][0-9]+)?[eE]\+[0-9]+$"

# Texts that repeat are dictionaries while they are written.
TEXT = pa.dictionary(pa.int32(), pa.string())
REPEATED = ["symbol", "trade_type", "exchange"]
WRITTEN = pa.schema([column.with_type(TEXT) if column.name in REPEATED else column for column in SCHEMA])

# Numbers below these are seconds, milliseconds and microseconds; larger ones are nanoseconds. Each limit lies between
# the year 1973 of the smaller unit and the year 5138 of the larger.
UNITS = ((1e11, 1_000_000, "in seconds"), (1e14, 1_000, "in milliseconds"), (1e17, 1, "in microseconds"))
# Microseconds.
SECOND = 1_000_000

ID_DIGITS, PLACE_DIGITS = 20, 6
# How far back times may step, in seconds, before a second could come again with places that were given.
REMEMBERED = 7_200

PRICE_DECIMALS, MOST_VOLUME = 8, 1e10
# A double's own error after a multiplication, relative.
ROUNDING = 2.0**-50

NAMED = ("id", "price", "volume", "side", "timestamp", "exchange", "market")


@dataclass(frozen=True)
class Columns:
    """Which columns of a source hold what; ``sides`` maps the texts of its column of sides to the taker's side.

    ``day`` is that of trades whose times are milliseconds since midnight. Prices and volumes with a ``fixed_point`` are
    whole numbers of 1e-9, in 16 bytes of 1e-16.
    """

    price: str
    volume: str
    timestamp: str
    id: str | None = None
    side: str | None = None
    sides: Sides = field(default_factory=lambda: TAKER)
    exchange: str | None = None
    market: str | None = None
    day: date | None = None
    fixed_point: bool = False

    def map(self, title: Callable[[str], str]) -> Columns:
        """Return the same with other names of the columns."""
        named: dict[str, Any] = {name: title(column) for name in NAMED if (column := getattr(self, name))}
        return replace(self, **named)

    @property
    def names(self) -> list[str]:
        """The columns to read."""
        return list(dict.fromkeys(column for name in NAMED if (column := getattr(self, name))))


def trades(raw: pa.RecordBatch, columns: Columns, where: str) -> pa.RecordBatch:
    """Return a source's rows with the columns id, price, volume, trade_type and timestamp, in their order.

    Ids have one spelling, null where the source has none. Where ``columns`` name them, exchange and market are columns
    too. Raise CryptoError for a missing time and for sides of an unknown meaning, pyarrow.ArrowInvalid for what is no
    number or time.
    """
    times = raw.column(columns.timestamp)
    timestamp = _since_midnight(times, columns.day) if columns.day else microseconds(times)
    if timestamp.null_count:
        raise CryptoError(f"{where} has trades without a time; correct it.")
    volume = _double(raw.column(columns.volume), fixed_point=columns.fixed_point)
    if columns.sides is SIGN:
        amounts = _floats(volume)
        codes = pa.array(np.where(amounts < 0, SELL, BUY).astype(np.int32), mask=~(np.abs(amounts) > 0))
        side, volume = pa.DictionaryArray.from_arrays(codes, SIDES), pc.abs(volume)
    else:
        sides = raw.column(columns.side) if columns.side else pa.nulls(raw.num_rows)
        side = taker_side(sides, columns.sides, where)
    found = {
        "id": clean_ids(raw.column(columns.id)) if columns.id else pa.nulls(raw.num_rows),
        "price": _double(raw.column(columns.price), fixed_point=columns.fixed_point),
        "volume": volume,
        "trade_type": side,
        "timestamp": timestamp,
    }
    for name in ("exchange", "market"):
        if column := getattr(columns, name):
            found[name] = raw.column(column).cast(pa.string())
    return pa.record_batch(found)


def raw_trades(market: Market, ids: TradeIds, batch: pa.RecordBatch) -> pa.Table:
    """Return the trades of a market, each with a side, with the schema WRITTEN.

    Raise CryptoError for a price finer than 1e-8 or a volume of 1e10 or more: screening rounds to decimal(18,8), so it
    could not keep them.
    """
    price, volume = batch.column("price"), batch.column("volume")
    if market.per > 1:
        price = pa.array(np.round(_floats(price) * market.per, PRICE_DECIMALS))
        volume = pa.array(_floats(volume) / market.per)
    _check_limits(market, _floats(price), _floats(volume))
    rows, times, side = batch.num_rows, batch.column("timestamp").cast(TIME), batch.column("trade_type")
    columns = [
        ids.of(batch.column("id"), times),
        _repeat(market.symbol, rows),
        price.cast(pa.float64()),
        volume.cast(pa.float64()),
        (side if pa.types.is_dictionary(side.type) else side.dictionary_encode()).cast(TEXT),
        _repeat(market.exchange, rows),
        times,
        pa.nulls(rows, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=WRITTEN)


# --- times -----------------------------------------------------------------------------------------------------------


def microseconds(values: pa.Array) -> pa.Array:
    """Return times with the type TIME. Numbers have the unit that their size tells; text without a zone is in UTC.

    Raise pyarrow.ArrowInvalid for text that is no time.
    """
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp(values.type.unit, values.type.tz or "UTC")).cast(TIME, safe=False)
    if pa.types.is_date(values.type):
        return values.cast(pa.timestamp("us")).cast(TIME)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return _time_of_text(values)
    if pa.types.is_decimal(values.type):
        return _time_of_text(values.cast(pa.string()))
    missing = values.is_null(nan_is_null=True)
    if pa.types.is_integer(values.type):
        values = values.cast(pa.int64())
    numbers = pc.if_else(missing, pa.scalar(0, values.type), values).to_numpy(zero_copy_only=False)
    return pc.if_else(missing, None, _time_of_numbers(numbers)).cast(TIME)


def _since_midnight(values: pa.Array, day: date) -> pa.Array:
    start = (day - date(1970, 1, 1)).days * 86_400 * SECOND
    return pc.add(pc.multiply(values.cast(pa.float64()), 1_000), start).cast(pa.int64(), safe=False).cast(TIME)


def time_unit(values: pa.Array) -> str:
    """Return how times are written, in words for the user."""
    if pa.types.is_temporal(values.type):
        return "as such"
    try:
        first = float(values[0].as_py() if len(values) else 0)
    except ValueError:
        return "as text"
    return next((name for limit, _, name in UNITS if first < limit), "in nanoseconds")


def _time_of_numbers(numbers: np.ndarray) -> pa.Array:
    smallest, largest = numbers.min(initial=numbers.max(initial=0)), numbers.max(initial=0)
    for limit, factor, _ in UNITS:
        # One file has one unit, as a rule.
        if largest < limit and (limit == UNITS[0][0] or smallest >= limit / 1_000):
            return pa.array(_scale(numbers, factor))
    choices = [_scale(numbers, factor) for _, factor, _ in UNITS]
    conditions = [numbers < limit for limit, _, _ in UNITS]
    return pa.array(np.select(conditions, choices, numbers.astype(np.int64) // 1_000))


def _scale(numbers: np.ndarray, factor: int) -> np.ndarray:
    if np.issubdtype(numbers.dtype, np.integer):
        return numbers * factor
    # A double holds seconds since 1970 to a quarter of a microsecond.
    return np.rint(numbers * factor).astype(np.int64)


def _time_of_text(values: pa.Array) -> pa.Array:
    text = pc.utf8_trim_whitespace(values)
    if pc.all(pc.match_substring_regex(text, r"^[0-9]+$")).as_py():
        return microseconds(text.cast(pa.int64()))
    if pc.all(pc.match_substring_regex(text, r"^[0-9]{1,10}\.[0-9]+$")).as_py():
        # Seconds: their digits beyond microseconds are cut off, and a double would round them.
        parts = pc.split_pattern(text, ".")
        digits = pc.utf8_slice_codeunits(pc.utf8_rpad(pc.list_element(parts, 1), 6, "0"), 0, 6)
        whole, fraction = pc.list_element(parts, 0).cast(pa.int64()), digits.cast(pa.int64())
        return pc.add(pc.multiply(whole, SECOND), fraction).cast(TIME)
    if pc.all(pc.match_substring_regex(text, r"^[0-9]+(\.[0-9]+)?$")).as_py():
        return microseconds(text.cast(pa.float64()))
    # BitMEX writes a D between the day and the time.
    text = pc.replace_substring_regex(text, r" ?UTC$", "Z")
    text = pc.replace_substring_regex(text, r"^(\d{4}-\d\d-\d\d)D", r"\1T")
    has_zone = pc.match_substring_regex(text, r"(Z|[+-]\d\d:?\d\d)$")
    text = pc.if_else(has_zone, text, pc.binary_join_element_wise(text, "Z", ""))
    try:
        return text.cast(pa.timestamp("ns", "UTC")).cast(TIME, safe=False)
    except pa.ArrowInvalid as error:
        wrong = re.search(r"'(.*?)'", str(error))
        raise pa.ArrowInvalid(
            f"{wrong[1].removesuffix('Z') if wrong else 'some text'} is no time that is known here; write times as "
            "2024-01-05 12:00:00, in UTC"
        ) from error


# --- sides -----------------------------------------------------------------------------------------------------------


def parse_sides(text: str) -> Sides:
    """Return what ``buy=2,sell=1``, ``sell=true`` or ``sign`` says of sides, TAKER for an empty text.

    Several texts of one meaning have a | between them; ``none`` are those of no side. Raise CryptoError if it says
    nothing.
    """
    if text in ("", "sign"):
        return SIGN if text else TAKER
    pairs = [pair.partition("=") for pair in text.lower().replace(" ", "").split(",")]
    said = [(name, value) for name, _, values in pairs for value in values.split("|")]
    if len(said) == 1:
        said.append((OPPOSITE.get(said[0][0], ""), OPPOSITE.get(said[0][1], "")))
    found = {value: CODES.get(name) for name, value in said}
    if not {name for name, _ in said} <= {*CODES, "none"} or {BUY, SELL} - set(found.values()) or "" in found:
        raise CryptoError(
            f"--sides has {text!r}; write what the taker's purchases and sales are called, such as buy=2,sell=1 or "
            "sell=true, or sign if a negative amount is a sale."
        )
    return found


def taker_side(values: pa.Array, sides: Sides, where: str = "A source") -> pa.DictionaryArray:
    """Return the taker's side of each trade, a dictionary array of SIDES; null where the source gives none.

    Raise CryptoError for texts that ``sides`` don't have and that don't say that there is none.
    """
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    texts = [re.sub(r"\.0+$", "", str(name).strip().lower()) for name in coded.dictionary.to_pylist()]
    if any(text not in sides and text not in NO_SIDE for text in texts):
        written = sorted({text for text in texts if text not in NO_SIDE}, reverse=True)
        sale = written[1] if len(written) > 1 else "..."
        raise CryptoError(
            f"{where} has sides that it writes in its own way ({', '.join(written[:4])}); say which is the taker's "
            f"purchase and which the sale, as in --sides buy={written[0]},sell={sale} or the other way round."
        )
    codes = pa.array([sides.get(text) for text in texts], pa.int32()).take(coded.indices)
    return pa.DictionaryArray.from_arrays(codes, SIDES)


class TickRule:
    """Estimates sides: a trade above the price before it was bought, one below was sold, an equal one as the last."""

    def __init__(self) -> None:
        self._price, self._side = np.nan, BUY
        self.estimated = 0

    def fill(self, sides: pa.Array, prices: pa.Array) -> pa.Array:
        """Return sides with an estimate where they are null; batches must come in order of time."""
        price = prices.to_numpy(zero_copy_only=False)
        moves = np.sign(np.diff(price, prepend=self._price))
        # Where the last move was, so that trades at an equal price take its side.
        last = np.maximum.accumulate(np.where(np.nan_to_num(moves) != 0, np.arange(len(moves)), -1))
        side = np.where(last >= 0, np.where(moves[last] > 0, BUY, SELL), self._side)
        if len(price):
            self._price, self._side = price[-1], int(side[-1])
        self.estimated += sides.null_count
        return pa.DictionaryArray.from_arrays(pc.coalesce(sides.indices, pa.array(side.astype(np.int32))), SIDES)


def with_sides(batch: pa.RecordBatch, rule: TickRule | None, where: str) -> pa.RecordBatch:
    """Return trades that all have a side: the source's own, or the rule's; raise CryptoError if one has none."""
    side = batch.column("trade_type")
    if rule:
        side = rule.fill(side, batch.column("price"))
    elif side.null_count:
        raise CryptoError(
            f"{where} has trades without a side (who took the price: buyer or seller); `--side tick-rule` estimates it "
            "from the price before, for these trades only."
        )
    return with_column(batch, "trade_type", side)


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """Return a batch with other values in one of its columns."""
    return batch.set_column(batch.schema.get_field_index(name), name, values)


# --- ids -------------------------------------------------------------------------------------------------------------


def clean_ids(ids: pa.Array) -> pa.Array:
    """Return ids in one spelling, without spaces and decimal points; null for what means that there is none."""
    if pa.types.is_floating(ids.type):
        ids = pc.if_else(pc.is_finite(ids), ids, None)
        is_whole = pc.all(pc.equal(pc.floor(ids), ids)).as_py()
        return ids.cast(pa.int64() if is_whole else pa.string(), safe=False)
    if pa.types.is_null(ids.type) or pa.types.is_integer(ids.type):
        return ids
    text = ids.cast(pa.string())
    if pc.all(pc.utf8_is_decimal(text)).as_py() and not text.null_count:
        return text
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(text), r"^([0-9]+)[.]0*$", r"\1")
    return pc.if_else(pc.is_in(pc.utf8_lower(text), NO_ID), None, text)


def count_shared_ids(rows: pa.Table) -> tuple[int, int]:
    """Return how many trades repeat another to the letter, and how many have the id of a different one."""
    distinct = rows.group_by(rows.column_names).aggregate([]).num_rows
    ids = pc.count_distinct(rows[rows.column_names[0]]).as_py()
    return rows.num_rows - distinct, distinct - ids


class TradeIds:
    """Gives the trades of one market their ids, ``<exchange>:<market>:<id>``, batch by batch.

    An exchange's own ids are unique only within a market. Numbers are padded with zeros, because models order ids by
    their bytes. A source without ids gets the second of the trade and the place within it, in the order of the source.
    """

    def __init__(self, market: Market) -> None:
        self._prefix = f"{market.exchange}:{market.name}"
        # How many trades each of the last seconds has had; only without ids.
        self._counts: dict[int, int] = {}

    def of(self, ids: pa.Array, times: pa.Array) -> pa.Array:
        """Return the ids of a batch: from the source's own ``ids`` (numbers or text), or from ``times`` if null."""
        if pa.types.is_null(ids.type):
            return self._join(*self._places(times))
        if ids.null_count:
            raise CryptoError(
                f"{self._prefix} has trades without an id among others; leave these out, or number all by second and "
                "place with --without-ids."
            )
        text = ids.cast(pa.string())
        return self._join(pc.if_else(pc.utf8_is_decimal(text), pad_ids(text), text))

    def _join(self, *parts: pa.Array) -> pa.Array:
        name = parts[0] if len(parts) == 1 else pc.binary_join_element_wise(*parts, "-")
        return pc.binary_join_element_wise(self._prefix, name, ":")

    def _places(self, times: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Return the second of each trade and its place within it, from 0, in the order in which trades come."""
        seconds = times.cast(pa.int64()).to_numpy() // SECOND
        order = np.argsort(seconds, kind="stable")
        found, starts, counts = np.unique(seconds[order], return_index=True, return_counts=True)
        before = [self._counts.get(second, 0) for second in found.tolist()]
        places = np.empty(len(seconds), np.int64)
        places[order] = np.arange(len(seconds)) - np.repeat(starts - before, counts)
        self._counts |= dict(zip(found.tolist(), (counts + before).tolist(), strict=True))
        oldest = max(self._counts, default=0) - REMEMBERED
        self._counts = {second: count for second, count in self._counts.items() if second >= oldest}
        return pad_ids(pa.array(seconds)), pad_ids(pa.array(places), PLACE_DIGITS)


def pad_ids(values: pa.Array, digits: int = ID_DIGITS) -> pa.Array:
    """Return ids as text in which numbers are ordered by their value."""
    return pc.utf8_lpad(values.cast(pa.string()), digits, "0")


# --- prices and volumes ----------------------------------------------------------------------------------------------


def _double(values: pa.Array, *, fixed_point: bool = False) -> pa.Array:
    if fixed_point and (pa.types.is_integer(values.type) or pa.types.is_fixed_size_binary(values.type)):
        wide = pa.types.is_fixed_size_binary(values.type) and values.type.byte_width == 16
        kind = pa.decimal128(38, 16) if wide else pa.decimal64(18, 9)
        values = pa.Array.from_buffers(kind, len(values), values.buffers(), offset=values.offset)
    # From decimals by their text: pyarrow's own cast can be wrong in the last digit.
    return (values.cast(pa.string()) if pa.types.is_decimal(values.type) else values).cast(pa.float64())


def count_odd(batch: pa.RecordBatch) -> Counter[str]:
    """Return how many trades have a price or a volume that can't be, by what is odd."""
    price, volume = (_floats(batch.column(name)) for name in ("price", "volume"))
    missing = batch.column("volume").is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
    odd = {
        "a price that is zero, negative or no number": ~((price > 0) & np.isfinite(price)),
        "a volume that is zero, negative or infinite": ~((volume > 0) & np.isfinite(volume)) & ~missing,
        "no volume": missing,
    }
    return Counter({what: int(found.sum()) for what, found in odd.items() if found.any()})


def _floats(values: pa.Array) -> np.ndarray:
    return values.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)


def _check_limits(market: Market, price: np.ndarray, volume: np.ndarray) -> None:
    price, volume = price[np.isfinite(price)], volume[np.isfinite(volume)]
    scaled = price * 10**PRICE_DECIMALS
    finer = price[np.abs(scaled - np.rint(scaled)) > np.abs(scaled) * ROUNDING]
    large = volume[volume >= MOST_VOLUME]
    if len(finer):
        what = f"a price of {finer[0]:.12g}, finer than the 8 decimals that candles keep"
    elif len(large):
        what = f"a volume of {large[0]:.12g}, more than the 10 digits before the point that candles keep"
    else:
        return
    larger = replace(market, per=market.per * 1000)
    raise CryptoError(
        f"{market} has {what}; count it in larger units with --per {larger.per}, which makes the symbol "
        f"{larger.symbol}."
    )


def _repeat(text: str, rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))
