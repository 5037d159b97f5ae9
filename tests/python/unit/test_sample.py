"""The sample: what it promises of every seed, and what its options change."""

import hashlib
import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from pyarrow import csv, fs
from support.isolation import no_settings

from commands import cli
from lakehouse.errors import CryptoError
from lakehouse.storage.raw_files import Destination
from lakehouse.storage.raw_trades import SCHEMA
from market_data import sample


def zone(folder: Path) -> Destination:
    return Destination(fs.LocalFileSystem(), str(folder))


def made(folder: Path, **options) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sample.generate(zone(folder), **options))


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_the_default_is_a_hundred_thousand_trades_of_five_symbols_on_ninety_days(tmp_path: Path):
    table = made(tmp_path)
    assert table.schema.equals(SCHEMA)
    assert len([*tmp_path.iterdir()]) == 2
    frame = table.to_pandas()
    assert len(frame) == frame["trade_id"].nunique() == 100_000
    assert frame["timestamp"].min() >= datetime(2024, 1, 1, tzinfo=UTC)
    assert frame["timestamp"].max() < datetime(2024, 3, 31, tzinfo=UTC)
    assert 0.015 < frame["volume"].isna().mean() < 0.025
    # A day counts where a trade has a volume: others are rejected.
    valid = frame.dropna()
    assert valid.groupby(["symbol", valid["timestamp"].dt.date]).ngroups == 450
    assert set(frame["symbol"]) == {"BTC", "ETH", "SOL", "MATIC", "AVAX"}
    assert set(frame["exchange"]) == {"Coinbase", "Binance", "Kraken", "Gemini"}
    assert set(frame["trade_type"]) == {"BUY", "SELL"}
    assert (valid["price"] > 0).all()
    assert (valid["volume"] > 0).all()


def test_prices_look_like_a_market(tmp_path: Path):
    frame = made(tmp_path, days=300).to_pandas().sort_values("timestamp")
    closes = frame.groupby(["symbol", frame["timestamp"].dt.date])["price"].last().unstack(0)
    returns = np.log(closes / closes.shift()).dropna()
    # Neither noise around a constant (it would turn back each day) nor a straight line.
    assert (returns.std().between(0.01, 0.1)).all()
    assert all(abs(returns[symbol].autocorr()) < 0.25 for symbol in returns)
    assert returns.corr().to_numpy().min() > 0.1
    assert np.mean([returns[symbol].abs().autocorr() for symbol in returns]) > 0.03
    # From one trade to the next a price moves little.
    steps = frame[frame["symbol"] == "BTC"]["price"].pct_change().abs()
    assert steps.quantile(0.99) < 0.02


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_ids(tmp_path: Path):
    small = {"trades": 2_000, "days": 10, "dirt": 0.1}
    made(tmp_path / "a", **small)
    made(tmp_path / "b", **small)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")
    ids = [set(made(tmp_path / str(seed), seed=seed, **small)["trade_id"].to_pylist()) for seed in (1, 2)]
    assert ids[0] & ids[1] <= {None}


