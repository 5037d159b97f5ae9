"""Ctrl-C ends a run cleanly, and the next one is fine."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.isolation import no_settings
from support.project import PROJECT


@pytest.mark.long
def test_an_interrupted_run_ends_cleanly_and_the_next_one_is_fine(user, first_run, engine_settings):
    # A shell starts what runs in the background with Ctrl-C switched off, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(
        [Path(sys.prefix) / "bin" / "crypto", "run", "--full-refresh"],
        cwd=PROJECT,
        env=os.environ | no_settings() | {"CRYPTO_HOME": str(engine_settings.home), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    # Two models are done, others are at work.
    while "silver.screened_trades" not in run.stdout.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=120)
    assert run.returncode == 130 and "Stopped." in out
    assert "Traceback" not in errors and "Aborted" not in errors
    summary = json.loads(user("crypto", "run", "--json").splitlines()[-1])
    assert summary["ok"] and summary["build"]["failed"] == []
