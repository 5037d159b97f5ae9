"""``dbt`` itself, with the project's settings in its environment."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the settings, start the embedded Postgres if the target is Postgres, then run dbt."""
    from ingestion.errors import CryptoError

    try:
        prepare(sys.argv[1:])
    except CryptoError as error:
        sys.exit(str(error))
    from dbt.cli.main import cli

    cli()


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
