"""`crypto fetch` from exchanges' APIs: each one's paging, every trade once, whatever goes wrong, killed or not."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from support.exchange_server import (
    DAY,
    HOUR,
    SECOND,
    ExchangeServer,
    bitstamp_row,
    day_start,
    made,
    renumbered,
    times_of,
)
from support.fetching import expected, fetched, homes, landed, rows

from lakehouse.errors import CryptoError
from market_data import exchanges as known_exchanges
from market_data import fetch
from market_data.exchanges.exchange import Page, Paging
from market_data.fetch import api, download
from market_data.fetch.fetch_log import PageFile

YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
# Each exchange's own name of a market, its host, and a day that its API reaches.
EXCHANGES = {
    "Binance": ("BTCUSDT", "api.binance.com", date(2024, 8, 2)),
    "Kraken": ("XBTUSD", "api.kraken.com", date(2024, 8, 2)),
    "Coinbase": ("BTC-USD", "api.exchange.coinbase.com", date(2024, 8, 2)),
    "Gemini": ("BTCUSD", "api.gemini.com", YESTERDAY),
}
every_exchange = pytest.mark.parametrize("exchange", list(EXCHANGES))


@pytest.fixture
def home(tmp_path, exchanges, monkeypatch):
    """A function that gives settings of a new data home, which asks the local server, in pages of 100 trades."""
    monkeypatch.setattr(Paging, "limit", 100)
    return homes(tmp_path, exchanges.address)


def has_trades(exchanges: ExchangeServer, exchange: str, count: int = 900, days: int = 1):
    """Let an exchange have trades of a day and of hours before and after it; return them."""
    name, _, day = EXCHANGES[exchange]
    trades = made(exchange, day_start(day) - 6 * HOUR, day_start(day) + days * DAY + 6 * HOUR, count)
    if day == YESTERDAY:
        trades = [trade for trade in trades if trade.moment < datetime.now(UTC).timestamp() * SECOND]
    exchanges.has(exchange, name, trades)
    exchanges.page = 100
    return trades


def get(settings, monkeypatch, exchange: str, **asked) -> str:
    """Fetch an exchange's day."""
    name, _, day = EXCHANGES[exchange]
    return fetched(settings, monkeypatch, exchange, name, **{"since": str(day), "source": "api"} | asked)


def path_of(exchange: str) -> str:
    name, _, day = EXCHANGES[exchange]
    return f"{exchange}/{name}/{day}.parquet"


@every_exchange
def test_a_day_has_all_trades_of_the_exchange_and_no_other(exchange, home, exchanges, monkeypatch):
    trades, settings = has_trades(exchanges, exchange), home()
    said = get(settings, monkeypatch, exchange)
    wanted = expected(trades, str(EXCHANGES[exchange][2]), aggregated=exchange == "Binance")
    assert rows(settings, path_of(exchange)) == wanted and list(landed(settings)) == [path_of(exchange)]
    # The estimate was made from an answer or two.
    (about,) = [line for line in said.splitlines() if line.startswith("About")]
    assert abs(int(about.split()[1].replace(",", "")) / len(wanted) - 1) < 0.5
    asked = len(exchanges.requests)
    assert "was fetched before" in get(settings, monkeypatch, exchange) and len(exchanges.requests) == asked


@every_exchange
def test_faults_that_pass_change_nothing(exchange, home, exchanges, monkeypatch):
    has_trades(exchanges, exchange)
    undisturbed, settings = home(), home()
    get(undisturbed, monkeypatch, exchange)
    host = EXCHANGES[exchange][1]
    # Of the last pages, not of the estimate.
    before = len(exchanges.asked(host)) - 6
    for kind in ("429", "503", "cut", "reset", "again"):
        exchanges.fault(kind, host, after=before)
        before = 0
    get(settings, monkeypatch, exchange)
    assert exchanges.met == ["429", "503", "cut", "reset", "again"] and landed(settings) == landed(undisturbed)


@every_exchange
def test_a_day_goes_on_where_it_stopped(exchange, home, exchanges, monkeypatch):
    has_trades(exchanges, exchange)
    undisturbed, settings = home(), home()
    get(undisturbed, monkeypatch, exchange)
    host = EXCHANGES[exchange][1]
    all_of_it = len(exchanges.asked(host))
    exchanges.fault("401", host, after=all_of_it - 3)
    with pytest.raises(CryptoError):
        get(settings, monkeypatch, exchange)
    (kept,) = (settings.home / "fetch").rglob("*.pages")
    assert not landed(settings)
    # A kill can leave half a line.
    with kept.open("a") as file:
        file.write('{"rows": [["1", 17')
    before = len(exchanges.asked(host))
    get(settings, monkeypatch, exchange)
    assert landed(settings) == landed(undisturbed) and not kept.exists()
    assert len(exchanges.asked(host)) - before < all_of_it


