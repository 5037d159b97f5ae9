"""``crypto report``: the state of the lake as one HTML page that needs nothing else, not even a network."""

from __future__ import annotations

from pathlib import Path

from lakehouse.errors import CryptoError
from lakehouse.inspect.report import collect, render
from lakehouse.settings import Settings


def write(settings: Settings, output: Path | None = None) -> Path:
    """Write the page and return its path, ``report.html`` in the data home unless given."""
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
