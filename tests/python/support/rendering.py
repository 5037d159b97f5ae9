"""What dbt would send to a target, without one: ``python -m support.rendering TARGET FOLDER`` prints it as JSON.

The real adapter and its macros run every node, once on an empty lake and once on one that has every table; only what
they ask the lake for is answered here. FOLDER holds profiles.yml and takes what dbt writes.
"""

import json
import sys
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import agate
from dbt.adapters.contracts.connection import AdapterResponse, ConnectionState
from dbt.cli.main import dbtRunner
from dbt_common.clients.agate_helper import table_from_data
from dbt_common.events.contextvars import get_node_info

from support.project import PROJECT

# What a lake answers: of a table with a history, and of a test that finds no row.
ANSWERS = {
    "describe history": [
        {"version": version, "timestamp": datetime(2024, 1, version), "operation": "MERGE"} for version in (7, 6, 5)
    ],
    "show tblproperties": [{"key": "crypto.seen_version", "value": "5"}],
    # A high-water mark, the files and days that an incremental run has to read, and the keys of staged changes, some of
    # which the table has.
    "select coalesce(max(": [{"highest": 5}],
    "concat('=', source_file)": [{"file": "=it's.parquet", "batch": 3}, {"file": "=b.parquet", "batch": 4}],
    "cast(min(first_start)": [{"start": "2024-01-01 00:00:00", "end": "2024-01-02 00:00:00"}],
    "concat('=', cast(min(": [{"rows": 2} | {f"bound_{number}": f"={number}" for number in range(12)}],
    "as matched_rows": [{"matched_rows": 1}],
    "failures": [{"failures": 0, "should_warn": False, "should_error": False}],
}
# What a snapshot's table has beside its source's columns.
SCD = {
    "dbt_scd_id": "string",
    "dbt_updated_at": "timestamp",
    "dbt_valid_from": "timestamp",
    "dbt_valid_to": "timestamp",
}

# What dbt is about to drop is an error here. Some config keys of dbt-databricks, such as query_tags, are custom keys to
# dbt; the summary only counts them.
DEPRECATED = json.dumps({"error": ["Deprecations"], "silence": ["DeprecationsSummary"]})


class Lake:
    """Stands for the lake: remembers statements by node, and answers as one with or without tables."""

    def __init__(self, adapter: type, manifest: Any, *, has_tables: bool) -> None:
        self.adapter, self.has_tables = adapter, has_tables
        self.nodes = {**manifest.nodes, **manifest.sources}
        self.by_name = {(node.schema, getattr(node, "alias", node.name)): node for node in self.nodes.values()}
        self.statements: dict[str, list[str]] = defaultdict(list)

    def note(self, sql: str) -> None:
        """Remember a statement."""
        self.statements[get_node_info().get("unique_id", "")].append(sql.strip())

    def execute(self, _: Any, sql: str, *args: Any, **options: Any) -> tuple[AdapterResponse, agate.Table]:
        """Take a statement; answer what the macros read."""
        self.note(sql)
        lowered = sql.lower()
        rows = next((rows for words, rows in ANSWERS.items() if words in lowered), [])
        return AdapterResponse("OK"), table_from_data(rows, list(rows[0]) if rows else [])

    def add_query(self, _: Any, sql: str, *args: Any, **options: Any) -> tuple[Any, Any]:
        """Take a statement that has bindings, such as a seed's."""
        self.note(f"{sql} {(args[1:2] or [options.get('bindings')])[0]}")
        return SimpleNamespace(transaction_open=False), SimpleNamespace(description=[], fetchall=list)

    def relations(self, adapter: Any, schema_relation: Any, *args: Any) -> list[Any]:
        """Return what a schema holds."""
        found = [node for (schema, _), node in self.by_name.items() if schema == schema_relation.schema]
        if not self.has_tables:
            found = [node for node in found if node.resource_type == "source"]
        return [self._relation(adapter, schema_relation, node) for node in found]

    def _relation(self, adapter: Any, place: Any, node: Any) -> Any:
        is_view = node.resource_type != "source" and node.config.materialized == "view"
        return adapter.Relation.create(
            database=place.database,
            schema=node.schema,
            identifier=getattr(node, "alias", node.name),
            type="view" if is_view else "table",
            is_delta=True,
        )

    def columns(self, adapter: Any, relation: Any) -> list[Any]:
        """Return a relation's columns, as the project declares them."""
        node = self.by_name.get((relation.schema, relation.identifier.removesuffix("__dbt_tmp")))
        node = node or self.nodes[get_node_info()["unique_id"]]
        if node.resource_type == "snapshot":
            source = self.nodes[node.depends_on.nodes[0]]
            declared = {column.name: column.data_type for column in source.columns.values()} | SCD
        elif node.resource_type == "seed":
            declared = dict(node.config.column_types) or {name: "string" for name in node.columns}
        else:
            declared = {column.name: column.data_type for column in node.columns.values()}
        return [adapter.Column(name, (kind or "string").replace(" ", "")) for name, kind in declared.items()]

    def query_columns(self, adapter: Any, sql: str) -> list[Any]:
        """Return the columns of the node's own query, which a contract compares with itself."""
        node = self.nodes[get_node_info()["unique_id"]]
        return [adapter.Column(column.name, column.data_type) for column in node.columns.values()]

    def python_job(self, _: Any, model: Any, code: str) -> AdapterResponse:
        """Take a Python model."""
        self.note(code)
        return AdapterResponse("OK")

    def schemas(self, *_: Any) -> list[str]:
        """Return the names of all schemas."""
        return sorted({schema for schema, _ in self.by_name})

    def answers(self) -> dict[str, Any]:
        """Return what stands for the methods of an adapter that would ask a lake."""
        given = {
            "execute": self.execute,
            "list_schemas": self.schemas,
            "check_schema_exists": lambda *args: True,
            "list_relations_without_caching": self.relations,
            "_set_relation_information": lambda adapter, relation: relation,
            "get_columns_in_relation": self.columns,
            "get_column_schema_from_query": self.query_columns,
            "submit_python_job": self.python_job,
            "has_dbr_capability": lambda *args: True,
            "compare_dbr_version": lambda *args: 1,
            "is_cluster": lambda *args: False,
        }
        return {name: as_method(answer) for name, answer in given.items()}


