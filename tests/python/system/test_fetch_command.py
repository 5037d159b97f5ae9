"""`crypto fetch` as a user runs it: from an archive and an API to candles, and killed on the way."""

import json
import os
import signal
import subprocess
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from support.commands import CRYPTO, error_sentence, run_command
from support.exchange_server import DAY, HOUR, day_start, made, single
from support.fetching import landed
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import settings as settings_module

AUGUST = day_start(date(2024, 8, 1))
BINANCE = ("fetch", "binance", "BTCUSDT", "--since", "2024-08-01", "--until", "2024-08-31")
KRAKEN = ("fetch", "kraken", "BTC/USD", "--since", "2024-08-01", "--until", "2024-08-02")


def given(exchanges, home: Path) -> dict[str, str]:
    return {"CRYPTO_HOME": str(home), "CRYPTO_EXCHANGE_MIRROR": exchanges.address, "CRYPTO_ENGINE_IDLE_MINUTES": "1"}


def settings_of(exchanges, home: Path) -> settings_module.Settings:
    return settings_module.load(no_settings() | given(exchanges, home), PROJECT)


@pytest.fixture
def bitcoin(exchanges):
    """Trades of two exchanges, by exchange."""
    found = {
        "Binance": made("Binance", AUGUST, AUGUST + 31 * DAY, 4000),
        "Kraken": made("Kraken", AUGUST - HOUR, AUGUST + 2 * DAY + HOUR, 2000, seed=2),
    }
    exchanges.has("Binance", "BTCUSDT", found["Binance"])
    exchanges.has("Kraken", "XBTUSD", found["Kraken"])
    exchanges.page = 100
    return found


def candle(trades, day: int) -> tuple:
    """Return open, high, low, close, volume and number of the trades of a day."""
    inside = [trade for trade in trades if AUGUST + day * DAY <= trade.moment < AUGUST + (day + 1) * DAY]
    prices = [Decimal(trade.price) for trade in inside]
    volume = sum(Decimal(trade.amount) for trade in inside)
    return prices[0], max(prices), min(prices), prices[-1], volume, len(inside)


def test_what_is_fetched_becomes_the_candles_of_its_trades(tmp_path, exchanges, bitcoin):
    from deltalake import DeltaTable

    home = given(exchanges, tmp_path / "home")
    try:
        for command in (BINANCE, KRAKEN):
            done = run_command(*command, **home)
            assert done.returncode == 0, done.stderr
            assert "The next `crypto run` lands the trades." in done.stdout
        done = run_command("run", "--json", **home)
        assert done.returncode == 0, done.stdout + done.stderr
        summary = json.loads(done.stdout.splitlines()[-1])
        trades = single(bitcoin["Binance"])
        on_kraken = [trade for trade in bitcoin["Kraken"] if AUGUST <= trade.moment < AUGUST + 2 * DAY]
        assert summary["rows"]["silver.trades"] == summary["rows"]["bronze.trades"] == len(trades) + len(on_kraken)
        table = DeltaTable(tmp_path / "home/warehouse/silver.db/exchange_candles_1d").to_pyarrow_table().to_pylist()
        candles = {(row["exchange"], row["window_start"].day - 1): row for row in table}
        assert len(candles) == 31 + 2
        for (exchange, day), row in candles.items():
            wanted = candle(trades if exchange == "Binance" else on_kraken, day)
            assert tuple(row[name] for name in ("open", "high", "low", "close", "volume", "trade_count")) == wanted
    finally:
        for server in ("engine", "postgres"):
            run_command(server, "stop", **home)


@pytest.mark.long
@pytest.mark.parametrize("command", [BINANCE, KRAKEN], ids=["archive", "api"])
def test_killed_again_and_again_it_ends_with_the_same_files(command, tmp_path, exchanges, bitcoin):
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    assert run_command(*command, **given(exchanges, calm)).returncode == 0
    exchanges.delay = 0.05
    kills, seconds = 0, 0.7
    while True:
        process = subprocess.Popen(
            [CRYPTO, *command],
            cwd=PROJECT,
            env=os.environ | no_settings() | given(exchanges, rough),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            assert process.wait(seconds) == 0
            break
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills, seconds = kills + 1, seconds * 1.1
    for home in (calm, rough):
        run_command("postgres", "stop", **given(exchanges, home))
    assert kills > 2
    assert landed(settings_of(exchanges, rough)) == landed(settings_of(exchanges, calm)) != {}
    assert not [path for path in (rough / "fetch").rglob("*") if path.suffix in (".part", ".zip", ".pages")]


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path, exchanges, bitcoin):
    exchanges.delay = 0.2
    # A shell starts what runs in the background with Ctrl-C switched off, and a child would inherit that.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [CRYPTO, *KRAKEN],
        cwd=PROJECT,
        env=os.environ | no_settings() | given(exchanges, tmp_path / "home") | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    signal.signal(signal.SIGINT, before)
    while not process.stdout.readline().startswith("About"):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said == "Stopped; the same command goes on from here.\n"


def test_an_exchange_that_can_not_be_reached_is_one_sentence(tmp_path):
    nowhere = {"CRYPTO_HOME": str(tmp_path / "home"), "CRYPTO_EXCHANGE_MIRROR": "http://exchange.invalid"}
    done = run_command("fetch", "binance", "BTCUSDT", "--since", "2024-08-01", "--until", "2024-08-01", **nowhere)
    assert "exchange.invalid can't be reached" in error_sentence(done)
    done = run_command("fetch", "binance", "BTCUSDT", CRYPTO_HOME=str(tmp_path), CRYPTO_EXCHANGE_MIRROR="nowhere")
    assert "CRYPTO_EXCHANGE_MIRROR is 'nowhere'" in error_sentence(done)
