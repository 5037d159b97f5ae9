# Grain: one row per sync and published table.
"""Publish gold to Postgres, and keep the log of it in the lake."""

import crypto_lakehouse  # noqa: F401  where the packages below lie

from lakehouse import secret_scope, settings, sync
from lakehouse.sync import Table


def tables(dbt):
    """Declare what is published: the lake's table, its name in Postgres, its key. ``crypto sync`` calls this too."""
    return [
        Table(dbt.ref("daily_metrics"), "daily_metrics", ("symbol", "metric_date")),
        Table(dbt.ref("trading_indicators"), "trading_indicators", ("symbol", "metric_date")),
    ]


def model(dbt, session):
    """Publish the tables; return the rows of crypto.sync_runs that this table does not hold yet."""
    # The sync needs a table's name, since it reads one version of it, so `ref` is made to return names.
    dbt = type(dbt)(str)
    scope = dbt.config.meta_get("secret_scope")
    force = dbt.config.meta_get("force")
    # Only Databricks provides `dbutils`; elsewhere the settings come from the machine's environment.
    dbutils = globals().get("dbutils")
    given = settings.load(secret_scope.read(dbutils, scope) if dbutils else None)
    sync.sync_tables(session if dbutils else None, given, globals()["invocation_id"], tables(dbt), force=force)
    return sync.runs(session, given, unknown_to=str(dbt.this) if dbt.is_incremental else None)
