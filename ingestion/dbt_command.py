"""``dbt`` itself, with the project's settings in its environment."""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """Load the settings, start the embedded Postgres if the target is Postgres, then run dbt."""
    from ingestion.errors import CryptoError

    try:
        prepare(sys.argv[1:])
    except CryptoError as error:
        sys.exit(str(error))
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


def prepare(arguments: list[str]) -> None:
    """Put settings into the environment, the embedded server's own values among them."""
    import os
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


def target(arguments: list[str]) -> str | None:
    """Return the target that a dbt command line names."""
    for index, argument in enumerate(arguments):
        if argument in ("--target", "-t") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--target="):
            return argument.removeprefix("--target=")
    return None
