"""``dbt`` itself, with the project's settings in its environment."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingestion.settings import Settings

WRITING = {"build", "clone", "retry", "run", "run-operation", "seed", "snapshot"}


def main() -> None:
    """Load the settings, start the embedded Postgres if the target is Postgres, then run dbt.

    A command that writes into the local lake waits for others that do.
    """
    from ingestion.errors import CryptoError
    from ingestion.run_lock import exclusive

    arguments = sys.argv[1:]
    with ExitStack() as held:
        try:
            settings = prepare(arguments)
            if writes(arguments):
                held.enter_context(exclusive(settings))
        except CryptoError as error:
            sys.exit(str(error))
        except KeyboardInterrupt:
            sys.exit(130)
        run()


def run() -> None:
    """Run dbt with the process's arguments; leave with its exit code."""
    from dbt.cli.main import cli

    heard = Heard()
    try:
        cli(obj={"callbacks": [heard]})
    except SystemExit as end:
        if end.code and heard.sentence:
            print(heard.sentence, file=sys.stderr)
        raise


class Heard:
    """Listens to dbt's events for what has a plain sentence."""

    def __init__(self) -> None:
        self.sentence: str | None = None

    def __call__(self, event: Any) -> None:
        """Take one event; the first that is understood counts, the others follow from it."""
        from ingestion import databricks_errors

        if self.sentence is None and event.info.level in ("warn", "error"):
            self.sentence = databricks_errors.explain(event.info.msg)


def writes(arguments: list[str]) -> bool:
    """Tell whether a dbt command line writes into the local lake."""
    chosen = target(arguments) or os.environ.get("DBT_TARGET") or "local"
    return chosen == "local" and "--help" not in arguments and not WRITING.isdisjoint(arguments)


def prepare(arguments: list[str]) -> Settings:
    """Put settings into the environment, the embedded server's own values among them, and return them."""
    import time

    from ingestion import settings

    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    found = settings.load()
    found.export()
    if "postgres" in (target(arguments), os.environ.get("DBT_TARGET")):
        from ingestion import postgres

        postgres.ensure(found)
        values = postgres.values(found)
        names = {"DB_ENDPOINT": "host", "DB_PORT": "port", "DB_NAME": "dbname", "DB_USER": "user"}
        names |= {"DB_PASSWORD": "password", "DB_SSLMODE": "sslmode", "DB_SSLROOTCERT": "sslrootcert"}
        os.environ |= {name: str(values.get(key) or "") for name, key in names.items()}
    return found


def target(arguments: list[str]) -> str | None:
    """Return the target that a dbt command line names."""
    for index, argument in enumerate(arguments):
        if argument in ("--target", "-t") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--target="):
            return argument.removeprefix("--target=")
    return None
