"""An import that is killed in the middle, and repeated, ends in the same files, byte for byte."""

import os
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import market_files
from support.commands import CRYPTO, run_command
from support.isolation import no_settings
from support.project import PROJECT

pytestmark = pytest.mark.long
DAYS, A_DAY = 12, 20_000
START = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    trades = [
        {
            "id": number,
            "price": f"{42_000 + number % 991}.25",
            "volume": "0.015",
            "side": ("BUY", "SELL")[number % 2],
            "time": START + timedelta(seconds=number * 86_400 / A_DAY),
        }
        for number in range(DAYS * A_DAY)
    ]
    return market_files.binance(tmp_path_factory.mktemp("archive") / "BTCUSDT-trades-2024-01.zip", trades)


def landing(home: Path) -> Path:
    return home / "landing" / "trades" / "Binance" / "BTCUSDT"


def content(home: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in landing(home).iterdir() if not file.name.startswith("_")}


@pytest.fixture(scope="module")
def whole(archive, tmp_path_factory):
    """What an import writes that nothing disturbs."""
    home = tmp_path_factory.mktemp("whole") / "home"
    said = run_command("import", str(archive), CRYPTO_HOME=str(home))
    assert said.returncode == 0 and f"{DAYS * A_DAY:,} trades of {DAYS} days written" in said.stdout, said.stderr
    run_command("postgres", "stop", CRYPTO_HOME=str(home))
    return content(home)


@pytest.mark.parametrize("days", [1, 4, 9])
def test_killed_after_some_days_and_repeated(archive, whole, tmp_path, days):
    home = tmp_path / "home"
    given = os.environ | no_settings() | {"CRYPTO_HOME": str(home)}
    process = subprocess.Popen([CRYPTO, "import", archive], env=given, cwd=PROJECT, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < until:
        if landing(home).is_dir() and len(content(home)) >= days:
            break
        time.sleep(0.001)
    process.kill()
    process.wait()
    left = content(home)
    assert days <= len(left) < DAYS and left.items() <= whole.items()
    times = {file.name: file.stat().st_mtime_ns for file in landing(home).iterdir()}
    said = run_command("import", str(archive), CRYPTO_HOME=str(home))
    assert said.returncode == 0 and f"{len(left)} day" in said.stdout
    assert content(home) == whole
    # What was there is not written again: a landed file must not change.
    assert all((landing(home) / name).stat().st_mtime_ns == times[name] for name in left)
    run_command("postgres", "stop", CRYPTO_HOME=str(home))
    shutil.rmtree(home)
