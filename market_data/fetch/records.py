"""What has been fetched: one small file a market in the data home, so that a day is fetched once."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

from lakehouse.errors import CryptoError
from lakehouse.settings import Settings
from market_data.markets import Market
from market_data.writer import DayFile


def folder(settings: Settings, market: Market) -> Path:
    """Return where unfinished downloads of a market are kept."""
    return settings.home / "fetch" / market.folder


class Records:
    """The whole days of a market that have been fetched, each with its file and the id of its first trade."""

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

    def add(self, day: DayFile, first_id: int | None) -> None:
        """Remember a day."""
        self._days[str(day.day)] = {"path": day.path, "rows": day.rows, "first_id": first_id}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        temporary.write_text(json.dumps(dict(sorted(self._days.items())), indent=1))
        temporary.replace(self._path)

    def check(self, day: date, first_id: int | None) -> None:
        """Raise CryptoError if a day's ids start below those of an earlier day, or above those of a later one."""
        if first_id is None:
            return
        known = {date.fromisoformat(name): one["first_id"] for name, one in self._days.items()}
        others = {other: number for other, number in known.items() if number is not None and other != day}
        before = max((other for other in others if other < day), default=None)
        after = min((other for other in others if other > day), default=None)
        for earlier, later in ((before, day), (day, after)):
            if earlier and later and (others | {day: first_id})[earlier] >= (others | {day: first_id})[later]:
                raise restarted(self.market, later)


def restarted(market: Market, day: date) -> CryptoError:
    """Return the error of a market whose ids start again, so that two trades would share one."""
    return CryptoError(
        f"{market.exchange} {market.name} numbers its trades anew on {day}, so different trades have the same id; "
        "fetch this day with --without-ids, which numbers them by second and place."
    )
