"""Passwords of Lakebase, the Postgres of Databricks: tokens that Databricks gives, each good for an hour.

A token is asked for whenever a connection is opened. An open connection outlives its token, so a sync that takes longer
than an hour ends, and one that begins later has a new token.
"""

from __future__ import annotations

import uuid

from lakehouse.errors import CryptoError


def token(name: str) -> str:
    """Return a new token for an instance's name, or for an endpoint: ``projects/.../branches/.../endpoints/...``.

    Raise CryptoError, with the reason and without a secret, if there is none.
    """
    try:
        from databricks.sdk import WorkspaceClient

        client = WorkspaceClient()
        if name.startswith("projects/"):
            found = client.postgres.generate_database_credential(endpoint=name).token
        else:
            request = str(uuid.uuid4())
            found = client.database.generate_database_credential(request_id=request, instance_names=[name]).token
    # The SDK raises ValueError without credentials, its own errors for a refusal, and requests' without a network.
    except Exception as error:
        raise CryptoError(
            f"Databricks gives no token for Lakebase's {name!r} ({type(error).__name__}); check DB_LAKEBASE, and log "
            "in with `databricks auth login`, or set DATABRICKS_HOST and its credentials."
        ) from error
    if not found:
        raise CryptoError(f"Databricks gives an empty token for Lakebase's {name!r}; check DB_LAKEBASE.")
    return found
