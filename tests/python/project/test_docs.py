"""Every command of the README and the docs is run: those in ``sh`` blocks, as they stand there."""

import os
import re
import subprocess
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import talib
from support import market_files
from support.exchange_server import DAY, day_start, made
from support.isolation import no_settings
from support.project import PROJECT

from lakehouse import postgres
from lakehouse import settings as settings_module

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
# What test_end_to_end runs, and `make test`, which is what runs this.
RUN_ELSEWHERE = {
    "make run": "first_run",
    "make test": "pytest",
    "make test-all": "pytest",
    ".venv/bin/crypto run": "test_a_second_run_changes_nothing",
    ".venv/bin/crypto fetch binance BTCUSDT --since 2024-02-01 --until 2024-02-29": (
        "test_market_data_comes_in_as_the_page_says"
    ),
    ".venv/bin/crypto import downloads/": "test_market_data_comes_in_as_the_page_says",
    ".venv/bin/crypto sync --plan": "test_another_table_is_published_as_the_guide_says",
    ".venv/bin/crypto sync": "test_another_table_is_published_as_the_guide_says",
    ".venv/bin/crypto verify": "test_another_order_in_pieces_ends_in_the_same_tables",
    ".venv/bin/crypto status": "test_status_tells_rows_and_no_problem",
    ".venv/bin/python -m benchmarks.indicators": "test_indicators_take_linear_time_and_equal_talib",
    ".venv/bin/dbt run-operation optimize_tables": "test_maintenance_joins_files_and_changes_no_row",
    ".venv/bin/dbt build": "test_dbt_build_runs_every_node_and_unit_test",
    ".venv/bin/dbt show -s daily_metrics": "test_plain_dbt_commands_work_without_a_word_about_settings",
    ".venv/bin/dbt docs generate": "test_plain_dbt_commands_work_without_a_word_about_settings",
    ".venv/bin/dbt test --target postgres": "test_plain_dbt_commands_work_without_a_word_about_settings",
}


def blocks(language):
    """Return (page, block) for each fenced block in the language."""
    return [
        (page.name, block)
        for page in PAGES
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)
    ]


def shell(script, home, **given):
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=PROJECT,
        env=os.environ | no_settings() | {"CRYPTO_HOME": str(home)} | given,
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commands():
    plain = [(page, block) for page, block in blocks("sh") if "CRYPTO_HOME=" not in block]
    lines = [(page, line) for page, block in plain for line in block.splitlines() if line.strip()]
    return [(page, line) for page, line in lines if line not in RUN_ELSEWHERE]


@pytest.mark.parametrize(("page", "command"), commands())
def test_a_command_works_as_it_stands(page, command, first_run, engine_settings):
    shell(command, engine_settings.home)


