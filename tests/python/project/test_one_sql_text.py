"""One SQL text: both targets compute with the same statements, relation names and table DDL aside."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse.settings import LAYERS

TARGETS = ("local", "databricks")
PROFILES = """
crypto:
    target: local
    outputs:
        local: {type: localspark, schema: default, threads: 1}
        databricks:
            {type: databricks, host: nowhere.example, http_path: /sql/1.0/warehouses/none, token: none, catalog: main,
            schema: default, threads: 1}
"""
# A definition with a query in it; what stands between the name and the query is table DDL.
DEFINITION = re.compile(r"create (?:or replace )?(?:temporary )?(table|view) (\S+) (.*)", re.IGNORECASE)
QUERY = re.compile(r"(?:^|.*? )as (\(? ?(?:-- Grain|with |select ).*)", re.IGNORECASE)
# What asks for or changes the definition of a table, not its rows.
DDL = re.compile(r"(alter|drop|show|describe|comment|select .*\binformation_schema\.)\b", re.IGNORECASE)
# dbt's own merge of a snapshot names the columns on one target and says * on the other.
SNAPSHOT_INSERT = re.compile(r"(when not matched .* then insert) .*", re.IGNORECASE)
# Before what the adapter adds to a Python model.
OWN_CODE = "# This part is user provided model code"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, Any]]]:
    """What each target is sent, by pass and node."""
    folder = tmp_path_factory.mktemp("rendering")
    (folder / "profiles.yml").write_text(PROFILES)
    running = {
        target: subprocess.Popen(
            [sys.executable, "-m", "support.rendering", target, folder],
            env={
                "PYTHONPATH": str(PROJECT / "tests/python"),
                "PATH": "/usr/bin:/bin",
                "HOME": str(folder),
                "CRYPTO_HOME": str(folder / "home"),
            }
            | no_settings(),
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for target in TARGETS
    }
    found = {}
    for target, process in running.items():
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, output[-3000:] + errors[-3000:]
        found[target] = json.loads(output.splitlines()[-1])
    assert not (folder / "home").exists(), "something was started"
    return found


def computing(statements: list[str], node: str) -> list[str]:
    """Return the statements that compute rows, without what tells one target's names from the other's."""
    if node.endswith(".postgres_sync"):
        return [text.split(OWN_CODE)[0] for text in statements if OWN_CODE in text]
    found = []
    for statement in statements:
        text = " ".join(statement.replace("`", "").split())
        text = re.sub(r"\bmain\.", "", text)
        text = re.sub(r"\b\w+\.(\w+__dbt_tmp)\b", r"\1", text)
        if definition := DEFINITION.match(text):
            query = QUERY.match(definition[3])
            # The text of a column's comment may say " as " too: a table with columns has no query.
            if query and not definition[3].startswith("("):
                found.append(f"{definition[2]} is {bare(query[1])}")
        elif node.startswith("snapshot.") and text.startswith("merge"):
            found.append(SNAPSHOT_INSERT.sub(r"\1", text))
        elif not DDL.match(text):
            found.append(text)
    return found


def bare(query: str) -> str:
    """Return a query without the parentheses around the whole of it."""
    return query[1:-1].strip() if query.startswith("(") and query.endswith(")") else query.strip()


@pytest.mark.parametrize("state", ["full", "incremental"])
def test_both_targets_compute_with_the_same_text(sent, state):
    local, databricks = (sent[target][state] for target in TARGETS)
    assert local.keys() == databricks.keys()
    # dbt's adapters load a seed, a file of constants, each in its own way.
    nodes = [node for node in local if node and not node.startswith("seed.")]
    texts = {node: (computing(local[node], node), computing(databricks[node], node)) for node in nodes}
    assert {node.split(".")[0] for node in nodes} == {"model", "snapshot", "test"}
    assert [node for node, (one, _) in texts.items() if not one] == []
    assert {node: both for node, both in texts.items() if both[0] != both[1]} == {}


def test_the_two_passes_take_both_branches(sent):
    for target in TARGETS:
        full, incremental = sent[target]["full"], sent[target]["incremental"]
        candles = "model.crypto.candles_1m"
        assert any(text.startswith("insert into") for text in full[candles])
        assert any(text.startswith("merge into") for text in incremental[candles])
        revisions = incremental["model.crypto.candle_revisions"]
        assert any(text.startswith("merge into") for text in revisions)
        (staged,) = [text for text in revisions if "version as of" in text]
        assert re.findall(r"candles_1d`? version as of (\d)", staged) == ["5", "6", "6", "7"]
        assert any(text.startswith("merge into") for text in incremental["snapshot.crypto.symbols_history"])


def test_table_ddl_of_databricks_has_keys_clustering_and_tags(sent):
    said = "\n".join(sent["databricks"]["full"]["model.crypto.trading_indicators"]).replace("`", "")
    assert "primary key (symbol, metric_date)" in said
    assert "foreign key (symbol, metric_date)" in said and "references main.gold.daily_metrics" in said
    assert "SET TAGS" in said and "'layer' = 'gold'" in said
    screened = "\n".join(sent["databricks"]["full"]["model.crypto.screened_trades"])
    assert "CLUSTER BY (traded_at)" in screened
    local = "\n".join(text for texts in sent["local"]["full"].values() for text in texts).lower()
    assert "primary key" not in local and "cluster by" not in local and "set tags" not in local


def test_every_node_tags_its_queries_whatever_the_profile(sent):
    """In a job the profile is Databricks' own."""
    tags = sent["databricks"]["tags"]
    assert {name.split(".")[0] for name in tags} >= {"model", "seed", "snapshot", "test"}
    assert [name for name, found in tags.items() if found.get("project") != "crypto"] == []
    assert tags["model.crypto.candles_1m"]["@@dbt_model_name"] == "candles_1m"


def test_a_layer_has_the_schema_of_its_bucket():
    buckets = {"RAW_BUCKET": "raw", "PROCESSED_BUCKET": "processed", "ANALYTICS_BUCKET": ""}
    said: list[str] = []

    def statement(_: str, caller: Callable[[], str]) -> str:
        said.append(" ".join(caller().split()))
        return ""

    given = {
        "return": str,
        "env_var": buckets.get,
        "var": {"schema_prefix": "dev_jane_"}.get,
        "statement": statement,
    }
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    text = (PROJECT / "macros" / "schemas" / "create_schema.sql").read_text()
    module = environment.from_string(text, given).module
    expected = []
    for layer, bucket in (LAYERS | {"other": ""}).items():
        name = f"main.dev_jane_{layer}"
        module.databricks__create_schema(SimpleNamespace(schema=f"dev_jane_{layer}", without_identifier=name.strip))
        place = f" managed location 's3://{buckets[bucket]}/tables/dev_jane_{layer}'" if buckets.get(bucket) else ""
        expected.append(f"create schema if not exists {name}{place}")
    assert said == expected
    assert "create schema if not exists main.dev_jane_gold" in said
    assert "create schema if not exists main.dev_jane_bronze managed location 's3://raw/tables/dev_jane_bronze'" in said
