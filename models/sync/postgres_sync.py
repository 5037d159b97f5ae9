# Grain: one row per sync and published table.
"""Publish gold to Postgres, and keep the log of it in the lake."""

from ingestion import publishing, settings


def model(dbt, session):
    """Publish gold to Postgres; return what crypto.sync_runs tells and this table does not yet."""
    # A ref now gives the name of its table: the sync reads a version of it, not what it is at the moment.
    dbt = type(dbt)(str)
    relations = {
        "daily_metrics": dbt.ref("daily_metrics"),
        "trading_indicators": dbt.ref("trading_indicators"),
    }
    given = settings.load(secrets(dbt.config.get("secret_scope")))
    publishing.publish(session, given, globals()["invocation_id"], relations=relations)
    return publishing.runs(session, given, unknown_to=str(dbt.this) if dbt.is_incremental else None)


def secrets(scope):
    """On Databricks, the DB_ settings of a secret scope; elsewhere None, for the settings of the machine."""
    vault = globals().get("dbutils")
    if vault is None:
        return None
    names = [secret.key for secret in vault.secrets.list(scope) if secret.key.startswith("DB_")]
    return {name: vault.secrets.get(scope, name) for name in names}
