"""A dbt adapter for the local engine: dbt-spark's own, in the session of the home's Spark Connect.

dbt finds it by its name, ``type: localspark``. It loads the project's settings, starts the engine
when a command first needs it, runs Python models in the same session, and corrects dbt-spark where it is
weak on Delta. dbt-databricks takes its place on Databricks.
"""

# A program that loads the adapter, such as sqlfluff, has to find the project's packages.
import crypto_lakehouse  # noqa: F401
from dbt.adapters.base import AdapterPlugin
from dbt.adapters.localspark.connections import LocalSparkConnectionManager, LocalSparkCredentials
from dbt.adapters.localspark.impl import LocalSparkAdapter

Plugin = AdapterPlugin(
    adapter=LocalSparkAdapter,  # type: ignore[arg-type]
    credentials=LocalSparkCredentials,
    include_path=f"{__path__[0]}/include",
    # dbt would take it from the folder's name, and then not find the macros by dispatch.
    project_name="dbt_localspark",
    dependencies=["spark"],
)

__all__ = ["LocalSparkAdapter", "LocalSparkConnectionManager", "LocalSparkCredentials", "Plugin"]
