"""Names of columns and tables as SQL text."""

from collections.abc import Iterable


def quoted(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], table: str | None = None) -> str:
    """Return a comma-separated list of quoted SQL columns, each prefixed with ``table`` if it is given."""
    return ", ".join(f"{table}.{quoted(name)}" if table else quoted(name) for name in names)
