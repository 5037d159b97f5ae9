"""What a run shows: lines where nobody watches, a live view on a terminal, and Ctrl-C that ends it cleanly."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT, empty
from rich.console import Console

from lakehouse.run import view
from lakehouse.run.view import Lines, Live, Node


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, highlight=False)


def play(view):
    """Tell a view what a small run tells."""
    with view:
        view.stage("Landing")
        view.file("a.parquet", 1200)
        view.say("Landed 1 files with 1,200 rows as batch 1.")
        view.stage("Building")
        view.nodes(4)
        for node in (
            Node("model", "gold.daily_metrics", "success", 1.25),
            Node("test", "unique_a", "pass", 0.1),
            Node("test", "late_b", "warn", 0.1, "Got 3 results"),
            Node("model", "gold.other", "error", 0.3, "The table is gone"),
        ):
            view.start(node)
            shown = view.render() if isinstance(view, Live) else None
            view.finish(node)
    return shown


def test_lines_tell_models_and_troubles_only():
    given = console(terminal=False)
    view = view.of(console=given)
    assert type(view) is Lines
    play(view)
    assert given.file.getvalue().splitlines() == [
        "Landed 1 files with 1,200 rows as batch 1.",
        "  gold.daily_metrics 1.2 s",
        "  WARNING test late_b: Got 3 results",
        "  FAILED model gold.other: The table is gone",
    ]


def test_a_terminal_shows_what_is_at_work_and_keeps_what_is_done():
    given = console(terminal=True)
    view = view.of(console=given)
    assert type(view) is Live
    shown = play(view)
    text = given.file.getvalue()
    for line in ("✓ gold.daily_metrics 1.2 s", "! test late_b Got 3 results", "✗ model gold.other The table is gone"):
        assert line in text
    plain = console(terminal=False)
    plain.print(shown)
    now = plain.file.getvalue()
    assert "3 of 4" in now and "gold.other" in now and "tests: 1 passed, 1 warned" in now


def test_machines_see_nothing_but_the_summary():
    assert type(view.of(as_json=True, console=console(terminal=True))) is view.Quiet


def test_brackets_in_a_name_are_no_markup():
    given = console(terminal=False)
    view.of(console=given).say("Set aside [red]x[/nothing].parquet")
    assert given.file.getvalue() == "Set aside [red]x[/nothing].parquet\n"


@pytest.mark.long
def test_an_interrupted_run_ends_cleanly_and_the_next_one_is_fine(user, first_run, engine_settings):
    engine = json.loads((engine_settings.home / "engine" / "engine.json").read_text())
    # A shell starts what runs in the background with Ctrl-C switched off, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    run = subprocess.Popen(
        [Path(sys.prefix) / "bin" / "crypto", "run", "--full-refresh"],
        cwd=PROJECT,
        env=os.environ | empty() | {"CRYPTO_HOME": str(engine_settings.home), "PYTHONUNBUFFERED": "1"},
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
    assert json.loads((engine_settings.home / "engine" / "engine.json").read_text()) == engine
