"""Tables and views of models that are gone: in the lake, and in Postgres those that are no longer published."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from commands.inspect import query
from lakehouse import postgres, sync
from lakehouse.errors import CryptoError, first_line
from lakehouse.postgres.identifiers import identifier
from lakehouse.settings import Settings
from lakehouse.storage import lake

# The layers that models alone fill; a seed lies in silver.
LAYERS = ("silver", "gold", "sync")


@dataclass(frozen=True)
class Leftovers:
    """Names of tables and views: in the lake as ``gold.candles_5m``, in Postgres as ``crypto.candles_5m``."""

    lake: tuple[str, ...]
    postgres: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.lake or self.postgres)

    def __str__(self) -> str:
        return ", ".join((*self.lake, *(f"{name} in Postgres" for name in self.postgres)))


def models(project: Path) -> set[str]:
    """Return the names, with their layers, of what the project's models and seeds make in the lake."""
    names = {f"silver.{path.stem}" for path in project.glob("seeds/*.csv")}
    return names | {f"{layer}.{path.stem}" for layer in LAYERS for path in project.glob(f"models/{layer}/**/*.*")}


def find(settings: Settings, *, start_postgres: bool = False) -> Leftovers:
    """Return what no model of the project makes; Postgres is asked if it runs, or ``start_postgres``."""
    made = {f"{layer}.{name}" for layer in LAYERS for name in lake.layer(settings, layer).names()}
    published: set[str] = set()
    if start_postgres or postgres.status(settings).running:
        with postgres.connect(settings) as connection:
            if connection.execute("select to_regclass('crypto.sync_runs')").fetchone() != (None,):
                names = "select distinct table_name from crypto.sync_runs"
                known = f"{names} where to_regclass(format('crypto.%I', table_name)) is not null"
                published = {name for (name,) in connection.execute(known)}
        published -= {table.target for table in sync.published_tables(settings.project)}
    # Names of what is made on the way to a table.
    gone = sorted(name for name in made - models(settings.project) if not re.search("__(dbt_|changes$)", name))
    return Leftovers(tuple(gone), tuple(f"crypto.{name}" for name in sorted(published)))


def remove(settings: Settings, found: Leftovers) -> None:
    """Drop tables and views; raise CryptoError if Postgres refuses it, such as for a table that a view shows."""
    with postgres.connect(settings) as connection:
        for name in found.postgres:
            bare = name.removeprefix("crypto.")
            try:
                connection.execute(f"drop table crypto.{identifier(bare)}")
                connection.execute("delete from crypto.sync_runs where table_name = %s", [bare])
            except psycopg.Error as error:
                raise CryptoError(
                    f"Postgres does not drop {name} ({first_line(error)}); nothing was removed."
                ) from error
    for name in found.lake:
        schema, _, bare = name.partition(".")
        is_view = lake.table(settings, name) is None
        query.ask_lake(settings, f"drop {'view' if is_view else 'table'} {name}", may_write=True)
        # Spark leaves the files of a table that it found at its start.
        lake.layer(settings, schema).delete(bare, is_view=is_view)
