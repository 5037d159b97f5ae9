"""Names of columns and tables as SQL text."""

from collections.abc import Iterable


def identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def column_list(names: Iterable[str], table: str | None = None) -> str:
    """Return a comma-separated list of quoted SQL columns, each prefixed with ``table`` if it is given."""
    return ", ".join(f"{table}.{identifier(name)}" if table else identifier(name) for name in names)
