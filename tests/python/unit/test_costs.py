"""What runs cost: a run its seconds, its nodes their shares, against a budget."""

import json

import pytest
from support.isolation import no_settings
from support.project import PROJECT

from commands.inspect import costs
from commands.run import history
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError


def given(tmp_path, **values):
    return settings_module.load(no_settings() | {"CRYPTO_HOME": str(tmp_path / "home")} | values, PROJECT)


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
                "message": None,
                "failures": 0 if name.startswith("test") else None,
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
    history.save(settings, name, {"ok": ok, "seconds": seconds}, {"build": artifact, "checks": settings.home / "none"})


def test_nodes_share_the_cost_of_their_run_by_their_seconds(tmp_path):
    settings = given(tmp_path, CRYPTO_HOUR_PRICE="3.6")
    run(settings, "20260102T030405-1", operation__hook=0.0, model__a=30.0, model__b=60.0, test__c=10.0)
    (found,) = history.runs(settings)
    assert (found.at, found.cost, found.over_budget) == ("2026-01-02 03:04:05", pytest.approx(0.09), False)
    assert [(node.name, node.kind, found.cost_of(node)) for node in found.nodes] == [
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
    monkeypatch.setattr(history, "KEPT_RUNS", 2)
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
    costs.show(settings, count=1, results=path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    (found,) = told["runs"]
    assert told["run_budget"] == 0.5 and found["cost"] == pytest.approx(1.0) and found["over_budget"]
    assert [(node["name"], node["cost"]) for node in found["nodes"]] == [("b", 0.75), ("a", 0.25)]
    costs.show(settings, count=1, results=path)
    assert "over budget" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": []}'])
def test_another_file_is_refused_in_a_sentence(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(CryptoError, match=r"not a run_results\.json"):
        costs.show(given(tmp_path), count=1, results=path)
    with pytest.raises(CryptoError, match=r"not a run_results\.json"):
        costs.show(given(tmp_path), count=1, results=tmp_path / "missing.json")


def test_without_a_run_it_says_so(tmp_path, capsys):
    costs.show(given(tmp_path), count=1)
    assert capsys.readouterr().out == "No run yet; `crypto run` makes one.\n"
