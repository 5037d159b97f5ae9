"""Statements about Delta tables that Sail lacks, answered from the Delta log with delta-rs.

They are DESCRIBE HISTORY, DESCRIBE DETAIL, SHOW TBLPROPERTIES, COMMENT ON TABLE, ALTER COLUMN ... COMMENT, OPTIMIZE and
VACUUM, and DESCRIBE TABLE EXTENDED, from which Sail leaves comments out, in the form in which the project and dbt write
them. Apache Spark and Databricks have them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
from dbt_common.exceptions import DbtRuntimeError
from deltalake import DeltaTable, Field
from deltalake.exceptions import DeltaError

from lakehouse.errors import first_line
from lakehouse.settings import Settings
from lakehouse.storage import delta_path, lake

NAME = r"`?(?P<schema>\w+)`?\.`?(?P<table>\w+)`?"
TEXT = r"'(?P<text>(?:[^'\\]|\\.)*)'"
COLUMN_COMMENT = re.compile(rf"\s*,?\s*`?(?P<column>\w+)`?\s+comment\s+{TEXT}", re.IGNORECASE | re.DOTALL)
# Removed files are kept for a week of time travel, as Delta's VACUUM does by default.
RETENTION_HOURS = 168

Answer = Callable[[Settings, str, re.Match[str]], pa.Table]


def answer(settings: Settings, statement: str) -> pa.Table | None:
    """Return the result of a statement that is answered here, or None for one that Sail runs."""
    for pattern, function in STATEMENTS.items():
        if found := pattern.fullmatch(statement.strip()):
            name = f"{found['schema']}.{found['table']}"
            try:
                return function(settings, name, found)
            except DeltaError as error:
                raise DbtRuntimeError(f"The table {name} can't be read or changed ({first_line(error)}).") from error
    return None


def _history(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    commits = _table(settings, name).history(int(found["limit"]) if found["limit"] else None)
    times = pa.array([commit["timestamp"] * 1000 for commit in commits], pa.timestamp("us", "UTC"))
    versions = pa.array([commit["version"] for commit in commits], pa.int64())
    operations = [commit.get("operation") for commit in commits]
    return pa.table({"version": versions, "timestamp": times, "operation": pa.array(operations, pa.string())})


def _detail(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    table = _table(settings, name)
    files = table.get_add_actions(flatten=True)
    sizes = files["size_bytes"].to_pylist()
    one = {
        "format": "delta",
        "id": table.metadata().id,
        "name": name,
        "numFiles": len(sizes),
        "sizeInBytes": sum(sizes),
    }
    return pa.Table.from_pylist([one])


def _properties(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    properties = sorted(_table(settings, name).metadata().configuration.items())
    keys, values = ([pair[side] for pair in properties] for side in (0, 1))
    return pa.table({"key": pa.array(keys, pa.string()), "value": pa.array(values, pa.string())})


def _extended(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    table = _table(settings, name)
    rows = [(name, kind, _comment(table, name)) for name, kind in lake.column_types(table).items()]
    rows += [("", "", ""), ("# Detailed Table Information", "", "")]
    rows.append(("Comment", table.metadata().description or "", ""))
    return pa.Table.from_pylist([dict(zip(("col_name", "data_type", "comment"), row, strict=True)) for row in rows])


def _comment(table: DeltaTable, column: str) -> str:
    return next(field.metadata.get("comment", "") for field in table.schema().fields if field.name == column)


def _comment_table(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    _table(settings, name).alter.set_table_description(_unescaped(found["text"]))
    return pa.table({})


def _comment_columns(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    table = _table(settings, name)
    comments = {each["column"]: _unescaped(each["text"]) for each in COLUMN_COMMENT.finditer(found["columns"])}
    fields = [field for field in table.schema().fields if field.name in comments]
    # Columns that are there are not added again; their new comments are, all in one commit, but replace none.
    new = [
        Field(field.name, field.type, nullable=field.nullable, metadata={"comment": comments[field.name]})
        for field in fields
        if "comment" not in field.metadata
    ]
    if new:
        table.alter.add_columns(new)
    for field in fields:
        if "comment" in field.metadata:
            table.alter.set_column_metadata(field.name, {"comment": comments[field.name]})
    return pa.table({})


def _optimize(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    _refuse_misread_home(settings)
    _table(settings, name).optimize.compact()
    return pa.table({})


def _vacuum(settings: Settings, name: str, found: re.Match[str]) -> pa.Table:
    _refuse_misread_home(settings)
    _table(settings, name).vacuum(retention_hours=RETENTION_HOURS, dry_run=False)
    return pa.table({})


def _refuse_misread_home(settings: Settings) -> None:
    if delta_path.is_misread(settings.warehouse) and not settings.lake_buckets:
        raise DbtRuntimeError(
            f"The path of the data home, {settings.home}, has one of the characters % \\ # ?, and tables can't be "
            "rewritten there; move the home, or use --target spark."
        )


def _table(settings: Settings, name: str) -> DeltaTable:
    found = lake.table(settings, name)
    if found is None:
        raise DbtRuntimeError(f"There is no Delta table {name}.")
    return found


def _unescaped(text: str) -> str:
    """Return what a literal of macro sql_literal stands for."""
    return re.sub(r"\\(.)", r"\1", text.replace(r"$\u007b", "${"), flags=re.DOTALL)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL)


STATEMENTS: dict[re.Pattern[str], Answer] = {
    _pattern(rf"describe history {NAME}(?: limit (?P<limit>\d+))?"): _history,
    _pattern(rf"describe detail {NAME}"): _detail,
    _pattern(rf"describe table extended {NAME}"): _extended,
    _pattern(rf"show tblproperties {NAME}"): _properties,
    _pattern(rf"comment on table {NAME} is {TEXT}"): _comment_table,
    _pattern(rf"alter table {NAME} alter column (?P<columns>.*)"): _comment_columns,
    _pattern(rf"optimize {NAME}"): _optimize,
    _pattern(rf"vacuum {NAME}"): _vacuum,
}
