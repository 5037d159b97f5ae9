"""``crypto verify``: compute the tables again, in another order or on another engine, and compare every value.

A replay lands every row of ``bronze.trades`` again in a scratch home, with its recorded times: each file is cut into
pieces and each batch gets some of all files, so that every batch is late for every day. What changes in a home's life
changes here too: in the first batch a file is withdrawn, a symbol and an exchange are not known yet, and one file lands
twice. None of this shows in the end, so each silver and gold table must equal the live one.

`verify_models` computes the queries of single models once, over the live tables that they read.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.run.dbt_runner import parse_file
from ingestion import bronze
from lakehouse import engine
from lakehouse.engine import catalog
from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import SAIL, SPARK, Settings
from lakehouse.storage import lake

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Say = Callable[[str], None]
# Columns that depend on the order of arrival, and so are not compared.
LINEAGE = {"batch_id", "revision"}
# Tables that record the changes between runs, and so depend on the order of arrival.
HISTORY = {"candle_revisions"}
# Materializations whose tables equal their query.
TABLES = ("keyed_table", "table")
# Stands for the key of a table that has none: the place of a row in the order of all its values.
PLACE = "row_place"
EXAMPLES = 3
# Largest difference of gold's doubles between two engines, relative to the larger of the value and 1, and
# for differences of prices to the prices of the row: the close can be far below the averages that are subtracted.
TOLERANCE = 1e-12
PRICE_DIFFERENCES = {"macd", "macd_signal", "macd_histogram", "atr_14"}
PRICES = ("close", "ema_12", "ema_26")
# How the engines name themselves in the commits of a Delta log.
WRITERS = {"sail-delta-lake": SAIL, "Apache-Spark": SPARK}
# Name of the link in the scratch home that points to the live warehouse.
LIVE = "live"
# File of the data home that holds, by engine, the hash of each model's text that gave the live table there.
PASSED = "verified.json"


@dataclass(frozen=True)
class Difference:
    """A table that was not reproduced: what differs, as "3 rows", and examples as text."""

    table: str
    what: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Piece:
    """A piece of a landed file: the rows whose ``source_row``, divided by ``pieces``, leaves the remainder ``rest``."""

    source_file: str
    rest: int
    pieces: int


@dataclass(frozen=True)
class Changes:
    """What changes during a replay; None where the home has nothing to change.

    ``withdrawn`` is a file that counts from the second batch on; ``repeated`` one that the first batch lands whole,
    under the name ``copy``; ``unknown`` names, by table, what the reference data of the first batch lacks. From the
    third batch on nothing but new trades comes: what changes is screened again, and would heal what they get wrong.
    """

    withdrawn: str | None
    repeated: str | None
    unknown: dict[str, str]

    @property
    def copy(self) -> str:
        """The other name: it follows the file's own, which therefore wins where two rows are equal."""
        return f"{self.repeated}, repeated"

    def told(self) -> str:
        """Say what changes."""
        told = [f"{self.withdrawn} is withdrawn in the first batch"] if self.withdrawn else []
        told += [f"{self.repeated} lands twice"] if self.repeated else []
        told += [f"{' and '.join(self.unknown.values())} are unknown in the first batch"] if self.unknown else []
        return "; ".join(told)


@dataclass(frozen=True)
class Model:
    """A model that keeps a table: its name with the schema, the columns of its key, and its query."""

    table: str
    key: list[str]
    query: str

    @property
    def digest(self) -> str:
        """A hash of the query."""
        return hashlib.sha256(self.query.encode()).hexdigest()


