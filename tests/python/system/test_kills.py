"""A run killed anywhere, or two at once: the next run ends in the same tables."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from support import trade_files
from support.compare_homes import compare
from support.isolation import no_settings
from support.project import PROJECT
from support.replay import SHRINKS, Home, nasty

from lakehouse import settings as settings_module

# Of the client and of the engine in turn.
KILLS = 40
CRYPTO = Path(sys.prefix) / "bin" / "crypto"


def settings(home: Home) -> settings_module.Settings:
    return settings_module.load(no_settings() | {"CRYPTO_HOME": str(home.place)}, PROJECT)


def start(home: Home) -> subprocess.Popen:
    """Start `crypto run` in a process group of its own."""
    environment = os.environ | no_settings() | {"CRYPTO_HOME": str(home.place), "CRYPTO_ENGINE_MEMORY": "2g"} | SHRINKS
    return subprocess.Popen(
        [CRYPTO, "run", "--json"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill(run: subprocess.Popen, engine: bool, home: Home) -> bool:
    """Kill the run, or the engine's Java under it; return whether there was something to kill."""
    if run.poll() is not None:
        return False
    if not engine:
        os.killpg(run.pid, signal.SIGKILL)
        return True
    try:
        os.kill(json.loads((home.place / "engine" / "engine.json").read_text())["server"], signal.SIGKILL)
    except (OSError, ValueError):
        return False
    return True


@pytest.fixture(scope="module")
def before_and_after(tmp_path_factory):
    """A home with two files built, and another in which the third has been built too; and how long that took."""
    folder = tmp_path_factory.mktemp("kills")
    base = Home(folder / "base")
    files = nasty()
    for number in range(2):
        trade_files.write(base.landing, f"file_{number}.parquet", files[number])
    base.run("crypto", "run")
    trade_files.write(base.landing, "file_2.parquet", files[2])
    base.stop()
    wanted = again(base, folder / "wanted")
    started = time.monotonic()
    wanted.run("crypto", "run")
    seconds = time.monotonic() - started
    wanted.stop()
    return base, wanted, seconds


def again(base: Home, place: Path) -> Home:
    """A copy of the home as it was before the third file was built."""
    shutil.rmtree(place, ignore_errors=True)
    # Postgres insists on its folder's owner, which a copy as root has to keep.
    subprocess.run(["cp", "-a", base.place, place], check=True)
    return Home(place)


def assert_equal(home: Home, wanted: Home) -> None:
    differs = compare(settings(home), settings(wanted))
    assert {name: what for name, what in differs.items() if not name.startswith(("sync.", "snapshots."))} == {}


@pytest.mark.long
@pytest.mark.timeout(10800)
def test_a_run_killed_anywhere_is_completed_by_the_next(before_and_after, tmp_path):
    base, wanted, seconds = before_and_after
    draw = random.Random(20)
    killed = 0
    while killed < KILLS:
        home = again(base, tmp_path / "home")
        run = start(home)
        moment = draw.uniform(0, seconds)
        with suppress(subprocess.TimeoutExpired):
            run.wait(moment)
        # A run may have ended before its moment, or have no engine yet: then it has to be right by itself.
        hit = kill(run, engine=killed % 2 == 1, home=home)
        said, _ = run.communicate(timeout=600)
        try:
            # Every fourth kill with all tests and the sync, which tell no more of silver and gold than the comparison.
            if hit and killed % 4 == 0:
                home.run("crypto", "run")
            elif hit:
                home.build()
            assert_equal(home, wanted)
            what = f"Kill {killed}" if hit else "No kill"
            print(f"{what} after {moment:.1f} s of {seconds:.1f}: equal. It had said: {said[-200:]}", flush=True)
            killed += hit
        finally:
            home.stop()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_of_two_runs_at_once_one_waits(before_and_after, tmp_path):
    base, wanted, _ = before_and_after
    home = again(base, tmp_path / "home")
    try:
        runs = [start(home), start(home)]
        said = [run.communicate(timeout=900)[0] for run in runs]
        assert [run.returncode for run in runs] == [0, 0], said
        assert_equal(home, wanted)
    finally:
        home.stop()
