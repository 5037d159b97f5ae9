"""Alerts: what fails and warns, whose it is, how to look at it; and a receiver that is there, or down."""

import json
import sys

import pytest
from support.isolation import no_settings
from support.project import PROJECT

from commands.run import alerts, nodes, pipeline
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError

MANIFEST = {
    "nodes": {
        "model.crypto.prices": {
            "name": "prices",
            "package_name": "crypto",
            "resource_type": "model",
            "config": {"group": "market"},
        },
        "model.crypto.loose": {"name": "loose", "package_name": "crypto", "resource_type": "model", "config": {}},
        "test.crypto.prices_ok": {
            "name": "prices_ok",
            "package_name": "crypto",
            "resource_type": "test",
            "attached_node": "model.crypto.prices",
            "depends_on": {"nodes": ["model.crypto.prices", "model.crypto.loose"]},
        },
        "test.crypto.both_ok": {
            "name": "both_ok",
            "package_name": "crypto",
            "resource_type": "test",
            "depends_on": {"nodes": ["model.crypto.prices", "model.crypto.loose", "source.crypto.bronze.trades"]},
        },
    },
    "sources": {
        "source.crypto.bronze.trades": {
            "package_name": "crypto",
            "resource_type": "source",
            "config": {"meta": {"owner": "ingest"}},
        }
    },
    "groups": {"group.crypto.market": {"owner": {"name": "Market data", "email": "market@example.com"}}},
}


def result(name, status, failures=None, message=None):
    return {"unique_id": name, "status": status, "failures": failures, "message": message, "execution_time": 1.0}


@pytest.fixture
def target(tmp_path):
    folder = tmp_path / "dbt" / "target"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    results = [
        result("test.crypto.both_ok", "warn", 1200, "Got 1200 results, configured to warn if != 0"),
        result("model.crypto.loose", "error", None, "Runtime Error in model loose\n  The table is gone\n  at line 1"),
        result("test.crypto.prices_ok", "fail", 3, "Got 3 results, configured to fail if != 0"),
        result("model.crypto.prices", "success", None, "OK"),
        result("model.crypto.skipped", "skipped", None, None),
    ]
    (folder / "run_results.json").write_text(json.dumps({"metadata": {}, "elapsed_time": 1.0, "results": results}))
    return folder


def given(tmp_path, **values):
    return settings_module.load(no_settings() | {"CRYPTO_HOME": str(tmp_path / "home")} | values, PROJECT)


def test_failing_comes_before_warning_each_with_rows_owner_and_where_to_look(target):
    found = alerts.findings(target, option=" --target postgres")
    assert [(one.name, one.status, one.rows, one.owner) for one in found] == [
        ("loose", "error", None, "nobody"),
        ("prices_ok", "fail", 3, "market@example.com"),
        ("both_ok", "warn", 1200, "ingest, market@example.com"),
    ]
    assert found[0].message == "The table is gone" and found[0].look.endswith("logs/dbt.log")
    assert found[1].look == ".venv/bin/dbt show --target postgres --select prices_ok"


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "Runtime Error in model x (a.sql)\n  Runtime Error\n    [TABLE_LOST] It is gone.\n  more",
            "[TABLE_LOST] It is gone.",
        ),
        ("Database Error in test y (b.yml)\n  relation does not exist", "relation does not exist"),
        ("Got 3 results, configured to fail if != 0", "Got 3 results, configured to fail if != 0"),
        ("Runtime Error", "Runtime Error"),
        (None, ""),
    ],
)
def test_the_line_that_says_most_is_taken(message, line):
    assert nodes.telling_line(message) == line


def test_the_message_tells_people_and_programs(target):
    notice = "The run cost $0.0500, more than its budget of $0.01 (CRYPTO_RUN_BUDGET)."
    summary = {"ok": False, "seconds": 61.2, "notices": [notice]}
    alert = alerts.message(summary, alerts.findings(target))
    assert alert["text"].splitlines()[:4] == [
        "Crypto lakehouse: the run failed in 61 s, with 2 failing and 1 warning.",
        f"- {notice}",
        "- error model loose (owner: nobody): The table is gone",
        f"  look: {target.parent}/logs/dbt.log",
    ]
    assert "- warn test both_ok, 1,200 rows (owner: ingest, market@example.com)" in alert["text"]
    assert [one["name"] for one in alert["failing"]] == ["loose", "prices_ok"]
    assert [one["rows"] for one in alert["warning"]] == [1200] and alert["notices"] == [notice]


