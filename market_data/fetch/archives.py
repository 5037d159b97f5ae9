"""Files of archives: downloaded into the data home, read by the readers of `crypto import`, removed when landed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data import formats, writer
from market_data.fetch import download
from market_data.fetch.source import DAY, Estimate, Landing, Part, Wanted
from market_data.members import members
from market_data.writer import DayFile

# What an estimate assumes of a line, in bytes a second; the progress bar knows better soon.
SPEED = 5_000_000


def landed(
    settings: Settings,
    wanted: Wanted,
    part: Part,
    path: Path,
    advance: Callable[[int], None],
    sha256: Callable[[], str] | None = None,
) -> Iterator[DayFile]:
    """Download a file unless it is there from an earlier call, and write its days."""
    if path.exists():
        advance(path.stat().st_size)
    else:
        download.fetch(part.url, path, advance, sha256)
    try:
        kind, batches = _read(path)
        yield from Landing(settings, wanted, part.market).write(part.days, kind, batches)
    except CryptoError as error:
        # A broken file is fetched anew by the next call; one whose trades are refused is kept.
        if error.__cause__:
            path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[str, Iterator[pa.RecordBatch]]:
    """Return what kind of trades a file holds, and the trades; a file without content is a day without trades."""
    refused: list[str] = []
    found = list(members([path], refused.append))
    if refused or len(found) != 1:
        path.unlink()
        raise CryptoError(refused[0] if refused else f"{path.name} holds {len(found)} files where one is expected.")
    if not found[0].head:
        return writer.TRADES, iter(())
    trades = formats.find(found[0], formats.Options())
    return trades.kind, trades.batches()


def estimate(size: int, bytes_per_row: int) -> Estimate:
    """Return an estimate from the size of files."""
    return Estimate(size // bytes_per_row, size, size / SPEED, f"at {SPEED // 1_000_000} MB a second")


def listed(days: list[date]) -> str:
    """Return days as text, those in a row as one span."""
    spans: list[list[date]] = []
    for day in days:
        if spans and spans[-1][-1] + DAY == day:
            spans[-1].append(day)
        else:
            spans.append([day])
    texts = [str(one[0]) if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in spans]
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
