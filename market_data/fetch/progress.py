"""What `crypto fetch` shows while it works: a bar on a terminal, and times as people say them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


def progress_bar(unit: str) -> Progress:
    """Return a bar of bytes or of trades, with the rate and the time that is left; it is seen on a terminal only.

    What is printed while it is shown appears above it.
    """
    from rich import progress
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    amounts: list[progress.ProgressColumn] = [progress.MofNCompleteColumn(), progress.TextColumn(unit)]
    if unit == "bytes":
        amounts = [progress.DownloadColumn(), progress.TransferSpeedColumn()]
    columns = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        *amounts,
        progress.TimeRemainingColumn(),
    ]
    return progress.Progress(
        *columns, progress.TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    )


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 90 * 60 else f"{seconds / 3600:.1f} hours"