def record(target: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Run every node twice; return the statements by pass and node, and on Databricks each node's query tags."""
    if target == "databricks":
        from dbt.adapters.databricks.connections import DatabricksConnectionManager as Manager
        from dbt.adapters.databricks.impl import DatabricksAdapter as Adapter
    else:
        from dbt.adapters.localspark.connections import LocalSparkConnectionManager as Manager
        from dbt.adapters.localspark.impl import LocalSparkAdapter as Adapter

    project = PROJECT
    places = ["--project-dir", str(project), "--profiles-dir", str(folder), "--target", target]
    places += ["--target-path", str(folder / target), "--log-path", str(folder / target / "logs")]
    quiet = ["--quiet", "--log-level-file", "none"]
    parsed = dbtRunner().invoke([*quiet, "--warn-error-options", DEPRECATED, "parse", *places])
    if parsed.exception:
        raise parsed.exception
    manifest = parsed.result
    found = {"tags": tags(manifest)} if target == "databricks" else {}
    for has_tables in (False, True):
        lake = Lake(Adapter, manifest, has_tables=has_tables)
        answers = {name: answer for name, answer in lake.answers().items() if hasattr(Adapter, name)}
        with (
            patch.multiple(Adapter, **answers),
            patch.object(Manager, "open", classmethod(opened)),
            patch.object(Manager, "add_query", as_method(lake.add_query)),
        ):
            result = dbtRunner().invoke([*quiet, "build", "--exclude-resource-types", "unit_test", *places])
        done = result.result or ()
        failed = [f"{one.node.name}: {one.message}" for one in done if one.status in ("error", "fail")]
        if failed or result.exception:
            sys.exit("\n".join(failed) or str(result.exception))
        found["incremental" if has_tables else "full"] = dict(lake.statements)
    return found


def tags(manifest: Any) -> dict[str, dict[str, str]]:
    """Return what the adapter tags the queries of each node with, under a profile that has no tags."""
    from dbt.adapters.databricks.connections import QueryConfigUtils, QueryContextWrapper

    profile = SimpleNamespace(query_tags=None)
    return {
        name: QueryConfigUtils.get_merged_query_tags(QueryContextWrapper.from_context(node), profile)
        for name, node in manifest.nodes.items()
    }


def opened(_: Any, connection: Any) -> Any:
    """Open a connection to nothing."""
    connection.state, connection.handle = ConnectionState.OPEN, SimpleNamespace(close=lambda: None)
    return connection


def as_method(answer: Any) -> Any:
    """Return a function that, in a class, is handed the object before the arguments."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return answer(self, *args, **options)

    return method


if __name__ == "__main__":
    print(json.dumps(record(sys.argv[1], Path(sys.argv[2]))))
