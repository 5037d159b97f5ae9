"""What has been fetched of a market: its whole days, so that each is fetched once, and the pages of unfinished ones.

Both are files in the data home, below ``fetch/<exchange>/<market>/``.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data.day_files import DayFile
from market_data.exchanges.exchange import Cursor, Page
from market_data.markets import Market


def folder(settings: Settings, market: Market) -> Path:
    """Return where unfinished downloads of a market are kept."""
    return settings.home / "fetch" / market.folder


class FetchLog:
    """The whole days of a market that have been fetched, each with its file."""

    def __init__(self, settings: Settings, market: Market) -> None:
        self.market = market
        self._path = folder(settings, market) / "days.json"
        try:
            self._days: dict[str, dict[str, Any]] = json.loads(self._path.read_text())
        except (FileNotFoundError, ValueError):
            self._days = {}

    def has(self, day: date, there: str | None) -> bool:
        """Return whether a day was fetched and its file, by ``there``, is still in the landing zone."""
        known = self._days.get(str(day))
        return known is not None and there is not None and known["path"] == there

    def add(self, day: DayFile) -> None:
        """Remember a day."""
        self._days[str(day.day)] = {"path": day.path, "rows": day.rows}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(dict(sorted(self._days.items())), indent=1))
        temporary.replace(self._path)


def ids_start_again(market: Market, day: date) -> CryptoError:
    """Return the error of a market whose ids start again, so that two trades would share one."""
    return CryptoError(
        f"{market} numbers its trades anew on {day}, so different trades have the same id; "
        "fetch this day with --without-ids, which numbers them by second and place."
    )


class PageFile:
    """The pages of one day that have come, a line each; a line that was cut off by a kill is left out.

    ``cursor`` is that of the next page, ``rows`` how many rows have come, ``is_whole`` whether there are no more pages,
    ``first`` and ``last`` the times between which trades were seen, of other days too, ``clock`` what the exchange's
    clock said with the last page (microseconds since 1970).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reset()
        end = 0
        for line, page in self._read():
            end += len(line)
            self._count(page)
        if path.exists() and path.stat().st_size > end:
            os.truncate(path, end)

    def _reset(self) -> None:
        self.cursor: Cursor = None
        self.rows, self.is_whole = 0, False
        self.first, self.last, self.clock = sys.maxsize, 0, 0
        self._spans: list[tuple[int, int]] = []

    def add(self, page: Page, span: tuple[int, int], last: int = 0) -> None:
        """Keep a page and the time of its ``last`` row; ``span``, from its first to the exchange's, has no others."""
        self._write({"rows": page.rows, "cursor": page.cursor, "is_last": page.is_last, "span": span, "last": last})

    def _write(self, page: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a") as file:
            file.write(json.dumps(page) + "\n")
        self._count(page)

    def covers_since(self, end: int) -> int | None:
        """Return the time from which on all trades until ``end`` have come; None if some before it are missing."""
        since = end
        for first, last in sorted(self._spans, key=lambda span: span[1], reverse=True):
            if last < since:
                break
            since = min(since, first)
        return since if since < end else None

    def covers(self, start: int, end: int) -> bool:
        """Return whether all trades of a span of time have come."""
        since = self.covers_since(end)
        return since is not None and since <= start

    def delete(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)
        self._reset()

    def pages(self) -> Iterator[list[Any]]:
        """Yield the rows of each page, as they came."""
        for _, page in self._read():
            yield page["rows"]

    def _count(self, page: dict[str, Any]) -> None:
        self.cursor, self.is_whole = page["cursor"], page["is_last"]
        self.rows += len(page["rows"])
        self.first, self.last = min(self.first, page["span"][0]), max(self.last, page.get("last", 0))
        self.clock = page["span"][1]
        self._spans.append((page["span"][0], page["span"][1]))

    def _read(self) -> Iterator[tuple[bytes, dict[str, Any]]]:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                page = json.loads(line) if line.endswith(b"\n") else {}
                # Half a line, or one of an earlier version, which had other cursors.
                if not page.get("span") or not isinstance(page["cursor"], list | None):
                    return
                yield line, page
