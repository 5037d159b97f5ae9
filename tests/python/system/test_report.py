"""The report: one page that needs nothing else, shows what Postgres holds, and works by pointer and keyboard."""

import hashlib
import os
import re
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from playwright.sync_api import expect
from support import browser
from support.isolation import no_settings
from support.project import PROJECT

from commands.inspect import report
from commands.inspect.report import collect, render
from lakehouse import postgres
from lakehouse.errors import CryptoError

# Of dist/lightweight-charts.standalone.production.js in the npm package lightweight-charts 5.2.1.
LIBRARY = "e21cc5caa0226ef30bd8549c50b9ef926615f2a4ee6b4e486353477a55f598cf"

UNNAMED = """() => [...document.querySelectorAll('button, select, a, [role=region], [role=group]')].filter(
    (one) => ![one.innerText.trim(), one.title, one.ariaLabel, one.labels?.length, one.ariaLabelledByElements?.length]
        .some(Boolean)
).map((one) => one.outerHTML)"""
# The ratio of WCAG 2 between each text and what is behind it.
CONTRASTS = """() => {
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const linear = (one) => one / 255 <= 0.03928 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const behind = (one) => {
        const color = parse(getComputedStyle(one).backgroundColor);
        return color.length === 3 || color[3] === 1 ? color : behind(one.parentElement);
    };
    return [...document.querySelectorAll('p, a, b, dt, dd, h2, h3, th, td, small, button, .chip, #close, #range')]
        .filter((one) => one.innerText && getComputedStyle(one).fontSize !== '0px')
        .filter((one) => !one.closest('.heat, .legend, .hidden, .skip'))
        .map((one) => {
            const [low, high] = [light(parse(getComputedStyle(one).color)), light(behind(one))].sort((a, b) => a - b);
            return [one.innerText, (high + 0.05) / (low + 0.05)];
        });
}"""