def verify(settings: Settings, kind: str, seed: int, batches: int, say: Say) -> list[Difference]:
    """Replay the trades in the random order of ``seed``; return the tables that differ from the live ones.

    ``kind`` is the engine of the replay, `sail` or `spark`; ``say`` receives lines of progress. The engines compute
    logarithms and powers with different libraries, so gold's doubles may differ by TOLERANCE from those that the other
    engine has written; all other values must be equal.

    Raise CryptoError if nothing has landed yet or the replay itself fails.
    """
    files = _landed(settings)
    draw = random.Random(seed)
    plan = deal(files, draw, batches)
    with _scratch(settings, kind) as (scratch, spark):
        changes = _draw_changes(settings, scratch, spark, draw, files)
        if changes.told():
            say(f"In this replay {changes.told()}.")
        bronze.create_tables(spark, "bronze")
        for number, pieces in enumerate(plan, start=1):
            if number <= 2:
                _copy_reference(spark, scratch, changes, first=number == 1)
            _land(spark, scratch, number, pieces, changes)
            say(f"Batch {number} of {len(plan)}: {len(pieces):,} pieces of {len(files):,} files; building ...")
            models = _run(scratch)
        differences = (
            _compare(spark, scratch, model, _replayed(spark, model.table, changes), _writers(settings, model.table))
            for model in models
        )
        return [difference for difference in differences if difference]


def verify_models(settings: Settings, kind: str, selection: str | None, say: Say) -> list[Difference]:
    """Compute the queries of models on an engine over the live tables; return the tables that differ from the result.

    ``selection`` chooses models as dbt's ``--select`` does; None stands for those whose text has changed since they
    last passed on this engine, as the data home remembers. Types have to be equal too. ``say`` receives a line a model.

    Raise CryptoError if no model is chosen, or one of them has no table yet or can't be computed.
    """
    _landed(settings)
    passed = _passed(settings)
    known = passed.setdefault(kind, {})
    with _scratch(settings, kind) as (scratch, spark):
        # The catalog is still empty: every model compiles to the query of its first run.
        models = _compile(scratch, selection or "silver gold")
        if not models:
            raise CryptoError(
                "None of these models makes a table of its query; name one that does, such as market_overview."
            )
        if selection is None:
            models = [model for model in models if known.get(model.table) != model.digest]
        _register_live(settings, scratch, spark)
        found = []
        for model in models:
            if lake.table(settings, model.table) is None:
                raise CryptoError(f"{model.table} has not been built yet; run `crypto run` first.")
            say(f"Computing {model.table} ...")
            difference = _compute(spark, scratch, model, _writers(settings, model.table))
            if difference:
                found.append(difference)
                known.pop(model.table, None)
            else:
                known[model.table] = model.digest
    (settings.home / PASSED).write_text(json.dumps(passed, indent=1))
    say(f"Models computed: {len(models):,}; views and histories of changes are not, nor what has passed before.")
    return found


def deal(files: list[str], draw: random.Random, batches: int) -> list[list[Piece]]:
    """Cut each file into the same number of pieces, and deal them: every batch gets as many of each file.

    Of a file's rows, the first ``batches`` go to different batches, and so do the next ones, and so on: a file needs no
    more rows than there are batches to be in all of them. A single batch gets a second one without pieces, in which the
    reference data changes.
    """
    pieces = batches * draw.randint(2, 5)
    dealt: list[list[Piece]] = [[] for _ in range(max(batches, 2))]
    for file in sorted(files):
        for start in range(0, pieces, batches):
            order = draw.sample(range(batches), batches)
            for place, batch in enumerate(order):
                dealt[batch].append(Piece(file, start + place, pieces))
    return dealt


def _landed(settings: Settings) -> list[str]:
    ledger = lake.table(settings, "bronze.landed_files")
    rows = ledger.to_pyarrow_table(columns=["source_file", "row_count"]).to_pylist() if ledger else []
    if not rows or lake.table(settings, "gold.daily_metrics") is None:
        trades = "run `crypto run` first." if ledger is None else settings.no_trades
        raise CryptoError(f"There is nothing to verify yet; {trades}")
    return [row["source_file"] for row in rows if row["row_count"]]


