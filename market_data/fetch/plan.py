"""What is to be fetched: what the user asks for, the parts in which it comes, and days as text."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from market_data.markets import Market

DAY = timedelta(days=1)


@dataclass(frozen=True)
class FetchOptions:
    """What the user asked for, beside markets and days."""

    may_replace: bool = False
    without_ids: bool = False
    tick_rule: bool = False
    with_today: bool = False
    with_incomplete: bool = False


@dataclass(frozen=True)
class Part:
    """What is got in one piece: a file of an archive with one or more days of a market, or one day of an API."""

    market: Market
    days: tuple[date, ...]
    url: str = ""
    size: int = 0


@dataclass(frozen=True)
class Estimate:
    """About how much the parts are. ``speed`` says what the seconds assume."""

    rows: int
    size: int
    seconds: float
    speed: str


def microseconds(day: date) -> int:
    """Return the start of a UTC day in microseconds since 1970."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * 1_000_000


def today() -> date:
    """Return the UTC day that is not over yet, or whose last trades an exchange may not tell of yet."""
    return (datetime.now(UTC) - timedelta(minutes=1)).date()


def list_days(days: list[date]) -> str:
    """Return days as text, those in a row as one span."""
    spans: list[list[date]] = []
    for day in days:
        if spans and spans[-1][-1] + DAY == day:
            spans[-1].append(day)
        else:
            spans.append([day])
    texts = [str(one[0]) if len(one) == 1 else f"{one[0]} to {one[-1]}" for one in spans]
    return ", ".join(texts[:5]) + (f" and {len(texts) - 5} more" if len(texts) > 5 else "")
