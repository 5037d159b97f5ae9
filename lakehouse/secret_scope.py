"""Settings in a Databricks secret scope, under the same names as the environment variables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from lakehouse.errors import CryptoError

REQUIRED = ("DB_ENDPOINT", "DB_NAME", "DB_USER", "DB_PASSWORD")
PASSWORD, LAKEBASE = "DB_PASSWORD", "DB_LAKEBASE"
OPTIONAL = ("DB_PORT", "DB_SSLMODE", "DB_SSLROOTCERT", "DB_LAKEBASE", "CRYPTO_WEBHOOK_URL")


def read(dbutils: Any, scope: str) -> dict[str, str]:
    """Return the settings of a scope; raise CryptoError if a required one, of Postgres, is missing.

    ``dbutils`` is the utility object that Databricks provides to a notebook or a job.
    """
    values = dict(_secrets(dbutils, scope, (*REQUIRED, *OPTIONAL)))
    # Lakebase's tokens take the place of a password.
    if missing := [name for name in REQUIRED if name not in values and not (name == PASSWORD and LAKEBASE in values)]:
        raise CryptoError(
            f"The secret scope {scope!r} has no {', '.join(missing)} that this user can read; "
            f"put it there with `databricks secrets put-secret {scope} {missing[0]}`, or grant READ on the scope."
        )
    return values


def _secrets(dbutils: Any, scope: str, names: Iterable[str]) -> Iterable[tuple[str, str]]:
    for name in names:
        # Databricks has no importable error class for a missing secret, so any error counts as missing.
        try:
            yield name, dbutils.secrets.get(scope, name)
        except Exception:
            continue
