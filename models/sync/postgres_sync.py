# Grain: one row per sync and published table.
"""Publish gold to Postgres, and keep the log of it in the lake."""

from ingestion import publishing, secret_scope, settings
from ingestion.published_table import Table


def tables(dbt):
    """Declare what is published: the lake's table, its name in Postgres, its key. ``crypto sync`` asks this too."""
    return [
        Table(dbt.ref("daily_metrics"), "daily_metrics", ("symbol", "metric_date")),
        Table(dbt.ref("trading_indicators"), "trading_indicators", ("symbol", "metric_date")),
    ]


def model(dbt, session):
    """Publish the tables; return what crypto.sync_runs tells and this table does not yet."""
    # A ref now gives the name of its table: the sync reads a version of it, not what it is at the moment.
    dbt = type(dbt)(str)
    scope = dbt.config.meta_get("secret_scope")
    force = dbt.config.meta_get("force")
    # Databricks gives a model `dbutils`; elsewhere the settings of the machine hold.
    vault = globals().get("dbutils")
    given = settings.load(secret_scope.read(vault, scope) if vault else None)
    publishing.publish(session, given, globals()["invocation_id"], tables(dbt), force=force)
    return publishing.runs(session, given, unknown_to=str(dbt.this) if dbt.is_incremental else None)
