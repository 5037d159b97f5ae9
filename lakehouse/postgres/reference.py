"""Reference data in Postgres, schema ``crypto``: the symbols and exchanges whose trades count."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection

from lakehouse.errors import CryptoError, first_line
from lakehouse.postgres import migrate
from lakehouse.postgres.connection import connect
from lakehouse.settings import Settings


@dataclass(frozen=True)
class Lacking:
    """Symbols and exchanges that the reference data lacks, in order, and the files that are withdrawn."""

    symbols: list[str]
    exchanges: list[str]
    withdrawn: set[str]


def lacking(settings: Settings, symbols: Iterable[str], exchanges: Iterable[str]) -> Lacking:
    """Return what the reference data lacks of these names, compared as screening does: without regard to case."""
    with editing(settings) as connection:
        found = {}
        for table, column, names in (("symbols", "symbol", symbols), ("exchanges", "exchange", exchanges)):
            query = f"""
                select name from unnest(%s::text[]) as wanted (name)
                where crypto.name_key(name) not in (select crypto.name_key({column}) from crypto.{table})
            """
            found[table] = sorted(name for (name,) in connection.execute(query, [list(names)]))
        withdrawn = {file for (file,) in connection.execute("select source_file from crypto.withdrawn_files")}
    return Lacking(found["symbols"], found["exchanges"], withdrawn)


def entries(settings: Settings, table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return the columns and rows of ``symbols``, ``exchanges`` or ``withdrawn_files``, in the order of their keys."""
    with editing(settings) as connection:
        cursor = connection.execute(f"select * from crypto.{table} order by 1")
        return [column.name for column in cursor.description or ()], cursor.fetchall()


def set_active(settings: Settings, names: Iterable[str], *, is_active: bool) -> None:
    """Mark symbols as traded or no longer traded; raise CryptoError, and change none, if one is not there."""
    with editing(settings) as connection:
        for name in names:
            changed = connection.execute(
                "update crypto.symbols set is_active = %s where crypto.name_key(symbol) = crypto.name_key(%s)",
                (is_active, name),
            )
            if not changed.rowcount:
                raise CryptoError(f"There is no symbol {name}; `crypto symbols list` shows those that there are.")


def add_symbols(settings: Settings, names: Mapping[str, str], category: str) -> list[str]:
    """Add symbols that count, given with their names; return those that were not there in whatever spelling.

    Raise CryptoError, and add none, for one with white space in it, which no trade could match.
    """
    added = []
    for symbol in names:
        _refuse_white_space(symbol)
    with editing(settings) as connection:
        for symbol, name in names.items():
            inserted = connection.execute(
                "insert into crypto.symbols (symbol, name, category) values (%s, %s, %s) on conflict do nothing",
                (symbol, name, category),
            )
            added += [symbol] * inserted.rowcount
    return added


def add_exchange(settings: Settings, exchange: str, name: str, country: str, website: str) -> bool:
    """Add an exchange whose trades count; return False if it is there already, in whatever spelling.

    Raise CryptoError for one with white space in it.
    """
    _refuse_white_space(exchange)
    with editing(settings) as connection:
        added = connection.execute(
            "insert into crypto.exchanges (exchange, name, country, website) values (%s, %s, %s, %s) "
            "on conflict do nothing",
            (exchange, name, country, website),
        )
    return added.rowcount == 1


def _refuse_white_space(name: str) -> None:
    if not name or any(letter.isspace() for letter in name):
        raise CryptoError(
            f"{name!r} has white space in it, or nothing else; write it as trades do, such as BTC/EUR, and what people "
            "call it with --name."
        )


@contextmanager
def editing(settings: Settings) -> Iterator[Connection[Any]]:
    """Yield a connection to the migrated schema crypto; raise CryptoError if Postgres refuses a statement."""
    with connect(settings) as connection:
        migrate.migrate(connection)
        try:
            yield connection
        except psycopg.Error as error:
            raise CryptoError(f"The reference data refuses that ({first_line(error)}); correct it.") from error