@pytest.mark.parametrize(("page", "script"), blocks("python"))
def test_a_script_works_as_it_stands(page, script, first_run, engine_settings, tmp_path):
    home = tmp_path / ".lakehouse"
    home.symlink_to(engine_settings.home)
    done = subprocess.run(
        [PROJECT / ".venv/bin/python", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout, done.stderr


def test_the_model_that_the_readme_shows_is_the_whole_file():
    (model,) = [block for page, block in blocks("jinja") if page == "README.md"]
    assert model == (PROJECT / "models/silver/candles/candles_1h.sql").read_text()


def test_the_readme_is_short():
    assert len((PROJECT / "README.md").read_text().split()) <= 1000


@pytest.mark.parametrize(("page", "query"), [block for block in blocks("sql") if "{{" not in block[1]])
def test_a_query_works_as_it_stands(page, query, first_run, engine_settings):
    with postgres.connect(engine_settings) as connection:
        assert connection.execute(query.strip().removesuffix(";")).fetchall()


@pytest.mark.long
def test_the_tour_of_400_days_gives_every_indicator_a_value_equal_to_talib(tmp_path):
    (block,) = [block for page, block in blocks("sh") if "CRYPTO_HOME=" in block and page == "README.md"]
    home = tmp_path / "home"
    shell(re.sub(r"export CRYPTO_HOME=\S+", f"export CRYPTO_HOME='{home}'", block), home)
    found = settings_module.load(no_settings() | {"CRYPTO_HOME": str(home)}, PROJECT)
    with postgres.connect(found) as connection:
        rows = connection.execute(
            "select symbol, close, sma_200, ema_26, rsi_14, macd_signal, bars_seen from crypto.trading_indicators "
            "order by symbol, metric_date"
        ).fetchall()
    assert len(rows) == 5 * 400
    for symbol in {row[0] for row in rows}:
        of_symbol = np.array([row[1:] for row in rows if row[0] == symbol], dtype=float)
        close, sma, ema, rsi, signal, _ = of_symbol.T
        np.testing.assert_allclose(sma, talib.SMA(close, 200), rtol=1e-9)
        np.testing.assert_allclose(ema, talib.EMA(close, 26), rtol=1e-9)
        np.testing.assert_allclose(rsi, talib.RSI(close, 14), rtol=1e-9, atol=1e-10)
        assert np.isnan(signal[:33]).all() and not np.isnan(signal[33:]).any()
    shell(".venv/bin/crypto engine stop; .venv/bin/crypto postgres stop", home)


def walked(page, count, home, replaced=None, **given):
    """Run a page's blocks from the first to the last in a home of their own; return what each said.

    ``replaced`` are texts of the page and what stands for them here, ``given`` are settings.
    """
    found = [block for name, block in blocks("sh") if name == f"{page}.md"]
    assert len(found) == count
    assert all(block.startswith(f"export CRYPTO_HOME=.lakehouse-{page}\n") for block in found)
    for old, new in ({f".lakehouse-{page}": str(home)} | (replaced or {})).items():
        found = [block.replace(old, new) for block in found]
    return [shell(block, home, **given) for block in found]


WARNING = "warn test assert_no_trade_id_spans_two_markets"


@pytest.mark.long
def test_the_tour_works_from_its_first_command_to_its_last(tmp_path):
    home = tmp_path / "tour"
    said = walked("tour", 7, home)
    assert all("Done, with 1 thing to look at." in said[at] and WARNING in said[at] for at in (0, 3, 4))
    assert "missing_volume" in said[1] and "report.html" in said[2] and "withdrawn" in said[4]
    changed = re.findall(r"published: \w+ +600 \(\+0 ~(\d+) -0\)", said[3])
    assert len(changed) == 2 and all(0 < int(rows) <= 60 for rows in changed) and "old_value" in said[3]
    assert said[5].startswith("postgresql://") and "would be +0 ~0 -0" in said[5]
    assert not home.exists()


@pytest.mark.long
def test_a_correction_works_as_the_page_says(tmp_path):
    home = tmp_path / "corrections"
    said = walked("corrections", 6, home)
    assert "Done, with 1 thing to look at." in said[0] and re.search(r"BTC\s+\|\s+24 \|\s+122\.528", said[1])
    assert "withdrawn" in said[2] and "All is well." in said[2]
    assert "4402300.00000000" in said[3]
    assert "MERGE" in said[4] and "4,402,300" in said[4] and "44,023" in said[4]
    assert "Every silver and gold table is equal" in said[5] and not home.exists()


@pytest.mark.long
def test_market_data_comes_in_as_the_page_says(tmp_path, exchanges):
    home, downloads = tmp_path / "market_data", tmp_path / "downloads"
    start = datetime(2024, 1, 1, tzinfo=UTC)
    for base, price in (("BTC", 42_000), ("ETH", 2_300)):
        trades = [
            {
                "id": number,
                "price": f"{price + number % 97}.50",
                "volume": "0.01",
                "side": ("BUY", "SELL")[number % 2],
                "time": start + timedelta(hours=number),
            }
            for number in range(31 * 24)
        ]
        market_files.with_checksum(market_files.binance(downloads / f"{base}USDT-trades-2024-01.zip", trades))
    february = day_start(date(2024, 2, 1))
    names = {"Binance": ("BTCUSDT", "ETHUSDT"), "Kraken": ("XBTUSD",), "Coinbase": ("ETH-USD",)}
    for exchange, market in [(exchange, market) for exchange, markets in names.items() for market in markets]:
        exchanges.has(exchange, market, made(exchange, february - DAY, february + 30 * DAY, 3100))
    mirror = {"CRYPTO_EXCHANGE_MIRROR": exchanges.address}
    fetched, more, *said = walked("market_data", 6, home, {"downloads/": f"{downloads}/"}, **mirror)
    assert len(re.findall(r"Binance (?:BTC|ETH)USDT: [0-9,]+ trades of 29 days written", fetched)) == 2
    assert re.search(r"gold.trading_indicators\s+58", fetched) and "All is well." in fetched
    assert "Kraken XBTUSD: " in more and "Coinbase ETH-USD: " in more
    assert "Binance:BTCUSDT:00000000000000000000  BTC" in said[0] and "Nothing is written" in said[0]
    assert said[0].count("744 trades of 31 days written (2024-01-01 to 2024-01-31)") == 2
    # The two months are of markets that were made up one by one: their prices are far apart.
    assert re.search(r"gold.trading_indicators\s+120", said[0]) and "Done, with 1 thing to look at." in said[0]
    assert "Kraken XBTUSD: 2 trades of 1 day written" in said[1]
    assert "Bitstamp is added" in said[2] and "BTC/EUR is added" in said[2]
    assert not home.exists()
