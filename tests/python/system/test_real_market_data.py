"""Recorded trades, written out in their sources' own layouts and imported again, end in the same candles to the digit.

They are not part of the project: ``CRYPTO_REAL_DATA`` names their folder, as for test_real_data.py.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from support import compare_homes, market_files
from support.isolation import no_settings
from support.project import PROJECT, REAL_DATA

from lakehouse import settings as settings_module
from market_data import import_files, normalise
from market_data.detection import detect
from market_data.input_files import find_files
from market_data.trade_files import ImportOptions

pytestmark = pytest.mark.skipif(REAL_DATA is None, reason="CRYPTO_REAL_DATA names no folder of recorded trades")
BIN = Path(sys.prefix) / "bin"
CANDLES = ("silver.candles_1m", "silver.candles_1h", "silver.candles_1d")
# Kraken's history gives no sides, so the rule estimates them.
ESTIMATED = ("buy_volume", "sell_volume")


def recorded(name: str) -> list[dict]:
    """Return recorded trades as market_files takes them: texts of prices and volumes, ids as numbers."""
    (file,) = REAL_DATA.rglob(f"{name}.parquet")
    return [
        {
            "id": int(re.sub(r"\D", "", row["trade_id"])),
            "price": plain(row["price"]),
            "volume": plain(row["volume"]),
            "side": row["trade_type"],
            "time": row["timestamp"],
        }
        for row in pq.read_table(file).to_pylist()
    ]


def plain(value: float) -> str:
    """Return the shortest text of a number, without an exponent."""
    return f"{Decimal(repr(value)):f}"


def write_all(folder: Path) -> None:
    """Write each recording in the layout of a source that gives such trades out."""
    binance = market_files.binance(folder / "BTCUSDT-trades-2024-08.zip", recorded("binance_btcusdt_20240808"))
    market_files.with_checksum(binance)
    market_files.freqtrade(folder / "binance" / "ETH_USDT-trades.feather", recorded("binance_ethusdt_20240808"))
    market_files.three_columns(folder / "bitstampUSD.csv.gz", recorded("bitstamp_btcusd_2011"))
    market_files.three_columns(folder / "XBTUSD.csv", recorded("kraken_btcusd_20190701"), digits=6)
    gemini = recorded("gemini_btcusd_2020")
    for start in range(0, len(gemini), 400):
        # The pages of an answer overlap.
        market_files.gemini(folder / "gemini" / f"btcusd {start}.json", gemini[max(0, start - 50) : start + 400])
    quotes = recorded("matic_btcusdt_372")
    market_files.binance(folder / "MATICUSDT-trades-2019.csv", quotes, unit=1, header=True)


def crypto(home: Path, line: str) -> str:
    done = subprocess.run(
        [BIN / "crypto", *shlex.split(line)],
        env=os.environ | no_settings() | {"CRYPTO_HOME": str(home)},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def homes(tmp_path_factory):
    """A home with the recordings as they are, and one in which they were imported from their sources' layouts."""
    folder = tmp_path_factory.mktemp("real market data")
    plain_home, imported = folder / "plain", folder / "imported"
    landing = plain_home / "landing" / "trades"
    shutil.copytree(REAL_DATA / "trades", landing)
    shutil.copy(REAL_DATA / "quotes_as_trades" / "matic_btcusdt_372.parquet", landing)
    write_all(folder / "files")
    said = [crypto(imported, f"import {shlex.quote(str(folder / 'files'))} --side tick-rule")]
    mtgox = REAL_DATA / "trades" / "mtgox_btcusd_20130101.parquet"
    said.append(crypto(imported, f"import {shlex.quote(str(mtgox))} --exchange MtGox --market BTCUSD"))
    for command in re.findall(r"^  crypto (.*)", "".join(said), re.MULTILINE):
        crypto(imported, command)
    for home in (plain_home, imported):
        said.append(crypto(home, "run"))
    yield [settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT) for home in (plain_home, imported)]
    for home in (plain_home, imported):
        crypto(home, "engine stop")
        crypto(home, "postgres stop")