@contextmanager
def _scratch(settings: Settings, kind: str) -> Iterator[tuple[Settings, SparkSession]]:
    """Yield settings and session of a scratch home; remove it and stop its engine afterwards."""
    home = Path(tempfile.mkdtemp(prefix="verify-", dir=settings.home))
    scratch = replace(settings, home=home, engine=kind, raw_bucket=None, processed_bucket=None, analytics_bucket=None)
    (home / LIVE).symlink_to(settings.warehouse, target_is_directory=True)
    if (parsed := parse_file(settings, scratch.target)).exists():
        parse_file(scratch, scratch.target).parent.mkdir(parents=True)
        shutil.copy(parsed, parse_file(scratch, scratch.target))
    try:
        spark = engine.session(scratch)
        try:
            yield scratch, spark
        finally:
            # Stop the session first: without its engine it would try to reconnect when Python exits.
            spark.stop()
    finally:
        engine.stop(scratch)
        shutil.rmtree(home, ignore_errors=True)


def _live(scratch: Settings, table: str) -> str:
    return f"delta.`{engine.path(scratch, scratch.home / LIVE)}/{table.replace('.', '.db/')}`"


def _draw_changes(
    settings: Settings, scratch: Settings, spark: SparkSession, draw: random.Random, files: list[str]
) -> Changes:
    gone = lake.read(settings, "bronze.withdrawn_files", ["source_file"])
    counting = sorted(set(files) - set(gone["source_file"].to_pylist() if gone else []))
    withdrawn, repeated = (draw.choice(counting), draw.choice(counting)) if counting else (None, None)
    unknown = {}
    for table, column in (("symbols", "symbol"), ("exchanges", "exchange")):
        screened = spark.table(_live(scratch, "silver.screened_trades")).where("reason is null")
        traded = sorted(row[0] for row in screened.select(column).distinct().collect())
        # Without its only symbol, a home would have no candle before the second batch, and nothing to merge.
        if len(traded) > 1:
            unknown[table] = draw.choice(traded)
    return Changes(withdrawn, repeated, unknown)


def _copy_reference(spark: SparkSession, scratch: Settings, changes: Changes, *, first: bool) -> None:
    from pyspark.sql import functions as f

    for table, column in (("symbols", "symbol"), ("exchanges", "exchange")):
        rows = spark.table(_live(scratch, f"bronze.{table}"))
        if first and table in changes.unknown:
            rows = rows.where(f.col(column) != changes.unknown[table])
        _overwrite(spark, table, rows)
    withdrawn = spark.table(_live(scratch, "bronze.withdrawn_files"))
    if first and changes.withdrawn:
        row = {"source_file": changes.withdrawn, "reason": "in the first batch", "withdrawn_at": datetime.now(UTC)}
        withdrawn = withdrawn.unionByName(bronze.frame(spark, "withdrawn_files", [row]))
    _overwrite(spark, "withdrawn_files", withdrawn)


def _overwrite(spark: SparkSession, table: str, rows: DataFrame) -> None:
    spark.sql(f"insert overwrite bronze.{table} select * from {{rows}}", rows=rows)


def _land(spark: SparkSession, scratch: Settings, number: int, pieces: list[Piece], changes: Changes) -> None:
    from pyspark.sql import functions as f

    trades = spark.table(_live(scratch, "bronze.trades"))
    landing = []
    if pieces:
        chosen = spark.createDataFrame(
            [(piece.source_file, piece.rest) for piece in pieces], "chosen_file string, rest bigint"
        )
        is_chosen = (f.col("source_file") == f.col("chosen_file")) & (
            f.col("source_row") % pieces[0].pieces == f.col("rest")
        )
        landing.append(trades.join(chosen, is_chosen))
    if number == 1 and changes.repeated:
        copied = trades.where(f.col("source_file") == changes.repeated)
        landing.append(copied.withColumn("source_file", f.lit(changes.copy)))
    for rows in landing:
        rows.withColumn("batch_id", f.lit(number).cast("bigint")).select(*bronze.TABLES["trades"].names).write.mode(
            "append"
        ).saveAsTable("bronze.trades")


def _run(scratch: Settings) -> list[Model]:
    """Build silver and gold with a plain ``dbt run``."""
    return _tables(_dbt(scratch, ["run", "--select", "silver", "gold"], "The replay could not be built"))


