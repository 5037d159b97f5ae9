"""A day counts as fetched only when it is whole: by its numbers, the trades around it, and the exchange's clock."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from support.exchange_server import DAY, HOUR, MILLISECOND, SECOND, day_start, made, renumbered
from support.fetching import expected, fetched, homes, landed, rows

from lakehouse.errors import CryptoError
from market_data.exchanges import common_call
from market_data.exchanges.exchange import Incomplete, Paging
from market_data.markets import Market

DAYS = {"since": "2024-08-02", "source": "api"}
START = day_start(date(2024, 8, 2))
NUMBERED = {
    "Binance": ("BTCUSDT", "api.binance.com"),
    "Kraken": ("XBTUSD", "api.kraken.com"),
    "Coinbase": ("BTC-USD", "api.exchange.coinbase.com"),
}
numbered = pytest.mark.parametrize("exchange", list(NUMBERED))


@pytest.fixture
def home(tmp_path, exchanges, monkeypatch):
    """A function that gives settings of a new data home, which asks the local server, in pages of 200 trades."""
    monkeypatch.setattr(Paging, "limit", 200)
    return homes(tmp_path, exchanges.address)


def has_trades(exchanges, exchange: str, first: int = START - 3 * HOUR, last: int = START + DAY + 3 * HOUR):
    trades = made(exchange, first, last, 600)
    exchanges.has(exchange, NUMBERED[exchange][0], trades)
    return trades


def of_day(settings, exchange: str) -> list[tuple]:
    return rows(settings, f"{exchange}/{NUMBERED[exchange][0]}/2024-08-02.parquet")


@numbered
@pytest.mark.parametrize("kind", ["empty", "gap", "again"])
def test_one_answer_that_lacks_trades_loses_none_wherever_it_is(exchange, kind, home, exchanges, monkeypatch):
    trades = has_trades(exchanges, exchange)
    market, host = NUMBERED[exchange]
    fetched(home(), monkeypatch, exchange, market, **DAYS)
    asked = len(exchanges.asked(host))
    for after in range(0, asked, 2):
        settings = home()
        exchanges.fault(kind, host, after=after)
        said = fetched(settings, monkeypatch, exchange, market, **DAYS)
        wanted = expected(trades, "2024-08-02", aggregated=exchange == "Binance")
        assert "exit code 0" in said and of_day(settings, exchange) == wanted, after
        exchanges.faults.clear()


@numbered
def test_trades_that_stay_away_are_said_and_fetched_by_the_next_command(exchange, home, exchanges, monkeypatch):
    trades, settings = has_trades(exchanges, exchange), home()
    market, host = NUMBERED[exchange]
    fetched(home(), monkeypatch, exchange, market, **DAYS)
    exchanges.fault(
        "empty",
        rf"{host}/(?!.*limit=1\b)(?!.*count=1\b)(.*(fromId|after|since)=)",
        times=99,
        after=1 + (exchange == "Kraken"),
    )
    said = fetched(settings, monkeypatch, exchange, market, **DAYS)
    assert f"{exchange} {market}: 2024-08-02 is not whole and not fetched yet" in said and "exit code 1" in said
    assert "though its newest is number 1599" in said and not landed(settings)
    said = fetched(settings, monkeypatch, exchange, market, **DAYS, with_incomplete=True)
    some = of_day(settings, exchange)
    assert "exit code 1" in said and 0 < len(some) < 400
    exchanges.faults.clear()
    fetched(settings, monkeypatch, exchange, market, **DAYS)
    path = f"{exchange}/{market}/2024-08-02.2.parquet"
    assert rows(settings, path) == expected(trades, "2024-08-02", aggregated=exchange == "Binance")
    assert "was fetched before" in fetched(settings, monkeypatch, exchange, market, **DAYS)


@numbered
def test_numbers_that_an_exchange_never_gave_are_counted_and_no_hindrance(exchange, home, exchanges, monkeypatch):
    market, settings = NUMBERED[exchange][0], home()
    trades = [trade for trade in has_trades(exchanges, exchange) if trade.number not in (1234, 1235, 1300)]
    exchanges.has(exchange, market, trades)
    said = fetched(settings, monkeypatch, exchange, market, **DAYS)
    assert "3 ids between other trades are not there, also when asked for again" in said and "exit code 0" in said
    assert of_day(settings, exchange) == expected(trades, "2024-08-02", aggregated=exchange == "Binance")


@numbered
@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        (START + HOUR, START + 30 * HOUR, "no trade before its first has been seen"),
        (START - HOUR, START + 20 * HOUR, "no trade after its last has been seen, the newest is of 2024-08-02 19:"),
        (START - HOUR, START + 30 * HOUR, "the exchange's clock says 2024-08-02 23:00 UTC, so that it is not over"),
    ],
    ids=["before", "after", "clock"],
)
def test_a_day_is_whole_only_if_its_ends_were_seen(exchange, first, last, why, home, exchanges, monkeypatch):
    trades = has_trades(exchanges, exchange, first, last)
    settings, market = home(), NUMBERED[exchange][0]
    if "clock" in why:
        exchanges.clock_ahead = (START + DAY - HOUR) / SECOND - datetime.now(UTC).timestamp() + 1
    said = fetched(settings, monkeypatch, exchange, market, **DAYS)
    assert why in said and "exit code 1" in said and not landed(settings)
    exchanges.clock_ahead = 0
    # A market's first trade is number 1, and a newer trade comes.
    exchanges.has(exchange, market, renumbered([*trades, replace(trades[-1], moment=START + 40 * HOUR)], 1))
    if first > START:
        settings = home()
    else:
        exchanges.has(exchange, market, [*trades, replace(trades[-1], moment=START + 40 * HOUR, number=1600)])
    assert "exit code 0" in fetched(settings, monkeypatch, exchange, market, **DAYS)
    assert len(of_day(settings, exchange)) == len(expected(trades, "2024-08-02", aggregated=exchange == "Binance"))


def test_trades_of_one_nanosecond_at_the_border_of_pages_are_not_lost(home, exchanges, monkeypatch):
    trades = has_trades(exchanges, "Kraken")
    # The hundredth to the hundred and ninth trade after the first page's beginning have one time.
    place = next(number for number, trade in enumerate(trades) if trade.moment >= START)
    for first in range(place + 80, place + 200, 30):
        same = trades[first].moment
        trades[first : first + 25] = [replace(trade, moment=same, nanosecond=7) for trade in trades[first : first + 25]]
    exchanges.has("Kraken", "XBTUSD", trades)
    settings = home()
    fetched(settings, monkeypatch, "kraken", "BTC/USD", **DAYS)
    assert of_day(settings, "Kraken") == expected(trades, "2024-08-02")


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("401", "wants a key"),
        ("403", "does not serve this machine's network"),
        ("403 cloudflare", "guarded by Cloudflare"),
        ("407", "name and a password; put them into HTTPS_PROXY"),
        ("451", "does not serve this country"),
        ("418", r"a wait of 2.0 hours more would be longer than --wait allows \(10 minutes\)"),
    ],
)
@pytest.mark.parametrize("source", ["api", "archive"])
def test_what_an_exchange_refuses_is_no_missing_day(status, sentence, source, home, exchanges, monkeypatch):
    has_trades(exchanges, "Binance")
    exchanges.fault(status, "HEAD" if source == "archive" else "api.binance.com")
    settings = home()
    with pytest.raises(CryptoError, match=sentence):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-02", source=source)
    assert not landed(settings)


def test_a_wait_says_for_what_and_how_long_and_has_a_limit(home, exchanges, monkeypatch):
    has_trades(exchanges, "Kraken")
    exchanges.fault("503", "api.kraken.com", times=2)
    said = fetched(home(), monkeypatch, "kraken", "BTC/USD", **DAYS)
    assert "answers 503 Service Unavailable: waiting 1 s before asking again; Ctrl-C stops, and the same" in said
    exchanges.fault("503", "api.kraken.com", times=99)
    with pytest.raises(CryptoError, match=r"503 Service Unavailable, and a wait of 1 s more.*--wait allows"):
        fetched(home(), monkeypatch, "kraken", "BTC/USD", **DAYS, wait=0.1)


def test_okx_goes_back_through_older_trades_from_after_the_day_to_before_it(home, exchanges, monkeypatch):
    trades = made("OKX", START - 3 * HOUR, START + 3 * DAY, 900)
    exchanges.has("OKX", "BTC-USDT", trades)
    exchanges.page = 100
    settings = home()
    for kind in ("empty", "again"):
        exchanges.fault(kind, "history-trades.*after", after=2)
    said = fetched(settings, monkeypatch, "okx", "BTC/USDT", since="2024-08-02")
    assert "exit code 0" in said and exchanges.met == ["empty", "again"]
    assert rows(settings, "OKX/BTC-USDT/2024-08-02.parquet") == expected(trades, "2024-08-02")
    said = fetched(settings, monkeypatch, "okx", "BTC/USDT", since="2024-08-01")
    assert "2024-08-01 is not whole" in said and "exit code 1" in said and len(landed(settings)) == 1
    with pytest.raises(CryptoError, match="is a contract"):
        fetched(settings, monkeypatch, "okx", "BTC/USDT:USDT", since="2024-08-02")
    with pytest.raises(CryptoError, match="OKX knows no market FOO-USDT"):
        fetched(settings, monkeypatch, "okx", "FOO/USDT", since="2024-08-02")


def test_bybit_gives_its_latest_trades_only_and_says_what_is_missing(home, exchanges, monkeypatch):
    now = int(datetime.now(UTC).timestamp() * SECOND)
    today = datetime.now(UTC).date()
    yesterday = today - timedelta(days=1)
    trades = made("Bybit", now - 2 * DAY, now, 6000)
    exchanges.has("Bybit", "BTCUSDT", trades)
    settings = home()
    said = fetched(settings, monkeypatch, "bybit", "BTC/USDT", since=str(yesterday))
    assert f"{yesterday} is not whole" in said and "exit code 1" in said and not landed(settings)
    # A quiet market's latest trades are of more than a day.
    exchanges.has("Bybit", "BTCUSDT", trades[::200])
    fetched(settings, monkeypatch, "bybit", "BTC/USDT", since=str(yesterday), again=True)
    assert rows(settings, f"Bybit/BTCUSDT/{yesterday}.parquet") == expected(trades[::200], str(yesterday))


class Client:
    """CCXT's client of an exchange that can be asked by time; ``lost`` trades are in no answer."""

    def __init__(self, lost: range = range(0)) -> None:
        self.trades = made("OKX", START - 4 * HOUR, START + DAY + HOUR, 400)
        self.id, self.name, self.has, self.lost = "some", "Some", {}, lost

    def load_markets(self) -> None:
        pass

    def market(self, symbol: str) -> dict[str, bool]:
        return {"spot": symbol == "BTC/USDT"}

    def fetch_trades(self, symbol: str, since: int | None, limit: int | None, params: dict[str, str]):
        found = [trade for trade in self.trades if since is None or trade.moment // MILLISECOND >= since]
        return [
            {
                **{"id": str(trade.number), "price": trade.price, "amount": trade.amount, "side": trade.side},
                **{"timestamp": trade.moment // MILLISECOND, "info": {}},
            }
            for trade in (found[-50:] if since is None else found[:50])
            if trade.number not in self.lost
        ]


def pages_of(client: Client) -> list[str]:
    """Return the ids that the common call gives for a day; raise Incomplete for what stays doubtful."""
    paging = common_call.CommonCall(client, Market("Some", "BTC-USDT", "BTC", "USDT"), common_call.ANSWER)
    cursor, found = None, []
    while True:
        page = paging.page(cursor, START, START + DAY)
        if page.doubt and page.cursor == cursor and not page.is_last:
            raise Incomplete(page.doubt)
        found += [row["id"] for row in page.rows if START <= paging.moment(row) < START + DAY]
        cursor = page.cursor
        if page.is_last:
            return list(dict.fromkeys(found))


def test_the_common_call_goes_forwards_where_it_can_be_asked_by_time():
    client = Client()
    inside = [str(trade.number) for trade in client.trades if START <= trade.moment < START + DAY]
    assert pages_of(client) == inside
    client.trades = client.trades[200:]
    with pytest.raises(Incomplete, match="no trade before number 1200"):
        pages_of(client)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("krakn", "did you mean [kK]raken"),
        ("qqqq", "There is no exchange qqqq that is known here"),
        ("blockchaincom", "has no an API that gives past trades|has no .*past trades"),
        ("mudrex", "has no spot markets|past trades"),
    ],
)
def test_an_exchange_that_can_not_be_asked_is_one_sentence(name, sentence, home, exchanges, monkeypatch):
    with pytest.raises(CryptoError, match=sentence):
        fetched(home(), monkeypatch, name, "BTC/USDT", since="2024-08-02")
