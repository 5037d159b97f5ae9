"""Queries as analysts write them, with Apache Spark's answers, and what becomes of each on Sail.

``tests/conformance/queries.jsonl`` has one query a line: its name, its text, and the types and rows that Apache Spark
answered, or the beginning of its error (ANSI mode, UTC; rows in no order). A new query needs a name and a text only.

``python -m tools.conformance --target spark`` asks Apache Spark for all answers and writes the file anew;
``python -m tools.conformance`` prints what becomes of the queries on Sail, and each one that differs.
"""

import argparse
import collections
import datetime
import decimal
import json
import math
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

FILE = Path(__file__).parents[1] / "tests" / "conformance" / "queries.jsonl"
# Engines may compute logarithms, powers and deviations with libraries of their own.
TOLERANCE = 1e-12
# Equal in value, and written otherwise; or left open by Spark.
REPRESENTATION = {
    "a double of 1e7 and more, or below 0.001, as text": (
        "math dbl to str2", "x: double 1e7", "x: concat double", "x str_num#5", "x str_num#8", "x str_num#14",
        "x str_num#20", "str 105", "str 106",
    ),
    "a number that get_json_object reads keeps the zeros of its text": ("x json#0", "coll 92"),
    "which of two equally frequent values is the mode": ("agg mode",),
    "the result of a command, not of a query": ("create temp view",),
    "Apache Spark has no qualify, Databricks has": ("qualify", "join 75", "difference: qualify"),
    "an array of a text and a number, which Spark refuses": ("coll 54",),
}  # fmt: skip
OUTCOMES = ("equal", "rewritten", "refused", "representation", "error", "silent")


def form(value: Any) -> Any:  # noqa: PLR0911
    """Return a value of an answer as JSON can hold it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, decimal.Decimal):
        return f"D{value:f}"
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return f"I{value.total_seconds()}"
    if isinstance(value, bytes | bytearray):
        return f"B{value.hex()}"
    if isinstance(value, dict):
        return {"map": sorted(([form(key), form(item)] for key, item in value.items()), key=str)}
    if isinstance(value, tuple):
        return {"row": [form(item) for item in value]}
    return [form(item) for item in value] if isinstance(value, list) else str(value)


def answer(spark: Any, sql: str) -> dict[str, Any]:
    """Return the types and rows of a query, or the beginning of its error."""
    try:
        frame = spark.sql(sql)
        types = [field.dataType.simpleString() for field in frame.schema.fields]
        rows = sorted(([form(value) for value in row] for row in frame.collect()), key=str)
    except Exception as error:
        return {"error": str(error).split("\n")[0][:100]}
    return {"types": types, "rows": rows}


def same(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, doubles within the tolerance."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if one == other:
        return True
    try:
        first, second = float(one), float(other)
    except (TypeError, ValueError):
        return False
    return (math.isnan(first) and math.isnan(second)) or math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=1e-15)


def outcome(query: dict[str, Any], found: dict[str, Any]) -> str:
    """Say what became of a query on Sail: one of OUTCOMES."""
    if any(query["name"] in names for names in REPRESENTATION.values()):
        return "representation"
    if "refused" in found:
        return "refused"
    if "error" in found:
        return "equal" if "error" in query else "error"
    if "error" in query or found["types"] != query["types"]:
        return "silent"
    if not same(*(sorted(each["rows"], key=str) for each in (found, query))):
        return "silent"
    return "rewritten" if found["rewritten"] else "equal"


def on_sail(
    spark: Any, queries: list[dict[str, Any]], *, guarded: bool = True
) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return what becomes of each query on Sail, read by the guard first, and what was answered."""
    from dbt.adapters.localspark import guard

    def ask(query: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        verdict = guard.judge(query["sql"], lambda name: None) if guarded else guard.Verdict(query["sql"])
        if verdict.refused:
            found: dict[str, Any] = {"refused": verdict.refused}
        else:
            found = answer(spark, verdict.sql) | {"rewritten": verdict.rewritten}
        return outcome(query, found), found

    with ThreadPoolExecutor(4) as pool:
        return dict(zip([query["name"] for query in queries], pool.map(ask, queries), strict=True))


def load() -> list[dict[str, Any]]:
    """Return the queries with Spark's answers."""
    return [json.loads(line) for line in FILE.read_text().splitlines()]


def main() -> None:
    """Ask one of the engines, in a data home of its own."""
    import crypto_lakehouse  # noqa: F401  # makes the project's packages known

    from lakehouse import engine, settings

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="local", choices=("local", "spark"))
    parser.add_argument("--unguarded", action="store_true", help="what Sail answers by itself")
    options = parser.parse_args()
    queries = load()
    with tempfile.TemporaryDirectory() as home:
        found = replace(settings.load({"CRYPTO_HOME": home}), engine=settings.SAIL)
        if options.target == "spark":
            found = replace(found, engine=settings.SPARK)
        spark = engine.session(found)
        try:
            if options.target == "spark":
                made = [{"name": each["name"], "sql": each["sql"]} | answer(spark, each["sql"]) for each in queries]
                FILE.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in made))
                return
            results = on_sail(spark, queries, guarded=not options.unguarded)
        finally:
            engine.forget(found)
            engine.stop(found)
    counts = collections.Counter(result for result, _ in results.values())
    print("| " + " | ".join(OUTCOMES) + " |\n" + "|---:" * len(OUTCOMES) + "|")
    print("| " + " | ".join(str(counts[name]) for name in OUTCOMES) + " |")
    for query in queries:
        result, answered = results[query["name"]]
        if result in ("silent", "error"):
            print(f"{result}: {query['name']}: {query['sql'][-200:]}\n    {str(answered)[:200]}")


if __name__ == "__main__":
    main()
