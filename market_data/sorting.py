"""Trades that come out of order, such as newest first, put in order of time in bounded memory: a day at a time."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Microseconds. An exchange's order is by id, and its times may step back a little.
DAY, STEP_BACK = 86_400_000_000, 3_600_000_000
HELD_ROWS = 500_000


def in_order(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield batches in order of time. They stay as they are if the first is in order; later ones are taken to be so."""
    rest = iter(batches)
    first = next((batch for batch in rest if batch.num_rows), None)
    if first is None:
        return
    moments = _moments(first)
    newest_first = bool(moments[0] > moments[-1])
    if newest_first or (np.maximum.accumulate(moments) - moments).max() > STEP_BACK:
        yield from _sorted(chain([first], rest), newest_first)
    else:
        yield first
        yield from rest


def _sorted(batches: Iterable[pa.RecordBatch], newest_first: bool) -> Iterator[pa.RecordBatch]:
    """Yield the rows by time and id; without ids, by time and the order of the source, from its oldest end."""
    with tempfile.TemporaryDirectory(prefix="crypto-lakehouse-") as folder:
        parts = _divide(batches, Path(folder), -1 if newest_first else 1)
        for day in sorted(parts):
            rows = pa.concat_tables(_read(path) for path in parts[day])
            if pa.types.is_null(rows["id"].type):
                second = rows["place"]
            else:
                second = pc.utf8_lpad(rows["id"].cast(pa.string()), 20, "0")
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
        days = _moments(table) // DAY
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


def _moments(rows: pa.RecordBatch | pa.Table) -> np.ndarray:
    return rows.column("timestamp").cast(pa.int64()).to_numpy()
