"""The last task of the Databricks job, with a secret scope of the embedded server's own values."""

import functools
import http.server
import json
import os
import re
import shutil
import tarfile
import threading
from types import SimpleNamespace

import pytest
from support.project import PROJECT

from commands.databricks import checks
from commands.run import pipeline
from lakehouse import postgres
from lakehouse.errors import CryptoError

PAGE = "https://dbc.example/jobs/1/runs/7"


@pytest.fixture
def database(engine_settings, published, monkeypatch):
    """The DB_ settings that a secret scope would hold; what the task puts into the environment is undone."""
    given = postgres.values(engine_settings)
    values = {"DB_ENDPOINT": given["host"], "DB_PORT": str(given["port"]), "DB_NAME": given["dbname"]}
    values |= {"DB_USER": given["user"], "DB_PASSWORD": given["password"], "DB_SSLMODE": "disable"}
    for name in (*values, "CRYPTO_HOME", "CRYPTO_WEBHOOK_URL"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    return values


def test_what_was_published_passes(database, capsys):
    checks.check(PROJECT, database)
    assert "daily_series" in capsys.readouterr().out


@pytest.fixture
def job(engine_settings, tmp_path):
    """A job run whose build warned, as the Jobs API tells of it: two attempts, and a link to the last one's results."""
    source = pipeline.target_folder(engine_settings, "local")
    told = json.loads((source / "run_results.json").read_text())
    (test,) = [one for one in told["results"] if "assert_every_raw_row_counts_or_has_a_reason" in one["unique_id"]]
    test |= {"status": "warn", "failures": 2, "message": "Got 2 results, configured to warn if != 0"}
    site = tmp_path / "site"
    (site / "target").mkdir(parents=True)
    (site / "target" / "run_results.json").write_text(json.dumps(told))
    shutil.copy(source / "manifest.json", site / "target")
    with tarfile.open(site / "artifacts.tar.gz", "w:gz") as archive:
        archive.add(site / "target", "target")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=site)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    link = f"http://127.0.0.1:{server.server_port}/artifacts.tar.gz"
    tasks = [SimpleNamespace(task_key=key, run_id=number, attempt_number=number)
             for key, number in (("ingest", 0), ("build", 1), ("build", 2), ("checks", 0))]  # fmt: skip
    links = {2: SimpleNamespace(dbt_output=SimpleNamespace(artifacts_link=link, artifacts_headers={"X-Of": "1"}))}
    yield checks.JobRun(
        SimpleNamespace(get_run={7: SimpleNamespace(tasks=tasks)}.get, get_run_output=links.get), 7, PAGE
    )
    server.shutdown()
    server.server_close()


def test_a_warning_of_the_build_is_told_with_owner_rows_and_how_to_look(database, job, receiver):
    address, taken = receiver
    checks.check(PROJECT, database | {"CRYPTO_WEBHOOK_URL": address}, job)
    (alert,) = taken
    assert alert["ok"] and alert["type"] == "warning" and f"The run: {PAGE}" in alert["text"]
    assert "the job's checks went through" in alert["text"] and "with 1 warning." in alert["text"]
    assert re.search(r"assert_every_raw_row\w+, 2 rows \(owner: Market data\): Got 2 results", alert["text"])
    assert "look: .venv/bin/dbt show --target databricks --select assert_every_raw_row" in alert["text"]


def test_results_that_cannot_be_had_are_said_and_change_nothing(database, job, receiver, capsys):
    address, taken = receiver
    lost = checks.JobRun(SimpleNamespace(get_run={}.get), 7, PAGE)
    checks.check(PROJECT, database | {"CRYPTO_WEBHOOK_URL": address}, lost)
    assert taken == [] and "of job run 7 can't be read" in capsys.readouterr().out


def test_a_check_that_fails_is_told_too(database, receiver, engine_settings):
    address, taken = receiver
    edit = "update crypto.daily_metrics set volume = volume {} 1, buy_volume = buy_volume {} 1 where symbol = 'BTC'"
    with postgres.connect(engine_settings) as connection:
        connection.execute(edit.format("+", "+"))
    try:
        with pytest.raises(CryptoError, match="published_as_recorded"):
            checks.check(PROJECT, database | {"CRYPTO_WEBHOOK_URL": address})
    finally:
        with postgres.connect(engine_settings) as connection:
            connection.execute(edit.format("-", "-"))
    (alert,) = taken
    assert not alert["ok"] and alert["type"] == "failure" and alert["failing"][0]["rows"] == 1
    assert "look: .venv/bin/dbt show --target postgres --select source_published_as_recorded" in alert["text"]


def test_a_check_that_cannot_start_is_told_too(database, receiver):
    address, taken = receiver
    with pytest.raises(CryptoError):
        checks.check(PROJECT, database | {"CRYPTO_WEBHOOK_URL": address, "DB_PORT": "1"})
    (alert,) = taken
    assert not alert["ok"] and alert["type"] == "failure"


def test_a_wrong_password_is_one_plain_sentence(database):
    with pytest.raises(CryptoError) as failure:
        checks.check(PROJECT, database | {"DB_PASSWORD": "canary-wrong"})
    assert "\n" not in str(failure.value) and "canary-wrong" not in str(failure.value)
