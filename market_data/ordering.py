"""Trades in order of time: files that are out of order, in bounded memory, and pages of an API that overlap."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from market_data.normalise import TAKER, pad_ids, taker_side

# Microseconds. An exchange's order is by id, and its times may step back a little.
DAY, STEP_BACK = 86_400_000_000, 3_600_000_000
HELD_ROWS = 500_000


def in_order(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches in order of time. They stay as they are if the first is in order; later ones are taken to be so."""
    rest = iter(batches)
    first = next((batch for batch in rest if batch.num_rows), None)
    if first is None:
        return
    times = moments(first)
    newest_first = bool(times[0] > times[-1])
    if newest_first or step_back(times) > STEP_BACK:
        yield from _sort_by_day(chain([first], rest), newest_first)
    else:
        yield first
        yield from rest


def join_pages(pages: Iterable[pa.RecordBatch], *, by_id: bool) -> pa.Table:
    """Return the trades of pages, each once, by time and id or by id and time; ids that are numbers by their value.

    Trades without ids stay as they are but for their order: which of them came twice can't be told.
    """
    table = pa.Table.from_batches(pages).unify_dictionaries()
    side = table["trade_type"].cast(pa.string()).fill_null("")
    table = table.set_column(table.column_names.index("trade_type"), "trade_type", side)
    if pa.types.is_null(table["id"].type):
        names = ["timestamp"]
    else:
        table = table.append_column("digits", pc.utf8_length(table["id"]))
        first = ["digits", "id", "timestamp"] if by_id else ["timestamp", "digits", "id"]
        names = [*first, "price", "volume", "trade_type"]
    ordered = table.sort_by([(name, "ascending") for name in names])
    if "digits" in names:
        ordered = ordered.filter(pa.array(~repeats(ordered, names))).drop_columns("digits")
    side = taker_side(ordered["trade_type"].combine_chunks(), TAKER)
    return ordered.set_column(ordered.column_names.index("trade_type"), "trade_type", side)


def repeats(trades: pa.Table, names: list[str]) -> np.ndarray:
    """Return of each trade, shape (trades,), whether it equals the one before it in some columns."""
    equal = np.ones(trades.num_rows, bool)
    equal[:1] = False
    for name in names if trades.num_rows > 1 else ():
        column = trades[name].combine_chunks()
        equal[1:] &= pc.equal(column[1:], column[:-1]).fill_null(True).to_numpy(zero_copy_only=False)
    return equal


def moments(rows: pa.RecordBatch | pa.Table) -> np.ndarray:
    """Return the times of some trades in microseconds since 1970, shape (trades,)."""
    return rows.column("timestamp").cast(pa.int64()).to_numpy()


def step_back(times: np.ndarray) -> int:
    """Return by how many microseconds times step back at most."""
    return int((np.maximum.accumulate(times) - times).max(initial=0))


def _sort_by_day(batches: Iterable[pa.RecordBatch], newest_first: bool) -> Iterator[pa.RecordBatch]:
    """Yield the rows by time and id; without ids, by time and the order of the source, from its oldest end."""
    with tempfile.TemporaryDirectory(prefix="crypto-lakehouse-") as folder:
        parts = _divide(batches, Path(folder), -1 if newest_first else 1)
        for day in sorted(parts):
            rows = pa.concat_tables(_read(path) for path in parts[day])
            second = rows["place"] if pa.types.is_null(rows["id"].type) else pad_ids(rows["id"])
            keys = pa.table({"timestamp": rows["timestamp"], "second": second, "place": rows["place"]})
            order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in keys.column_names])
            yield from rows.drop_columns("place").take(order).combine_chunks().to_batches()


def _divide(batches: Iterable[pa.RecordBatch], folder: Path, step: int) -> dict[int, list[Path]]:
    """Write the rows of each day into files of their own, with their place in the source; return the files by day."""
    parts: dict[int, list[Path]] = defaultdict(list)
    held: list[pa.RecordBatch] = []
    rows = 0

    def flush() -> None:
        if not held:
            return
        table = pa.Table.from_batches(held)
        held.clear()
        days = moments(table) // DAY
        for day in np.unique(days).tolist():
            path = folder / f"{day}-{len(parts[day])}.arrow"
            chosen = table.filter(pa.array(days == day))
            with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, chosen.schema) as writer:
                writer.write_table(chosen.combine_chunks())
            parts[day].append(path)

    for batch in batches:
        place = np.arange(rows, rows + batch.num_rows) * step
        held.append(batch.append_column("place", pa.array(place)))
        rows += batch.num_rows
        if sum(one.num_rows for one in held) >= HELD_ROWS:
            flush()
    flush()
    return parts


def _read(path: Path) -> pa.Table:
    with pa.OSFile(str(path)) as source, pa.ipc.open_file(source) as file:
        return file.read_all()
