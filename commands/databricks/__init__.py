"""Code for Databricks: the tasks of the job, settings from a secret scope, and explanations of Databricks' errors."""

from __future__ import annotations

from typing import Any

from lakehouse.errors import CryptoError


def dbutils() -> Any:
    """Return Databricks' utilities, which read its secret scopes; raise CryptoError where there are none."""
    try:
        from databricks.sdk.runtime import dbutils
    # The SDK raises ValueError where it finds no credentials of a workspace.
    except (ImportError, ValueError) as error:
        raise CryptoError(
            "This is a task of a job on Databricks; deploy the bundle and start its job, as docs/deploy.md says."
        ) from error
    return dbutils
