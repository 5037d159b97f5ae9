"""Alerts of whole runs: the way to look at rows works, and a run over its budget alerts."""

import json
import shutil

import pytest

from commands.run import alerts, pipeline


def test_the_way_to_look_at_the_rows_works(user, first_run, engine_settings, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    source = pipeline.target_folder(engine_settings, "local")
    shutil.copy(source / "manifest.json", target)
    told = json.loads((source / "run_results.json").read_text())
    (test,) = [one for one in told["results"] if "assert_every_raw_row_counts_or_has_a_reason" in one["unique_id"]]
    test |= {"status": "warn", "failures": 2}
    (target / "run_results.json").write_text(json.dumps(told))
    (found,) = alerts.findings(target)
    assert found.rows == 2
    user(*found.look.replace(".venv/bin/", "").split())


@pytest.mark.long
def test_a_run_over_budget_fails_if_so_set_and_alerts(user, first_run, receiver):
    address, taken = receiver
    values = {"CRYPTO_RUN_BUDGET": "0.000001", "CRYPTO_OVER_BUDGET": "fail", "CRYPTO_WEBHOOK_URL": address}
    said = user("crypto", "run", fails=True, **values)
    assert "more than its budget" in said and "canary" not in said
    (alert,) = taken
    assert alert["over_budget"] and not alert["ok"] and alert["failing"] == []
    values |= {"CRYPTO_OVER_BUDGET": "warn", "CRYPTO_WEBHOOK_URL": "http://127.0.0.1:9/canary"}
    said = user("crypto", "run", **values)
    assert "Done, with 1 thing to look at." in said and "could not be sent" in said and "canary" not in said