def without_krakens_sides(candles: pa.Table) -> pa.Table:
    """Return candles with null where a side is an estimate in one home and known in the other."""
    is_kraken = pc.equal(pc.year(candles["window_start"]), 2019)
    is_kraken = pc.and_(is_kraken, pc.equal(candles["symbol"], "BTC"))
    for name in ESTIMATED:
        place = candles.column_names.index(name)
        candles = candles.set_column(place, name, pc.if_else(is_kraken, None, candles[name]))
    return candles


@pytest.mark.parametrize("name", CANDLES)
def test_candles_are_equal_to_the_digit(homes, name):
    one, other = (without_krakens_sides(compare_homes.rows(home, name)) for home in homes)
    assert one.num_rows > 100 and compare_homes.difference(one, other) == ""


def test_every_exchange_is_known_by_its_own_name(homes):
    candles = compare_homes.rows(homes[1], "silver.exchange_candles_1d")
    assert set(candles["exchange"].to_pylist()) == {"Binance", "Bitstamp", "Gemini", "Kraken", "MtGox"}


def test_binances_days_are_those_that_binance_publishes(homes):
    golden = pd.read_csv(REAL_DATA / "golden" / "binance_btcusdt_1d_2019.csv", dtype=str)
    candles = compare_homes.rows(homes[1], "silver.candles_1d")
    query = "select * from candles where symbol = 'MATIC' order by window_start"
    found = duckdb.sql(query).to_arrow_table().to_pylist()
    assert candles.num_rows and len(found) == len(golden) == 372
    for candle, published in zip(found, golden.itertuples(), strict=True):
        for name in ("open", "high", "low", "close", "volume"):
            assert candle[name] == Decimal(getattr(published, name)), (candle["window_start"], name)


LAYOUTS = {
    "binance zip": ("BTCUSDT-trades-2024-08.zip", market_files.binance),
    "binance csv with header": ("BTCUSDT-trades-2024-08.csv", partial(market_files.binance, header=True, unit=1)),
    "binance aggregated": ("BTCUSDT-aggTrades-2024-08.csv.gz", market_files.binance_aggregated),
    "tardis": ("t.csv.gz", partial(market_files.tardis, exchange="binance", symbol="BTCUSDT")),
    "freqtrade feather": ("binance/BTC_USDT-trades.feather", market_files.freqtrade),
    "freqtrade json": ("binance/BTC_USDT-trades.json.gz", market_files.freqtrade),
    "freqtrade csv": ("binance/BTC_USDT-trades.csv", market_files.freqtrade),
    "coinbase": ("coinbase_BTC-USD.json", market_files.coinbase),
    "gemini": ("btcusd.json", market_files.gemini),
    "kraken answer": ("a.json", partial(market_files.kraken_answer, pair="XXBTZUSD")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_binances_trades_come_back_from_each_layout_value_for_value(settings, tmp_path, layout):
    name, write = LAYOUTS[layout]
    given = recorded("binance_btcusdt_20240808")
    found = import_files.Import([write(tmp_path / name, given)], ImportOptions())
    assert sum(day.rows for day in found.write(settings)) == len(given) and not found.refused
    root = Path(settings.landing_zone)
    rows = [row for file in sorted(root.rglob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]
    values = [(row["price"], row["volume"], row["trade_type"], row["timestamp"]) for row in rows]
    assert values == [(float(t["price"]), float(t["volume"]), t["side"], t["time"]) for t in given]
    assert [int(row["trade_id"][-20:]) for row in rows] == [trade["id"] for trade in given]


def test_the_tick_rule_gives_the_sides_that_the_recorder_of_bitstamp_estimated(tmp_path):
    given = recorded("bitstamp_btcusd_2011")
    file = market_files.three_columns(tmp_path / "bitstampUSD.csv", given)
    rule = normalise.TickRule()
    (found,) = find_files([file], pytest.fail)
    batches = [normalise.with_sides(batch, rule, "it") for batch in detect(found, ImportOptions()).trades()]
    found = [side for batch in batches for side in batch.column("trade_type").to_pylist()]
    assert found == [trade["side"] for trade in given]
