"""However a command ends: its exit code is ours, and nobody sees a trace of ours or a secret."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from commands import cli, process
from lakehouse import errors, settings
from lakehouse.errors import CryptoError, mask


def ended(statement: str, home) -> subprocess.CompletedProcess:
    imports = "from commands import process\nfrom lakehouse import errors"
    code = f"{imports}\ndef program():\n    {statement}\nprocess.run(program)"
    return subprocess.run(
        [sys.executable, "-c", code], env={"CRYPTO_HOME": str(home)}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("pass", 0),
        ("raise SystemExit", 0),
        ("raise SystemExit(2)", 2),
        ("raise SystemExit('a sentence')", 1),
        ("raise KeyboardInterrupt", 130),
        ("raise errors.CryptoError('a sentence')", 1),
        ("raise BaseException('a panic of a native library')", 1),
        ("{}['x']", 1),
        # A native thread that is still at work when the process ends.
        ("import threading, time; threading.Thread(target=time.sleep, args=[60]).start()", 0),
    ],
)
def test_the_exit_code_is_ours_and_no_trace_is_shown(tmp_path, statement, code):
    done = ended(statement, tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stdout + done.stderr


def test_an_unforeseen_error_says_where_its_trace_is_and_shows_no_secret(tmp_path):
    address = "postgresql://app:canary-1234@db.example.com/app"
    done = ended(f"raise ValueError('no way to {address}, password=canary-1234')", tmp_path)
    (trace,) = tmp_path.glob("error-*.txt")
    assert str(trace) in done.stderr and "report" in done.stderr and done.stderr.count("\n") == 1
    assert "ValueError" in done.stderr and "Traceback" in trace.read_text()
    assert "canary" not in done.stderr + trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("shared_memory", [process.ENOUGH_SHARED_MEMORY - 1, process.ENOUGH_SHARED_MEMORY])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), CryptoError("x (os error 28); see y.")])
def test_a_full_disk_is_named_as_what_it_is(tmp_path, monkeypatch, error, shared_memory):
    monkeypatch.setenv("CRYPTO_HOME", str(tmp_path))
    monkeypatch.setattr(process.shutil, "disk_usage", lambda path: SimpleNamespace(total=shared_memory))
    said = process.sentence(error)
    if shared_memory < process.ENOUGH_SHARED_MEMORY:
        assert said.startswith("/dev/shm has only 8191 KiB; ")
    else:
        assert said.startswith(f"The disk of {tmp_path} ") and "make room" in said
        assert process.sentence(CryptoError(said)) == said
    assert list(tmp_path.iterdir()) == []


def test_a_command_reports_any_error_as_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("CRYPTO_HOME", str(tmp_path))

    def fail(*_):
        raise LookupError("Unknown zone")

    monkeypatch.setattr(settings, "load", fail)
    done = CliRunner().invoke(cli.main, ["engine", "status"])
    assert done.exit_code == 1
    assert "LookupError: Unknown zone" in done.output and "Traceback" not in done.output
    assert isinstance(CliRunner().invoke(cli.main, ["--debug", "engine", "status"]).exception, LookupError)


def test_ctrl_c_is_130(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(settings, "load", interrupt)
    assert CliRunner().invoke(cli.main, ["engine", "status"]).exit_code == process.INTERRUPTED


@pytest.mark.parametrize(
    "text",
    [
        "could not connect to postgresql://u:canary1@host/db?x=y now",
        "https://canary1@host/path",
        "s3://key:can/ary1@bucket",
        "host=x password=canary1 user=y",
        "jdbc:databricks://h:443;UID=token;PWD=canary1",
        '{"access_key": "canary1"}',
        "Token: canary1",
    ],
)
def test_what_looks_like_credentials_is_masked_wherever_it_comes_from(text):
    assert "canary1" not in mask(text).replace("can/ary1", "canary1")
    assert "***" in mask(text)


def test_a_secret_setting_is_masked_in_other_programs_words(tmp_path, monkeypatch):
    monkeypatch.setattr(errors, "_hidden", set())
    (tmp_path / "dbt_project.yml").touch()
    settings.load({"DATABRICKS_TOKEN": "dapi-canary-77"}, tmp_path)
    assert errors.first_line(CryptoError("401 for dapi-canary-77")) == "401 for ***"
