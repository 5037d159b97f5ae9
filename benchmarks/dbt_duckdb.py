"""The project's models and data tests as a dbt-duckdb project, to compare the time of the same nodes without Spark.

``write`` creates the project from a manifest that ``dbt compile --full-refresh`` has written: sqlglot translates each
compiled query, and relation names become ``ref()``. Nodes that only exist for Spark or Postgres are left out (the
revisions of candles, snapshots, the sync, the views for dashboards), and so are their tests.
"""

import json
import re
from pathlib import Path

import sqlglot
import yaml
from sqlglot import exp

SCHEMAS = ("silver", "gold")
LEFT_OUT = ("candle_revisions",)

# Spark's functions that DuckDB lacks, and the bronze tables, read directly from the raw files.
START = """
create schema if not exists bronze;
create or replace macro btrim(text, those) as trim(text, those);
create or replace macro pmod(number, divisor) as ((number % divisor) + divisor) % divisor;
create or replace macro timestamp_seconds(seconds) as to_timestamp(seconds);
create or replace macro xxhash64(text) as cast(hash(text) >> 1 as bigint);
create or replace table bronze.trades as
    select
        trade_id, symbol, price, volume, trade_type, exchange, cast("timestamp" as timestamptz) as "timestamp", user_id,
        filename as source_file, file_row_number as source_row, now() as file_modified_at,
        now() as ingestion_timestamp, 1 as batch_id, cast(null as varchar) as _rescued_data
    from read_parquet('{landing}/**/*.parquet', filename = true, file_row_number = true);
create or replace table bronze.symbols as
    select * from (values {symbols}) as rows (symbol, name, category, is_active);
create or replace table bronze.exchanges as
    select * from (values {exchanges}) as rows (exchange, name, country, website);
create or replace table bronze.withdrawn_files (source_file varchar, reason varchar, withdrawn_at timestamptz);
"""


def write(manifest: Path, landing: Path, reference: dict[str, list[tuple]], folder: Path) -> int:
    """Write the project into ``folder``; return its number of models and tests.

    ``landing`` is the folder of raw files; ``reference`` has the rows of ``symbols`` and ``exchanges``.
    """
    nodes = json.loads(manifest.read_text())["nodes"].values()
    models = {
        node["unique_id"]: node
        for node in nodes
        if node["resource_type"] in ("model", "seed") and node["schema"] in SCHEMAS and node["name"] not in LEFT_OUT
    }
    tests = [
        node
        for node in nodes
        if node["resource_type"] == "test"
        and node.get("compiled_code")
        and all(name in models for name in node["depends_on"]["nodes"] if not name.startswith("source"))
    ]
    names = {f"{node['schema']}.{node['name']}": node["name"] for node in models.values()}
    for node in models.values():
        if node["resource_type"] == "seed":
            target = folder / "seeds" / f"{node['name']}.csv"
            text = (Path(node["root_path"]) / node["original_file_path"]).read_text()
        else:
            target = folder / "models" / f"{node['name']}.sql"
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            text = f"{{{{ config(materialized='{kind}', schema='{node['schema']}') }}}}\n{translated(node, names)}"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    (folder / "tests").mkdir()
    for node in tests:
        (folder / "tests" / f"{node['name'][:100]}.sql").write_text(translated(node, names))
    start = START.format(landing=landing, **{name: literals(rows) for name, rows in reference.items()})
    (folder / "dbt_project.yml").write_text(
        yaml.safe_dump(
            {
                "name": "peer",
                "profile": "peer",
                "flags": {"send_anonymous_usage_stats": False},
                "on-run-start": [statement for statement in start.split(";") if statement.strip()],
                "seeds": {"+schema": "silver"},
            }
        )
    )
    output = {
        "type": "duckdb",
        "path": f"{folder}/peer.duckdb",
        "threads": 4,
        "settings": {"TimeZone": "UTC", "threads": 2},
    }
    (folder / "profiles.yml").write_text(yaml.safe_dump({"peer": {"target": "it", "outputs": {"it": output}}}))
    (folder / "macros").mkdir()
    (folder / "macros" / "names.sql").write_text(
        "{% macro generate_schema_name(name, node) %}{{ name or 'main' }}{% endmacro %}"
    )
    return len(models) + len(tests)


def translated(node: dict, names: dict[str, str]) -> str:
    """Return a compiled query in DuckDB's SQL, with ``ref()`` for the relations of the project."""
    text = sqlglot.parse_one(node["compiled_code"], read="databricks").transform(adapted).sql("duckdb")
    return re.sub(r"\b(silver|gold)\.(\w+)\b", lambda match: reference_to(match, names), text)


def reference_to(match: re.Match, names: dict[str, str]) -> str:
    """Return ``ref()`` for a relation of the project, and other names as they are."""
    name = names.get(match[0])
    return f"{{{{ ref('{name}') }}}}" if name else match[0]


def adapted(node: exp.Expression) -> exp.Expression:
    """Return an expression that DuckDB computes as Spark does: exact products, whole seconds, series of days, folds."""
    if isinstance(node, exp.Mul) and {node.this.name, node.expression.name} == {"price", "volume"}:
        return exp.Mul(this=exp.cast(node.this, "decimal(38, 8)"), expression=node.expression)
    if isinstance(node, exp.Mul) and isinstance(node.expression, exp.Cast):
        # DuckDB multiplies decimals of up to 18 digits in that width.
        wide = exp.Cast(this=node.this, to=exp.DataType.build("decimal(38, 16)"))
        return exp.Mul(this=wide, expression=node.expression)
    if isinstance(node, exp.UnixSeconds):
        # Spark truncates to whole seconds, but DuckDB's cast to bigint would round.
        return exp.IntDiv(this=exp.func("epoch_us", node.this), expression=exp.convert(1_000_000))
    if isinstance(node, exp.GenerateSeries) and not node.args.get("step"):
        node.set("step", exp.Interval(this=exp.Literal.string("1"), unit=exp.var("day")))
        return exp.cast(node, "date[]")
    if isinstance(node, exp.Reduce) and node.args.get("finish"):
        # DuckDB's list_reduce ends with the accumulator: a list of that one is transformed, and its element taken
        # (sqlglot counts from 0).
        finish = node.args["finish"].pop()
        return exp.Bracket(this=exp.func("list_transform", exp.array(node), finish), expressions=[exp.convert(0)])
    return node


def literals(rows: list[tuple]) -> str:
    """Return rows as the text of a ``values`` list."""
    return ", ".join(exp.convert(row).sql("duckdb") for row in rows)
