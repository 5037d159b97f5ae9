"""What `crypto fetch` shows while it works: a bar on a terminal, and a line for each day that is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

UNITS = ("bytes", "kB", "MB", "GB", "TB")


class ProgressBar:
    """A bar with the rate and the time that is left, on a terminal only."""

    def __init__(self, total: int, unit: str, say: Callable[[str], None]) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            ProgressColumn,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        console = Console(highlight=False, soft_wrap=True)
        amounts: list[ProgressColumn] = [MofNCompleteColumn(), TextColumn(unit)]
        if unit == "bytes":
            amounts = [DownloadColumn(), TransferSpeedColumn()]
        columns = [TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn()]
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total)
        self._say = say

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def describe(self, what: str) -> None:
        """Show what is being fetched."""
        self._bar.update(self._task, description=what)

    def advance(self, amount: int) -> None:
        """Move the bar on, or back where something has to come again."""
        self._bar.advance(self._task, amount)

    def say(self, text: str) -> None:
        """Show a line above the bar."""
        if self._bar.disable:
            self._say(text)
        else:
            self._bar.console.print(text, markup=False)


def size(count: float) -> str:
    """Return a number of bytes as people write it."""
    unit = 0
    while count >= 999.5 and unit < len(UNITS) - 1:
        count, unit = count / 1000, unit + 1
    return f"{count:.0f} {UNITS[unit]}" if count >= 10 or unit == 0 else f"{count:.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"
