"""What runs cost: a run its seconds, its nodes their shares, against a budget."""

import json

import pytest
from conftest import PROJECT, empty

from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.run import history


def given(tmp_path, **values):
    return settings_module.load(empty() | {"CRYPTO_HOME": str(tmp_path / "home")} | values, PROJECT)


def results(**seconds):
    """Return what dbt writes, for nodes named kind__name and their seconds."""
    return {
        "metadata": {"generated_at": "2026-01-02T03:04:05.678901Z"},
        "elapsed_time": 60.0,
        "args": {},
        "results": [
            {
                "unique_id": f"{name.split('__')[0]}.crypto.{name.split('__')[1]}",
                "status": "pass" if name.startswith("test") else "success",
                "execution_time": time,
                "compiled_code": "select 1",
            }
            for name, time in seconds.items()
        ],
    }


def run(settings, name, ok=True, seconds=90.0, **nodes):
    settings.home.mkdir(exist_ok=True)
    artifact = settings.home / "run_results.json"
    artifact.write_text(json.dumps(results(**nodes)))
    history.remember(
        settings, name, {"ok": ok, "seconds": seconds}, {"build": artifact, "checks": settings.home / "none"}
    )


def test_nodes_share_the_cost_of_their_run_by_their_seconds(tmp_path):
    settings = given(tmp_path, CRYPTO_HOUR_PRICE="3.6")
    run(settings, "20260102T030405-1", operation__hook=0.0, model__a=30.0, model__b=60.0, test__c=10.0)
    (found,) = history.runs(settings)
    assert (found.at, found.cost, found.over_budget) == ("2026-01-02 03:04:05", pytest.approx(0.09), False)
    assert [(node.name, node.kind, node.cost) for node in found.nodes] == [
        ("b", "model", pytest.approx(0.054)),
        ("a", "model", pytest.approx(0.027)),
        ("c", "test", pytest.approx(0.009)),
    ]
    kept = json.loads((settings.home / "runs" / "20260102T030405-1" / "build.json").read_text())
    assert [result["compiled_code"] for result in kept["results"]] == [None] * 4


def test_a_run_is_over_budget_only_beyond_it(tmp_path):
    for budget, over in (("0.0901", False), ("0.0899", True), ("", False)):
        settings = given(tmp_path, CRYPTO_HOUR_PRICE="3.6", CRYPTO_RUN_BUDGET=budget)
        run(settings, "20260102T030405-1")
        assert history.runs(settings)[0].over_budget == over


def test_the_newest_run_comes_first_and_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "KEPT_RUNS", 2)
    settings = given(tmp_path)
    for day in (1, 2, 3):
        run(settings, f"2026010{day}T000000-9", model__a=1.0)
    assert [found.at[:10] for found in history.runs(settings)] == ["2026-01-03", "2026-01-02"]
    assert sorted(path.name for path in (settings.home / "runs").iterdir()) == [
        "20260102T000000-9",
        "20260102T000000-9.json",
        "20260103T000000-9",
        "20260103T000000-9.json",
    ]


def test_a_file_of_results_from_elsewhere_is_read(tmp_path, capsys):
    settings = given(tmp_path, CRYPTO_HOUR_PRICE="60", CRYPTO_RUN_BUDGET="0.5")
    path = tmp_path / "run_results.json"
    path.write_text(json.dumps(results(model__a=1.0, model__b=3.0)))
    history.show(settings, count=1, results=path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    (found,) = told["runs"]
    assert told["run_budget"] == 0.5 and found["cost"] == pytest.approx(1.0) and found["over_budget"]
    assert [(node["name"], node["cost"]) for node in found["nodes"]] == [("b", 0.75), ("a", 0.25)]
    history.show(settings, count=1, results=path)
    assert "over budget" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": []}'])
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(CryptoError, match=r"no run_results\.json"):
        history.show(given(tmp_path), count=1, results=path)
    with pytest.raises(CryptoError, match=r"no run_results\.json"):
        history.show(given(tmp_path), count=1, results=tmp_path / "missing.json")


def test_without_a_run_it_says_so(tmp_path, capsys):
    history.show(given(tmp_path), count=1)
    assert capsys.readouterr().out == "No run yet; `crypto run` makes one.\n"


def test_the_query_for_databricks_shares_each_hour_by_work(spark, schema):
    """Databricks' system tables can't be had here: the same query reads tables of the same columns."""
    spark.sql(f"""
        create table {schema}.history using delta as
        select
            named_struct('warehouse_id', warehouse) as compute,
            cast(current_date() - interval 1 day as timestamp) + make_interval(0, 0, 0, 0, 3, minute) as start_time,
            map('project', project, '@@dbt_model_name', node) as query_tags,
            cast(work as bigint) as execution_duration_ms
        from values
            ('w1', 5, 'crypto', 'candles_1m', 3000), ('w1', 59, 'crypto', 'candles_1m', 1000),
            ('w1', 7, 'crypto', null, 2000), ('w1', 8, 'other', 'x', 4000), (null, 9, 'crypto', 'on_a_cluster', 5)
            as given (warehouse, minute, project, node, work)
    """)
    spark.sql(f"""
        create table {schema}.usage using delta as
        select
            named_struct('warehouse_id', 'w1') as usage_metadata, current_date() - interval 1 day as usage_date,
            cast(current_date() - interval 1 day as timestamp) + make_interval(0, 0, 0, 0, hour, 0) as usage_start_time,
            'SQL' as sku_name, 'DBU' as usage_unit, cast(4 as decimal(38, 18)) as usage_quantity
        from values (3), (4) as given (hour)
    """)
    spark.sql(f"""
        create table {schema}.list_prices using delta as
        select
            'SQL' as sku_name, 'DBU' as usage_unit, 'USD' as currency_code, since as price_start_time,
            until as price_end_time,
            named_struct('effective_list', named_struct('default', cast(dollars as decimal(38, 18)))) as pricing
        from values
            (timestamp'2020-01-01', timestamp'2021-01-01', 9), (timestamp'2021-01-01', null, 0.5)
            as given (since, until, dollars)
    """)
    query = (PROJECT / "resources" / "databricks_costs.sql").read_text()
    for system in ("query.history", "billing.usage", "billing.list_prices"):
        query = query.replace(f"from system.{system}", f"from {schema}.{system.split('.')[1]}")
    assert "from system." not in query
    rows = [tuple(row)[1:] for row in spark.sql(query).collect()]
    found = [(name, count, float(time), float(dbus), float(cost)) for name, count, time, dbus, cost in rows]
    assert found == [("candles_1m", 2, 4.0, 1.6, 0.8), ("(no node)", 1, 2.0, 0.8, 0.4)]