GOLDEN = {
    "clean": ({"trades": 2_000, "days": 10}, "ba8bcd2600bc9e96"),
    "dirty": ({"trades": 5_000, "days": 10, "dirt": 0.2, "files": 3}, "a4a4ff4842497417"),
    "all dirty": ({"trades": 100, "days": 20, "symbols": ["BTC", "XYZ"], "files": 7, "dirt": 1.0}, "9a9929a49d1b378d"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_samples_are_the_same_in_every_version(tmp_path: Path, name: str):
    options, digest = GOLDEN[name]
    text = pa.BufferOutputStream()
    csv.write_csv(made(tmp_path, **options).combine_chunks(), text)
    assert hashlib.sha256(text.getvalue()).hexdigest()[:16] == digest


def test_memory_is_that_of_a_day(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(sample, "BLOCK", 1_000)
    tracemalloc.start()
    sample.generate(zone(tmp_path), trades=400_000, days=200, files=40, symbols=["BTC"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Eight bytes for each trade of one column would be 3.2 MB, and there are ten columns.
    assert peak < 20e6


def test_if_empty_looks_into_the_folder_that_is_given(tmp_path: Path):
    home, folder = tmp_path / "home", tmp_path / "folder"
    for options in ((), ("--to", str(folder)), ("--to", str(folder))):
        command = ["generate", "--trades", "500", "--if-empty", *options]
        done = CliRunner(env=no_settings() | {"CRYPTO_HOME": str(home)}).invoke(cli.main, command)
        assert done.exit_code == 0, done.output
    assert len(list(folder.glob("*.parquet"))) == 2 and not done.output


def test_a_file_that_is_there_already_is_left_alone(tmp_path: Path):
    first = sample.generate(zone(tmp_path), trades=500)
    times = [path.stat().st_mtime_ns for path in tmp_path.iterdir()]
    assert sample.generate(zone(tmp_path), trades=500) == first
    assert [path.stat().st_mtime_ns for path in tmp_path.iterdir()] == times


@pytest.mark.parametrize("dirt", [0.0, 1.0])
def test_every_symbol_has_a_valid_trade_on_every_day(tmp_path: Path, dirt: float):
    table = made(tmp_path, trades=100, days=20, symbols=["BTC", "XYZ"], files=7, dirt=dirt, start=date(2020, 2, 20))
    assert len(table) == 100
    frame = table.to_pandas()
    valid = frame[frame["volume"].between(1e-9, 1e9) & (frame["price"] > 0) & frame["symbol"].isin(["BTC", "XYZ"])]
    valid = valid[valid["exchange"].isin(sample.EXCHANGES) & valid["trade_type"].isin(["BUY", "SELL"])].dropna()
    days = {date(2020, 2, 20) + timedelta(days=day) for day in range(20)}
    pairs = set(zip(valid["symbol"], valid["timestamp"].dt.date, strict=True))
    assert {(symbol, day) for symbol in ("BTC", "XYZ") for day in days} <= pairs


def test_dirt_is_of_every_kind(tmp_path: Path):
    frame = made(tmp_path, trades=5_000, days=10, dirt=0.2, files=3).to_pandas()
    assert len(frame) == 5_000
    copies = frame[frame["trade_id"].duplicated(keep=False) & frame["trade_id"].notna()]
    assert 0 < copies.duplicated(keep=False).sum() < len(copies)
    assert frame["trade_id"].isna().any()
    assert {"WAGMI", " btc\t", " avax\t"} <= set(frame["symbol"])
    # An odd spelling is of the trade's own symbol: its price is one of that market.
    priced = frame[(frame["price"] > 0) & (frame["symbol"] != "WAGMI")]
    spans = priced.groupby(priced["symbol"].str.strip().str.upper())["price"].agg(["min", "max"])
    assert (spans["max"] < 3 * spans["min"]).all()
    assert "FTX" in set(frame["exchange"])
    assert "HOLD" in set(frame["trade_type"])
    assert (frame["price"] <= 0).any()
    assert frame["price"].isna().any()
    assert np.isinf(frame["volume"]).any()
    assert frame["timestamp"].min().year == 1970
    last = pq.read_table(sorted(tmp_path.iterdir())[-1]).to_pandas()["timestamp"]
    assert (last.between(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC))).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trades": 449}, "ask for at least 450"),
        ({"days": 0}, "at least one day"),
        ({"files": 0}, "at least one day and one file"),
        ({"trades": 450, "files": 451}, "fewer files"),
        ({"symbols": []}, "at least one symbol"),
        ({"symbols": ["BTC", " "]}, "at least one symbol"),
        ({"dirt": 1.5}, "from 0 to 1"),
        ({"dirt": float("nan")}, "from 0 to 1"),
        ({"days": 4_000_000, "trades": 99_999_999}, "into the future"),
        ({"start": date(9999, 12, 31)}, "into the future"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_sentence(tmp_path: Path, options: dict, message: str):
    with pytest.raises(CryptoError, match=message):
        sample.generate(zone(tmp_path / "new"), **options)
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CryptoError, match="check permissions and free space"):
        sample.generate(zone(tmp_path / "file" / "below"), trades=500)