def _compile(scratch: Settings, selection: str) -> list[Model]:
    words = [f"{word},resource_type:model" for word in selection.split()]
    nodes = _dbt(scratch, ["compile", "--select", *words], "The models could not be compiled")
    if not nodes:
        raise CryptoError(f"{selection!r} chooses no model; name one, or choose some as `dbt ls --select` does.")
    return _tables(nodes)


def _dbt(scratch: Settings, command: list[str], failed: str) -> list[dict]:
    """Run a command of dbt in the scratch home; return the nodes that it ran, with their compiled code."""
    target = scratch.home / "dbt"
    arguments = ["--quiet", *command, "--project-dir", str(scratch.project), "--profiles-dir", str(scratch.project)]
    arguments += ["--target", scratch.target, "--target-path", str(target), "--log-path", str(target)]
    environment = os.environ | {"CRYPTO_HOME": str(scratch.home)}
    environment |= dict.fromkeys(("RAW_BUCKET", "PROCESSED_BUCKET", "ANALYTICS_BUCKET"), "")
    done = subprocess.run(
        [str(Path(sys.prefix) / "bin" / "dbt"), *arguments],
        cwd=scratch.project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise CryptoError(f"{failed}; dbt reported: {lines[-1].strip()}")
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    results = json.loads((target / "run_results.json").read_text())["results"]
    return [nodes[result["unique_id"]] | {"compiled_code": result["compiled_code"]} for result in results]


def _tables(nodes: list[dict]) -> list[Model]:
    return sorted(
        (
            Model(f"{node['schema']}.{node['name']}", node["config"]["unique_key"] or [], node["compiled_code"])
            for node in nodes
            if node["config"]["materialized"] in TABLES and node["name"] not in HISTORY
        ),
        key=lambda model: model.table,
    )


def _passed(settings: Settings) -> dict[str, dict[str, str]]:
    file = settings.home / PASSED
    return json.loads(file.read_text()) if file.exists() else {}


def _register_live(settings: Settings, scratch: Settings, spark: SparkSession) -> None:
    """Give the scratch catalog the live tables, where they are, and the live views; nothing writes to them."""
    views = []
    for layer in lake.all_layers(settings):
        spark.sql(f"create schema if not exists `{layer.schema}`")
        for table in layer.tables():
            columns = ""
            if scratch.engine == SAIL and (found := lake.table(settings, f"{layer.schema}.{table}")):
                # Sail shows no columns for a table that is registered without.
                required = {field.name for field in found.schema().fields if not field.nullable}
                typed = (
                    f"`{name}` {kind}{' not null' * (name in required)}"
                    for name, kind in lake.column_types(found).items()
                )
                columns = f"({', '.join(typed)})"
            place = f"{engine.path(scratch, scratch.home / LIVE)}/{layer.schema}.db/{table}".replace("'", "\\'")
            spark.sql(f"create table `{layer.schema}`.`{table}` {columns} using delta location '{place}'")
        views += layer.views(sail=scratch.engine == SAIL)
    catalog.create_views(spark, views)


def _compute(spark: SparkSession, scratch: Settings, model: Model, writers: set[str]) -> Difference | None:
    """Compute a model's query; return None if the live table has its types and values."""
    from dbt.adapters.localspark.guard import verdicts
    from pyspark.errors import PySparkException

    text = model.query
    if scratch.engine == SAIL:
        # As the adapter sends it; what the guard refuses has not become a table.
        text = verdicts.verdict(scratch, spark, text).get("sql", text)
    try:
        query = spark.sql(text)
        if "is_deleted" in query.columns:
            query = query.where("not is_deleted").drop("is_deleted")
        live, computed = dict(spark.table(_live(scratch, model.table)).dtypes), dict(query.dtypes)
        if live != computed:
            names = [name for name in live | computed if live.get(name) != computed.get(name)]
            told = (f"{name} is {live.get(name)}, the query gives {computed.get(name)}" for name in names)
            return Difference(model.table, f"{len(names)} columns", tuple(told))
        return _compare(spark, scratch, model, query, writers)
    except PySparkException as error:
        raise CryptoError(f"{model.table} can't be computed on this engine: {first_line(error)}") from error


def _replayed(spark: SparkSession, table: str, changes: Changes) -> DataFrame:
    """Return a table of the replay, without the rejected rows of the file that has landed twice."""
    from pyspark.sql import functions as f

    rows = spark.table(table)
    if {"source_file", "reason"} <= set(rows.columns) and changes.repeated:
        rows = rows.where((f.col("source_file") != changes.copy) | f.col("reason").isNull())
    return rows


def _writers(settings: Settings, table: str) -> set[str]:
    """Return the engines that have written a live table, as far back as its log goes."""
    found = lake.table(settings, table)
    commits = found.history() if found else []
    names = {commit.get("engineInfo", "").split(":")[0].split("/")[0] for commit in commits}
    return {WRITERS[name] for name in names if name in WRITERS}


def _compare(
    spark: SparkSession, scratch: Settings, model: Model, replay: DataFrame, writers: set[str]
) -> Difference | None:
    """Compare rows with those of the live table by its key; return None if all values are equal.

    If another engine is one of the live table's ``writers``, gold's doubles may differ by TOLERANCE.
    """
    columns = [column for column in replay.columns if column not in LINEAGE]
    values = [column for column in columns if column not in model.key]
    types, key, selected = dict(replay.dtypes), model.key, ", ".join(columns)
    if not key:
        # Doubles last: they may differ in their last digits, by which the order must not change.
        order = ", ".join(sorted(columns, key=lambda column: types[column] == "double"))
        key, selected = [PLACE], f"{selected}, row_number() over (order by {order}) as {PLACE}"
    on = " and ".join(f"live.{column} <=> replay.{column}" for column in key)
    tolerant = bool(writers - {scratch.engine}) and model.table.startswith("gold.")
    differs = " or ".join(_differs(column, tolerant and types[column] == "double") for column in values)
    rows = spark.sql(
        f"""
        select struct(live.*) as live, struct(replay.*) as replay, count(*) over () as keys
        from (select {selected}, true as here from {_live(scratch, model.table)}) as live
        full outer join (select {selected}, true as here from {{replay}}) as replay on {on}
        where live.here is null or replay.here is null or {differs or "false"}
        order by {", ".join(f"coalesce(live.{column}, replay.{column})" for column in key)}
        limit {EXAMPLES}
        """,
        replay=replay,
    ).collect()
    if not rows:
        return None
    examples = tuple(_describe(row.live, row.replay, key, values) for row in rows)
    return Difference(model.table, f"{rows[0].keys:,} rows", examples)


def _differs(column: str, tolerant: bool) -> str:
    distinct = f"live.{column} is distinct from replay.{column}"
    if not tolerant:
        return distinct
    distance = f"abs(live.{column} - replay.{column})"
    scales = [column, *(PRICES if column in PRICE_DIFFERENCES else ())]
    allowed = f"{TOLERANCE}d * greatest(1d, {', '.join(f'abs(live.{scale})' for scale in scales)})"
    return f"({distinct} and not coalesce({distance} <= {allowed}, false))"


def _describe(live: Any, replay: Any, key: list[str], values: list[str]) -> str:
    row = live if live.here else replay
    key_text = ", ".join(f"{column}={row[column]}" for column in key)
    if not (live.here and replay.here):
        return f"{key_text}: only {'in the live table' if live.here else 'in the replay'}"
    column = max(
        (column for column in values if live[column] != replay[column]),
        key=lambda column: _distance(live[column], replay[column]),
    )
    return f"{key_text}: {column} is {live[column]}, the replay gives {replay[column]}"


def _distance(one: Any, other: Any) -> float:
    """Return the relative distance of two floats, and infinity for other values."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) / max(abs(one), abs(other))
    return float("inf")