def test_binance_is_read_over_hours_without_a_trade(home, exchanges, monkeypatch):
    start = day_start(date(2024, 8, 2))
    trades = made("Binance", start, start + DAY, 600)
    # Nothing before 03:00, between 05:00 and 11:00, and after 21:00 but for two days later.
    quiet = [(0, 3), (5, 11), (21, 24)]
    trades = [
        trade for trade in trades if not any(first <= (trade.moment - start) // HOUR < last for first, last in quiet)
    ]
    trades = [*trades, replace(trades[-1], moment=start + 2 * DAY + HOUR)]
    exchanges.has("Binance", "BTCUSDT", renumbered(trades, 1))
    settings = home()
    get(settings, monkeypatch, "Binance", since="2024-08-01", until="2024-08-03")
    assert rows(settings, path_of("Binance")) == expected(trades, "2024-08-02", aggregated=True)
    assert rows(settings, "Binance/BTCUSDT/2024-08-01.parquet") == []
    assert rows(settings, "Binance/BTCUSDT/2024-08-03.parquet") == []


def test_kraken_is_paged_by_all_digits_of_last(home, exchanges, monkeypatch):
    start = day_start(date(2024, 8, 2))
    # A hundred trades in each of nine microseconds: only nanoseconds tell them apart.
    trades = [
        trade
        for place in range(9)
        for trade in made("Kraken", start + place, start + place + 1, 100, number=100 * place)
    ]
    exchanges.has("Kraken", "XBTUSD", [*trades, replace(trades[-1], moment=start + DAY, number=900)])
    exchanges.page = 64
    settings = home()
    get(settings, monkeypatch, "Kraken")
    assert rows(settings, path_of("Kraken")) == expected(trades, "2024-08-02")
    given = [request.query.get("since", "0") for request in exchanges.asked("api.kraken.com")]
    assert {len(since) for since in given} == {1, 19}


def test_coinbase_gives_the_makers_side_and_the_taker_is_written(home, exchanges, monkeypatch):
    trades = has_trades(exchanges, "Coinbase", 50)
    settings = home()
    get(settings, monkeypatch, "Coinbase")
    sides = {row[0]: row[4] for row in rows(settings, path_of("Coinbase"))}
    assert sides and all(
        sides.get(f"{trade.number:020d}", trade.side.upper()) == trade.side.upper() for trade in trades
    )


def test_gemini_reaches_back_some_days_and_says_so(home, exchanges, monkeypatch):
    has_trades(exchanges, "Gemini")
    exchanges.reaches_back = timedelta(hours=30)
    with pytest.raises(CryptoError, match=r"Gemini's API gives trades since .* UTC only"):
        get(home(), monkeypatch, "Gemini", since=str(YESTERDAY - timedelta(days=1)))


def test_gemini_in_full_pages(home, exchanges, monkeypatch):
    trades = has_trades(exchanges, "Gemini", 3000)
    exchanges.page = 1000
    settings = home()
    get(settings, monkeypatch, "Gemini")
    assert rows(settings, path_of("Gemini")) == expected(trades, str(YESTERDAY))


def test_auctions_of_gemini_have_no_side_and_are_not_taken_for_one(home, exchanges, monkeypatch):
    trades = has_trades(exchanges, "Gemini", 60)
    trades = [replace(trade, side="auction") if place % 7 == 0 else trade for place, trade in enumerate(trades)]
    exchanges.has("Gemini", "BTCUSD", trades)
    settings = home()
    with pytest.raises(CryptoError, match=r"without a side.*--side tick-rule"):
        get(settings, monkeypatch, "Gemini")
    get(settings, monkeypatch, "Gemini", tick_rule=True)
    found = rows(settings, path_of("Gemini"))
    assert {row[4] for row in found} == {"BUY", "SELL"}
    assert [row[:4] for row in found] == [row[:4] for row in expected(trades, str(YESTERDAY))]


def test_an_estimate_over_years_takes_few_questions(home, exchanges, monkeypatch):
    trades = renumbered(has_trades(exchanges, "Binance"), 0)
    exchanges.has("Binance", "BTCUSDT", trades)
    said = get(home(), monkeypatch, "Binance", since="2018-01-01", until="2024-08-02", dry_run=True)
    count = sum(trade.moment < day_start(date(2024, 8, 3)) for trade in trades)
    assert f"About {count:,} trades" in said and len(exchanges.requests) < 60


def test_an_id_that_starts_again_is_refused_unless_trades_are_numbered_otherwise(home, exchanges, monkeypatch):
    start = day_start(date(2024, 8, 2))
    noon = start + DAY // 2
    first, second = made("Kraken", start, noon, 150), made("Kraken", noon, start + DAY, 150, 2)
    trades = [*renumbered(first, 1), *renumbered([*second, replace(second[-1], moment=start + DAY + HOUR)], 1)]
    exchanges.has("Kraken", "XBTUSD", trades)
    exchanges.page = 100
    settings = home()
    with pytest.raises(CryptoError, match=r"numbers its trades anew on 2024-08-02.*--without-ids"):
        get(settings, monkeypatch, "Kraken")
    assert not landed(settings)
    get(settings, monkeypatch, "Kraken", without_ids=True)
    found, wanted = rows(settings, path_of("Kraken")), expected(trades, "2024-08-02")
    assert [row[1:] for row in found] == [row[1:] for row in wanted] and len({row[0] for row in found}) == 300


def test_binance_goes_on_where_its_ids_start_again(home, exchanges, monkeypatch):
    start = day_start(date(2024, 8, 2))
    first, second = (
        made("Binance", start, start + DAY // 2, 150),
        made("Binance", start + DAY // 2, start + DAY, 150, 2),
    )
    # The ids of the second half are below those of the first, and by id they come first.
    early, late = replace(first[0], moment=start - HOUR), replace(second[-1], moment=start + DAY + HOUR)
    trades = [*renumbered([early, *first], 1000), *renumbered([*second, late], 1)]
    exchanges.has("Binance", "BTCUSDT", trades)
    exchanges.page = 70
    settings = home()
    get(settings, monkeypatch, "Binance", without_ids=True)
    assert [row[1:] for row in rows(settings, path_of("Binance"))] == [
        row[1:] for row in expected(trades, "2024-08-02", aggregated=True)
    ]


def test_a_page_that_comes_again_and_again_ends_with_a_sentence(home, exchanges, monkeypatch):
    has_trades(exchanges, "Kraken")
    settings = home()
    exchanges.fault("again", "api.kraken.com", times=100, after=3)
    said = get(settings, monkeypatch, "Kraken")
    assert "2024-08-02 is not whole" in said and "exit code 1" in said and not landed(settings)


@every_exchange
def test_an_unknown_market_is_one_sentence(exchange, home, exchanges, monkeypatch):
    with pytest.raises(CryptoError, match=f"{exchange} knows no market"):
        fetched(home(), monkeypatch, exchange, "FOO/USD", since=str(YESTERDAY), source="api")


def test_today_is_left_out_unless_asked_for_and_fetched_anew_when_it_is_over(home, exchanges, monkeypatch):
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    now = int(datetime.now(UTC).timestamp() * SECOND)
    trades = made("Kraken", now - 2 * DAY, now, 400)
    exchanges.has("Kraken", "XBTUSD", trades)
    settings = home()
    asked = {"since": str(yesterday), "until": str(today)}
    assert f"{today} is left out: it is not over" in get(settings, monkeypatch, "Kraken", **asked)
    assert list(landed(settings)) == [f"Kraken/XBTUSD/{yesterday}.parquet"]
    get(settings, monkeypatch, "Kraken", **asked, with_today=True)
    assert rows(settings, f"Kraken/XBTUSD/{today}.parquet") == expected(trades, str(today))
    exchanges.has("Kraken", "XBTUSD", [*trades, *made("Kraken", now, now + SECOND, 9, number=9000)])
    get(settings, monkeypatch, "Kraken", **asked, with_today=True)
    assert len(landed(settings)) == 3 and not list((settings.home / "fetch").rglob("*.pages"))


def test_a_day_that_ends_while_it_is_fetched_is_fetched_anew(home, exchanges, monkeypatch):
    has_trades(exchanges, "Kraken")
    settings, day = home(), EXCHANGES["Kraken"][2]
    # The day is not over when its trades are asked for, and over when they are written.
    clock = iter([day] * 4)
    monkeypatch.setattr(fetch, "today", lambda: day)
    monkeypatch.setattr(api, "today", lambda: next(clock, day + timedelta(days=1)))
    get(settings, monkeypatch, "Kraken", with_today=True)
    monkeypatch.undo()
    assert len(landed(settings)) == 1
    assert "was fetched before" not in get(settings, monkeypatch, "Kraken")
    assert "was fetched before" in get(settings, monkeypatch, "Kraken")


def test_bitstamp_gives_a_day_only_and_days_become_whole_by_asking_often(home, exchanges, monkeypatch):
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    now = int(datetime.now(UTC).timestamp() * SECOND)
    trades = made("Bitstamp", now - 3 * DAY, now, 600)
    exchanges.has("Bitstamp", "BTCUSD", trades)
    settings = home()
    said = fetched(
        settings, monkeypatch, "bitstamp", "BTC/USD", since=str(yesterday - timedelta(days=1)), until=str(yesterday)
    )
    assert "Bitstamp's API gives trades since" in said and f"{yesterday} is not whole" in said and not landed(settings)
    # What an earlier command kept: all of yesterday until some hours ago.
    pages = PageFile(settings.home / "fetch" / "Bitstamp" / "BTCUSD" / f"{yesterday}.pages")
    start = day_start(yesterday)
    earlier = [bitstamp_row(trade) for trade in trades if start <= trade.moment < now - DAY + 2 * HOUR]
    pages.add(Page(earlier, None, True), (start - HOUR, now - DAY + 2 * HOUR))
    fetched(settings, monkeypatch, "bitstamp", "BTC/USD", since=str(yesterday), until=str(yesterday))
    assert rows(settings, f"Bitstamp/BTCUSD/{yesterday}.parquet") == expected(trades, str(yesterday))


@pytest.mark.parametrize(
    ("spans", "is_whole"),
    [
        ([(0, 100)], True),
        ([(0, 50), (40, 120)], True),
        ([(40, 120), (0, 50)], True),
        ([(0, 40), (50, 120)], False),
        ([(10, 120)], False),
        ([(0, 90)], False),
        ([], False),
    ],
)
def test_pages_cover_a_day_if_no_time_is_missing(spans, is_whole, tmp_path):
    pages = PageFile(tmp_path / "day.pages")
    for span in spans:
        pages.add(Page([], None, is_last=True), span)
    assert pages.covers(0, 100) == is_whole == PageFile(tmp_path / "day.pages").covers(0, 100)


def test_the_rate_limit_of_the_exchange_is_kept(home, exchanges, monkeypatch):
    has_trades(exchanges, "Kraken", 400)
    # Of a mirror on this machine no limit is kept.
    monkeypatch.setattr(download, "is_local", lambda settings: False)
    get(home(), monkeypatch, "Kraken")
    # Kraken allows a request a second.
    pauses = times_of(exchanges.asked("api.kraken.com"))
    assert len(pauses) > 3 and min(pauses) > 0.9


def test_two_commands_never_ask_one_exchange_at_once(home, exchanges, monkeypatch):
    settings = home()
    (settings.home / "fetch").mkdir(parents=True)
    hold = f"import fcntl, time; file = open({str(settings.home / 'fetch' / 'Kraken.lock')!r}, 'w'); "
    hold += "fcntl.flock(file, fcntl.LOCK_EX); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CryptoError, match="Another `crypto fetch` of Kraken is at work"):
            get(settings, monkeypatch, "Kraken")
        other.kill()


def test_ids_are_ordered_by_their_value_and_repetitions_left_out():
    place, day = known_exchanges.find("kraken").market("BTC/USD"), date(2024, 8, 2)
    answer = known_exchanges.find("kraken").answer

    def in_order(*pages, without_ids=False):
        return api._in_order(place, day, [answer.trades(rows, "it") for rows in (*pages, [])], without_ids)

    rows = [["1", "1.5", "1722556800.1", "b", "l", "", name] for name in ("10", "9", "9", "100")]
    found = in_order(rows, [], rows[:1])
    assert found["id"].to_pylist() == ["9", "10", "100"] and found["volume"].to_pylist() == [1.5] * 3
    assert in_order().num_rows == 0
    other = [["1.1", *rows[0][1:]]]
    with pytest.raises(CryptoError, match="numbers its trades anew"):
        in_order(rows, other)
    assert in_order(rows, other, without_ids=True).num_rows == 4