def test_an_alert_is_posted_as_json_with_all_that_programs_may_want(tmp_path, receiver, target):
    address, taken = receiver
    said = []
    alert = alerts.message({"ok": False, "seconds": 1.0}, alerts.findings(target))
    given_address = f"{address}?token=canary"
    assert alerts.send(given(tmp_path, CRYPTO_WEBHOOK_URL=given_address), alert, said.append)
    (body,) = taken
    assert said == ["An alert was sent."] and {"title": alerts.TITLE, "type": "failure"}.items() <= body.items()
    assert {name: body[name] for name in alert} == json.loads(json.dumps(alert))
    assert receiver.paths == ["/canary?token=canary"]


def test_several_receivers_are_told_each_in_its_own_form(tmp_path, receiver, target):
    address, taken = receiver
    slack_like = address.replace("http://", "json://") + "?:message=words"
    alert = alerts.message({"ok": True, "seconds": 1.0}, alerts.findings(target))
    assert alerts.send(given(tmp_path, CRYPTO_WEBHOOK_URL=f"{address} {slack_like}"), alert, list().append)
    assert taken[0]["text"] == taken[1]["words"] and taken[0]["type"] == taken[1]["type"] == "warning"


@pytest.mark.parametrize(
    ("address", "service"),
    [
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        # The address that a workflow of Teams or Power Automate shows; the connectors' old ones are gone.
        (
            "https://prod-01.westeurope.logic.azure.com:443/workflows/abcd1234/triggers/manual/paths/invoke"
            "?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=canary",
            "Power Automate / Workflows (for MSTeams)",
        ),
        ("mailto://user:secret@example.com", "E-Mail"),
    ],
)
def test_an_address_is_taken_as_the_service_shows_it(address, service):
    import apprise

    found = apprise.Apprise.instantiate(alerts._receiver(address, {"text": "x"}))
    assert str(found.service_name) == service


def test_without_a_webhook_nothing_is_sent_or_said(tmp_path):
    said = []
    assert not alerts.send(given(tmp_path), {}, said.append) and said == []


def test_a_receiver_that_is_down_or_broken_is_one_sentence_without_its_address(tmp_path, receiver, capfd):
    address, _ = receiver
    for url, why in (
        (f"{address}/broken", "it answered 500"),
        ("http://127.0.0.1:9/canary", "could not be sent;"),
        ("http://no.such.host.invalid/canary", "could not be sent;"),
        ("nothing://canary", "could not be sent;"),
    ):
        said = []
        assert not alerts.send(given(tmp_path, CRYPTO_WEBHOOK_URL=url), {"text": "x", "ok": False}, said.append)
        (sentence,) = said
        assert (
            why in sentence and "CRYPTO_WEBHOOK_URL" in sentence and "canary" not in sentence + str(capfd.readouterr())
        )


def test_without_the_library_the_alert_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    said = []
    assert not alerts.send(given(tmp_path, CRYPTO_WEBHOOK_URL="https://canary.example"), {"ok": False}, said.append)
    assert "apprise is not installed" in said[0] and "canary" not in said[0]


def test_a_run_that_cannot_start_alerts_and_still_fails(tmp_path, receiver, monkeypatch):
    address, taken = receiver

    def broken(*_, **__):
        raise CryptoError("Postgres does not answer.")

    monkeypatch.setattr(pipeline, "_run", broken)
    for url in (address, "http://127.0.0.1:9/"):
        with pytest.raises(CryptoError, match="does not answer"):
            pipeline.run(given(tmp_path, CRYPTO_WEBHOOK_URL=url), as_json=True)
    (alert,) = taken
    assert not alert["ok"] and "Postgres does not answer." in alert["text"]
