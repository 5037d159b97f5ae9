"""What the guard found in each statement, kept in the data home: an unchanged project is not read again.

A verdict is known by the text, the guard's own text and the columns of the tables that were read.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.settings import Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from dbt.adapters.localspark.guard.reader import ColumnsOf, Verdict

READ = re.compile(
    r"\s*(?:--[^\n]*\n\s*|/\*.*?\*/\s*)*\(?\s*(select|with|create|insert|merge|values|from)\b", re.I | re.S
)
# Rows of a seed or of a small update: literals that the adapter itself has written.
ROWS = re.compile(r"\s*insert\s+(?:into|overwrite)\s+\S+\s+values\b", re.I)
DEFINES = re.compile(r"\b(?:table|view|into)\s+(?:if\s+(?:not\s+)?exists\s+)?((?:`?\w+`?\.)?`?\w+`?)", re.IGNORECASE)
HERE = Path(__file__).parent
# A longer file is begun anew: statements of incremental models have new literals in each run.
LIMIT_BYTES = 4_000_000
# A contract's question for the columns of a model's query, which comes before the statement that runs the query.
QUESTION = re.compile(
    r"\s*(?:/\*.*?\*/)?\s*select \* from \(\s(.+)\n\s*\) as __dbt_sbq\s+where false\s+limit 0\s*", re.S
)
READ_BEFORE = "query_read_before"
_lock = threading.Lock()
_kept: dict[Path, dict[str, dict[str, Any]]] = {}
_columns: dict[tuple[Path, str], list[tuple[str, str]]] = {}
_marks: dict[tuple[Path, str], str] = {}
# The queries of such questions, with their verdicts, until the model's statement has come.
_asked: dict[tuple[Path, str], Verdict] = {}


def verdict(settings: Settings, spark: Any, sql: str) -> dict[str, Any]:
    """Return what becomes of a statement on Sail: ``sql`` if it is rewritten, ``refused``, ``line`` and ``spot``."""
    if not READ.match(sql) or ROWS.match(sql):
        return {}
    path = settings.home / "dbt" / "verdicts.jsonl"
    key = hashlib.sha256(_version() + sql.encode()).hexdigest()
    with _lock:
        found = _load(path).get(key)
    if found is None or found.get("columns", {}) != _signatures(settings, spark, list(found.get("columns", {}))):
        found = _judge(settings, spark, sql)
        with _lock:
            _kept[path][key] = found
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a") as file:
                file.write(json.dumps([key, found]) + "\n")
    return found


def forget(settings: Settings, sql: str) -> None:
    """Ask anew for the columns of what a statement defines."""
    for name in DEFINES.findall(sql[:2000]):
        key = settings.home, name.replace("`", "").lower()
        _columns.pop(key, None)
        _marks.pop(key, None)


def _judge(settings: Settings, spark: Any, sql: str) -> dict[str, Any]:
    made = _read(settings, sql, lambda name: columns(settings, spark, name))
    found: dict[str, Any] = {}
    if made.refused:
        found = {"refused": made.refused, "spot": made.spot}
    elif made.sql != sql:
        found = {"sql": made.sql, "rewritten": made.rewritten}
    if made.tables:
        found["columns"] = _signatures(settings, spark, list(made.tables))
    return found


def _read(settings: Settings, sql: str, columns_of: ColumnsOf) -> Verdict:
    """Return the guard's verdict; a query whose columns were asked for before is not read again."""
    from dbt.adapters.localspark import guard

    if question := QUESTION.fullmatch(sql):
        query = question[1].strip()
        asked = guard.judge(query, columns_of)
        if asked.columns and all(kind is not None for _, kind in asked.columns):
            _asked[settings.home, query] = asked
        return replace(asked, sql=sql.replace(query, asked.sql))
    for home, query in list(_asked):
        before, _, after = (part.strip() for part in sql.partition(query))
        if home == settings.home and before.endswith("(") and after.startswith(")"):
            return _around(_asked.pop((home, query)), before[:-1], after[1:], columns_of)
    return guard.judge(sql, columns_of)


def _around(inner: Verdict, before: str, after: str, columns_of: ColumnsOf) -> Verdict:
    """Return the verdict on a statement with a query in it that was read before: as if a table stood there."""
    from dbt.adapters.localspark import guard

    known = [(name, str(kind)) for name, kind in inner.columns or []]
    outer = guard.judge(
        f"{before}{READ_BEFORE}{after}", lambda name: known if name == READ_BEFORE else columns_of(name)
    )
    return replace(
        outer,
        sql=outer.sql.replace(READ_BEFORE, f"(\n{inner.sql}\n)"),
        rewritten=tuple(sorted({*outer.rewritten, *inner.rewritten})),
        tables=tuple(sorted({*outer.tables, *inner.tables} - {READ_BEFORE})),
    )


def columns(settings: Settings, spark: Any, name: str) -> list[tuple[str, str]] | None:
    """Return names and types of a table's or a view's columns, None if there is no such table.

    A table's Delta log says them in a tenth of the time in which the engine does, which is asked for a view's.
    """
    from pyspark.errors import PySparkException

    key = settings.home, name.lower()
    if key not in _columns:
        table = lake.table(settings, name) if name.count(".") == 1 else None
        try:
            _columns[key] = list(lake.column_types(table).items()) if table else _ask(spark, name)
        except PySparkException:
            return None
    return _columns[key]


def _ask(spark: Any, name: str) -> list[tuple[str, str]]:
    place = ".".join(f"`{part}`" for part in name.split("."))
    fields = spark.sql(f"select * from {place} limit 0").schema.fields
    return [(field.name, field.dataType.simpleString()) for field in fields]


def _signatures(settings: Settings, spark: Any, names: list[str]) -> dict[str, str]:
    for name in names:
        key = settings.home, name.lower()
        if key not in _columns or key not in _marks:
            found = columns(settings, spark, name)
            _marks[key] = hashlib.sha256(repr(found).encode()).hexdigest()[:16]
    return {name: _marks[settings.home, name.lower()] for name in names}


def _load(path: Path) -> dict[str, dict[str, Any]]:
    if path not in _kept:
        _kept[path] = {}
        if path.exists() and path.stat().st_size > LIMIT_BYTES:
            path.unlink()
        if path.exists():
            for line in path.read_text().splitlines():
                try:
                    key, found = json.loads(line)
                except ValueError:
                    # A command was killed while it wrote.
                    continue
                _kept[path][key] = found
    return _kept[path]


_versions: list[bytes] = []


def _version() -> bytes:
    if not _versions:
        texts = b"".join(path.read_bytes() for path in sorted(HERE.glob("*.py")))
        _versions.append(hashlib.sha256(texts).digest())
    return _versions[0]