expect.set_options(timeout=60_000)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    with browser.browser(tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture(scope="module")
def written(first_run, user, engine_settings, tmp_path_factory):
    # Maintenance, which another test runs in this home, commits versions without a change; a sync takes note of them.
    user("crypto", "sync")
    return report.write(engine_settings, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture
def tab(chromium, written):
    with shown(chromium, written) as tab:
        yield tab


def shown(chromium, path, **options):
    return browser.page(chromium, path.as_uri() if path else "about:blank", **options)


def ready(tab):
    tab.wait_for_selector("html[data-ready]")
    return tab


def rows_of(tab, selector):
    """Return the texts of a table's cells, row by row."""
    return tab.eval_on_selector_all(
        f"{selector} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText))"
    )


def number(text):
    return float(text.replace(",", "").replace("−", "-").removesuffix(" %"))


def test_the_library_is_that_of_the_registry_and_its_notice_is_on_the_page(written):
    assert hashlib.sha256(render.LIBRARY.read_bytes()).hexdigest() == LIBRARY
    page = written.read_text()
    assert "Licensed under Apache License 2.0" in page and 'href="https://www.tradingview.com/"' in page
    assert "Apache License" in render.LIBRARY.with_name("LICENSE").read_text()


def test_the_page_draws_without_an_error_and_asks_for_nothing(chromium, written):
    for size, colours in (((390, 844), "light"), ((1440, 1000), "dark"), ((2200, 1300), "light")):
        with shown(chromium, written, size=size, colours=colours) as tab:
            ready(tab).wait_for_timeout(200)
            assert tab.errors == [] and tab.asked == [written.as_uri()]
            assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
            assert "the last day with trades" in tab.inner_text("#lead")
            wide = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.ariaLabel)"
            cut = tab.eval_on_selector_all("#sync .scroll, #arrivals .scroll", wide)
            assert bool(cut) == (size[0] < 700), (size, cut)
            # A hyphen is no minus; a MACD's label is one line, above its lines.
            assert not re.search(r"(^|\s)-\d", tab.inner_text("main"))
            assert tab.eval_on_selector_all(".legend", "all => all[2].clientHeight") < 30


def test_values_shown_equal_those_in_postgres(tab, engine_settings):
    ready(tab).select_option("#symbol", "ETH")
    tab.click("#ranges >> text=All")
    tab.click("#values summary")
    expect(tab.locator("#values tbody tr")).to_have_count(90)
    with postgres.connect(engine_settings) as connection:
        expected = connection.execute("""
            select metric_date, open, high, low, d.close, sma_7, sma_30, sma_200, bollinger_upper, bollinger_lower,
                volume, rsi_14, macd, macd_signal
            from crypto.daily_metrics as d inner join crypto.trading_indicators using (symbol, metric_date)
            where symbol = 'ETH' order by metric_date desc
        """).fetchall()
        prices = connection.execute("""
            select symbol, close from crypto.daily_metrics
            where metric_date = (select max(metric_date) from crypto.daily_metrics) order by symbol
        """).fetchall()
    found = rows_of(tab, "#values")
    assert [row[0] for row in found] == [str(row[0]) for row in expected]
    for row, wanted in zip(found, expected, strict=True):
        # Volume is in short form: four digits and K or M.
        for at, tolerance in [(1, 1e-9), *[(at, 1e-5) for at in (2, 3, 4, 5, 6, 7, 8, 9, 12, 13)], (11, 5e-3)]:
            if wanted[at] is None:
                assert row[at] == "–"
            else:
                assert number(row[at]) == pytest.approx(
                    float(wanted[at]), rel=tolerance, abs=5e-3 if at == 11 else 1e-9
                )
    overview = {row[0].split()[0]: number(row[1]) for row in rows_of(tab, "#market")}
    assert overview == pytest.approx({symbol: float(close) for symbol, close in prices}, rel=1e-5)
    assert number(tab.inner_text("#close")) == overview["ETH"]


def test_the_page_tells_quality_runs_and_sync(tab, engine_settings):
    ready(tab)
    told = tab.inner_text("#conservation")
    raw, kept, rejected = (number(text) for text in re.findall(r"[\d,]+", told))
    assert raw == 100_000 == kept + rejected and "every row accounted for" in told
    assert f"{int(rejected):,}" in tab.inner_text("#quality .bars")
    assert "BTC and ETH" in tab.get_attribute("#correlations td[title^='BTC and ETH']", "title")
    assert "daily_metrics" in tab.inner_text("#runs") and tab.locator("#runs .times li").count() >= 1
    with postgres.connect(engine_settings) as connection:
        (checksum,) = connection.execute(
            "select checksum from crypto.sync_runs where table_name = 'daily_metrics' order by finished_at desc limit 1"
        ).fetchone()
    assert tab.locator(f"#sync code[title='{checksum}']").count() >= 1
    assert "up to date" in tab.inner_text("#sync")


def test_picker_periods_zoom_and_theme_work(tab):
    ready(tab)

    def days():
        return int(tab.inner_text("#range").split(", ")[-1].split()[0])

    closes = set()
    for symbol in ("BTC", "SOL"):
        tab.select_option("#symbol", symbol)
        tab.wait_for_selector(f"#watch button[aria-pressed=true] >> text={symbol}")
        closes.add(tab.inner_text("#close"))
    assert len(closes) == 2
    tab.click("#ranges >> text=1M")
    expect(tab.locator("#range")).to_have_text(re.compile(" 30 days$"))
    box = tab.locator("#panes").bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    legend = tab.locator(".legend >> nth=0")
    expect(legend).not_to_have_text("")
    before = legend.inner_text()
    tab.mouse.move(box["x"] + box["width"] / 4, box["y"] + 100)
    expect(legend).not_to_have_text(before)
    tab.mouse.wheel(0, 400)
    expect(tab.locator("#range")).not_to_have_text(re.compile(" 30 days$"))
    assert days() > 30
    assert tab.get_attribute("#ranges >> text=1M", "aria-pressed") == "false"
    html = tab.locator("html")
    expect(html).to_have_attribute("data-theme", "light")
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(background)
    tab.emulate_media(color_scheme="dark")
    expect(html).to_have_attribute("data-theme", "dark")
    assert tab.evaluate(background) != light
    tab.click("#theme")
    expect(html).to_have_attribute("data-theme", "light")
    assert tab.errors == []


def test_the_chart_works_by_keyboard_and_speaks(tab):
    ready(tab).focus("#panes")
    tab.keyboard.press("Home")
    spoken = tab.locator("#spoken")
    expect(spoken).to_have_text(re.compile("^1 Jan 2024: close"))
    tab.keyboard.press("ArrowRight")
    expect(spoken).to_have_text(re.compile("^2 Jan 2024: close"))
    wide = tab.inner_text("#range")
    tab.keyboard.press("+")
    expect(tab.locator("#range")).not_to_have_text(wide)
    # Every control has a name, and the page's parts can be reached by Tab.
    assert tab.evaluate(UNNAMED) == []
    seen = set()
    tab.evaluate("document.activeElement.blur()")
    for _ in range(60):
        tab.keyboard.press("Tab")
        seen.add(
            tab.evaluate("document.activeElement.closest('section, header')?.id || document.activeElement.className")
        )
    assert {"chart", "market", "correlations", "quality", "sync"} - {"quality"} <= seen


def test_text_has_enough_contrast(chromium, written):
    for colours in ("light", "dark"):
        with shown(chromium, written, colours=colours) as tab:
            weak = [pair for pair in ready(tab).evaluate(CONTRASTS) if pair[1] < 4.5]
            assert weak == [], colours


def test_a_name_from_a_file_cannot_become_markup(chromium, tmp_path):
    made = data(["<i>"], 40)
    made["quality"]["set_aside"] = [
        {
            "source_file": "</script><img src=x onerror=alert(1)>",
            "reason": "unreadable",
            "detail": "<b>",
            "rejected_at": "",
        }
    ]
    path = tmp_path / "page.html"
    path.write_text(render.render(made))
    with shown(chromium, path) as tab:
        assert "</script><img" in ready(tab).inner_text("#arrivals")
        assert tab.locator("img, #arrivals b").count() == 0 and tab.errors == []


def test_without_gold_the_command_says_what_to_do(settings):
    with pytest.raises(CryptoError, match="crypto run"):
        report.write(settings)


@pytest.mark.long
def test_fifty_symbols_of_five_years_stay_small_and_fast(chromium, settings):
    days, symbols = 1826, [f"SYM{number:02}" for number in range(50)]
    fill(settings, symbols, days)
    path, megabytes = written_apart(settings)
    # Two million correlations, held at once, would take more than a gigabyte.
    assert path.stat().st_size < 10_000_000 and megabytes < 600
    assert drawing_seconds(chromium, path) < 2
    with shown(chromium, path) as tab:
        ready(tab).select_option("#symbol", "SYM49")
        tab.click("#ranges >> text=All")
        expect(tab.locator("#range")).to_have_text(re.compile(" 1,826 days$"))
        cells = tab.eval_on_selector_all("#correlations td", "cells => cells.map(cell => cell.innerText)")
        assert sorted(set(cells)) == ["", "0.25", "1"] and len(cells) == 1 + 50 * 50


def written_apart(settings):
    """Write the report in a process of its own; return its path and the largest memory of that process, in MB."""
    # Not ru_maxrss, which begins with the memory of the process that started this one.
    code = "import re; from commands import cli; cli.main(['report'], standalone_mode=False); "
    code += "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) // 1024)"
    given = os.environ | no_settings() | {"CRYPTO_HOME": str(settings.home)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, env=given, capture_output=True, text=True, check=True
    )
    return settings.home / "report.html", int(done.stdout.split()[-1])


def drawing_seconds(chromium, path):
    """Return the processor's seconds until the page was drawn: those of a clock depend on what else runs."""
    with shown(chromium, None) as tab:
        session = chromium.new_cdp_session(tab)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        tab.goto(path.as_uri())
        ready(tab)
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        assert tab.errors == []
    return metrics["TaskDuration"]


def data(symbols, days):
    """Return the report's data of made-up symbols, as collect() makes it."""
    rng = np.random.default_rng(1)
    close = 100 * np.exp(rng.normal(0, 0.03, days).cumsum())
    values = {"first_day": "2024-01-01", "volume": [1.5] * days, "is_filled": [0] * days}
    values |= {name: close.tolist() for name in collect.PRICES} | {name: close.tolist() for name in collect.INDICATORS}
    row = {"close": close[-1], "spark": close.tolist(), "series": collect._packed(values)}
    return {
        "made_at": "2024-06-01 00:00:00",
        "as_of": "2024-06-01",
        "symbols": [{"symbol": symbol, "symbol_name": symbol} | row for symbol in symbols],
        "correlations": {"as_of": None, "symbols": [], "pairs": []},
        "quality": {"raw": 2, "kept": 1, "rejected": 1, "reasons": [], "filled": [], "batches": [], "set_aside": [],
                    "revisions": {"total": 0, "candles": 0, "latest": []}},
        "runs": [],
        "hour_price": 1,
        "run_budget": None,
        "sync": {"note": "", "gold_versions": {}, "syncs": []},
    }  # fmt: skip


def fill(settings, symbols, days):
    """Write gold tables of so many symbols and days, of the types that the models write."""
    rng = np.random.default_rng(7)
    size = len(symbols) * days
    first = date(2019, 1, 1)
    keys = {
        "symbol": np.repeat(symbols, days),
        "metric_date": [first + timedelta(at) for at in range(days)] * len(symbols),
    }
    close = 100 * np.exp(rng.normal(0, 0.02, size).cumsum() % 3)

    def exact(values, digits):
        return pa.array([Decimal(f"{value:.{digits}f}") for value in values], pa.decimal128(28, 8))

    daily = keys | {name: exact(close * rng.uniform(0.98, 1.02, size), 2) for name in collect.PRICES}
    daily |= {"volume": exact(rng.uniform(1, 1e6, size), 8), "is_filled": np.zeros(size, bool)}
    write_deltalake(settings.warehouse / "gold.db" / "daily_metrics", pa.table(daily))
    indicators = keys | {name: close * rng.uniform(0.5, 1.5, size) for name in collect.INDICATORS}
    write_deltalake(settings.warehouse / "gold.db" / "trading_indicators", pa.table(indicators))
    pairs = [(a, b) for a in symbols for b in symbols if a < b]
    # On the last day every correlation is 0.25.
    values = np.append(rng.uniform(-1, 1, len(pairs) * (days - 1)), np.full(len(pairs), 0.25))
    correlations = {
        "symbol_a": [a for a, _ in pairs] * days,
        "symbol_b": [b for _, b in pairs] * days,
        "metric_date": np.repeat(np.datetime64(first) + np.arange(days), len(pairs)),
        "correlation_30": values,
        "correlation_90": values,
    }
    write_deltalake(settings.warehouse / "gold.db" / "correlations", pa.table(correlations))
