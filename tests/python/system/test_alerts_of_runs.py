"""What test_alerts.py checks, where it needs servers or a whole run."""

import http.server
import json
import shutil
import threading

import pytest

from lakehouse.run import alerts, pipeline

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
    return {"unique_id": name, "status": status, "failures": failures, "message": message}


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
    (folder / "run_results.json").write_text(json.dumps({"results": results}))
    return folder


@pytest.fixture
def receiver():
    """A receiver of webhooks on this machine, and what it has been sent."""
    taken = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if self.path.endswith("broken") else 204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/canary", taken
    server.shutdown()
    server.server_close()


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
    assert "All is well." in said and "could not be sent" in said and "canary" not in said
