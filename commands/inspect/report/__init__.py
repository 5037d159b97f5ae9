"""``crypto report``: the state of the lake as one self-contained HTML page, which needs no server and no network."""

from __future__ import annotations

from pathlib import Path

from commands.inspect.report import collect, render
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings


def write(settings: Settings, output: Path | None = None) -> Path:
    """Write the page to ``output``, by default ``report.html`` in the data home, and return its path.

    Raise CryptoError if no run has built gold yet or the file can't be written.
    """
    path = output or settings.home / "report.html"
    page = render.render(collect.collect(settings))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CryptoError(
            f"The report can't be written to {path} ({error.strerror}); name another --output."
        ) from error
    return path
