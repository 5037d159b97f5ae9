"""The ``localspark`` adapter: dbt-spark's, with Python models, a catalog for docs, and clean drops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from dbt.adapters.base import PythonJobHelper
from dbt.adapters.localspark.connections import CATALOG, LocalSparkConnectionManager, error_message, local_settings
from dbt.adapters.spark.impl import SparkAdapter
from dbt.adapters.spark.relation import SparkRelation
from dbt_common.exceptions import DbtRuntimeError

from lakehouse import engine
from lakehouse.errors import CryptoError
from lakehouse.storage import lake


@dataclass(frozen=True, eq=False, repr=False)
class LocalSparkRelation(SparkRelation):
    """A table or view of the only catalog, whose name is in dbt's artifacts and in no SQL."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", replace(self.path, database=CATALOG))


class InSession(PythonJobHelper):
    """Runs a Python model in this process, in the session that the SQL models use."""

    def __init__(self, parsed_model: dict[str, Any], credentials: Any) -> None:
        self.path, self.engine = parsed_model["original_file_path"], credentials.engine

    def submit(self, compiled_code: str) -> None:
        """Execute the compiled model, which writes its own table."""
        from pyspark.errors import PySparkException

        scope = {"spark": engine.session(local_settings(self.engine)), "__name__": "dbt_python_model"}
        try:
            exec(compile(compiled_code, self.path, "exec"), scope)
        except CryptoError as error:
            raise DbtRuntimeError(str(error)) from error
        except PySparkException as error:
            raise DbtRuntimeError(error_message(error, local_settings(self.engine))) from error


class LocalSparkAdapter(SparkAdapter):
    """dbt-spark's adapter on the local engine."""

    ConnectionManager = LocalSparkConnectionManager
    Relation = LocalSparkRelation

    @property
    def default_python_submission_method(self) -> str:
        """Python models run in the session unless they say otherwise."""
        return "session"

    @property
    def python_submission_helpers(self) -> dict[str, type[PythonJobHelper]]:
        """Every way to submit is the session here: a model's own choice is meant for Databricks."""
        ways = ("session", "serverless_cluster", "job_cluster", "all_purpose_cluster", "workflow_job")
        return dict.fromkeys(ways, InSession)

    def list_relations_without_caching(self, schema_relation: Any) -> list[Any]:
        """Return the tables and views of a schema, without temporary views, which any command of the session sees."""
        return [relation for relation in super().list_relations_without_caching(schema_relation) if relation.schema]

    def get_relation(self, database: str, schema: str, identifier: str) -> Any:
        """Look a relation up in dbt's cache, where dbt-spark looks for relations without a catalog."""
        return super(SparkAdapter, self).get_relation(CATALOG, schema, identifier)

    def drop_relation(self, relation: Any) -> None:
        """Drop a relation and what the engine would bring back at its next start."""
        super().drop_relation(relation)
        # A table that the engine found at its start is external to Spark, which leaves its files.
        lake.layer(local_settings(self.config.credentials.engine), relation.schema).delete(
            relation.identifier, is_view=relation.is_view
        )

    def _get_columns_for_catalog(self, relation: Any) -> Iterable[dict[str, Any]]:
        # The listing of an in-memory catalog has no columns; the table itself has.
        for column in self.get_columns_in_relation(relation):
            found = column.to_column_dict()
            found["column_name"] = found.pop("column")
            found["column_type"] = found.pop("dtype")
            found["table_database"] = CATALOG
            yield found
