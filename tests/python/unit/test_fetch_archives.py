"""`crypto fetch` from archives: every trade once, whatever goes wrong, and nothing that is not verified."""

from datetime import UTC, date, datetime, timedelta

import pytest
from support.exchange_server import DAY, HOUR, SECOND, ExchangeServer, day_start, made, renumbered
from support.fetching import expected, fetched, homes, landed, rows

from lakehouse.errors import CryptoError

AUGUST = day_start(date(2024, 8, 1))


@pytest.fixture
def home(tmp_path, exchanges):
    """A function that gives settings of a new data home, which asks the local server."""
    return homes(tmp_path, exchanges.address)


@pytest.fixture
def bitcoin(exchanges: ExchangeServer):
    """Trades of BTCUSDT in August and a little beyond."""
    trades = made("Binance", AUGUST - HOUR, AUGUST + 31 * DAY + HOUR, 6000)
    exchanges.has("Binance", "BTCUSDT", trades)
    return trades


def test_days_have_all_trades_of_the_archive_and_are_fetched_once(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    said = fetched(settings, monkeypatch, "binance", "BTC/USDT", since="2024-08-01", until="2024-08-03")
    assert "from Binance's archive, 2024-08-01 to 2024-08-03 (3 days)" in said and "to download" in said
    for day in ("2024-08-01", "2024-08-02", "2024-08-03"):
        assert rows(settings, f"Binance/BTCUSDT/{day}.parquet") == expected(bitcoin, day, of_archive=True)
    assert len(landed(settings)) == 3
    asked = len(exchanges.requests)
    said = fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-03")
    assert "was fetched before" in said and "nothing to fetch" in said and len(exchanges.requests) == asked
    assert not [path for path in (settings.home / "fetch").rglob("*") if path.suffix in (".zip", ".part")]


def test_a_month_is_one_file_of_the_archive_and_equals_its_days(home, exchanges, bitcoin, monkeypatch):
    by_month, by_day = home(), home()
    fetched(by_month, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-31")
    assert {request.path.split("/")[2] for request in exchanges.requests} == {"monthly"}
    exchanges.monthly = False
    fetched(by_day, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-31")
    assert landed(by_month) == landed(by_day) and len(landed(by_day)) == 31


def test_a_day_without_trades_is_there_and_empty(home, exchanges, monkeypatch):
    trades = [trade for trade in made("Binance", AUGUST, AUGUST + 31 * DAY, 900) if trade.moment // DAY % 7]
    exchanges.has("Binance", "BTCUSDT", trades)
    settings = home()
    fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-31")
    empty = [path for path in landed(settings) if not rows(settings, path)]
    assert len(landed(settings)) == 31 and len(empty) >= 4

    alone = home()
    day = empty[0].rsplit("/", 1)[1].removesuffix(".parquet")
    fetched(alone, monkeypatch, "binance", "BTCUSDT", since=day)
    assert landed(alone) == {empty[0]: landed(settings)[empty[0]]}


def test_times_are_in_microseconds_since_2025(home, exchanges, monkeypatch):
    first = day_start(date(2025, 3, 1))
    trades = made("Binance", first, first + DAY, 300)
    exchanges.has("Binance", "BTCUSDT", trades)
    settings = home()
    fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2025-03-01")
    assert rows(settings, "Binance/BTCUSDT/2025-03-01.parquet") == expected(trades, "2025-03-01", of_archive=True)


@pytest.mark.parametrize("kind", ["429", "503", "cut", "reset", "checksum"])
@pytest.mark.parametrize("where", [r"\.zip", r"\.zip\.CHECKSUM"])
def test_a_fault_that_passes_changes_nothing(kind, where, home, exchanges, bitcoin, monkeypatch):
    settings, undisturbed = home(), home()
    days = {"since": "2024-08-01", "until": "2024-08-02"}
    fetched(undisturbed, monkeypatch, "binance", "BTCUSDT", **days)
    exchanges.fault(kind, rf"2024-08-02{where}$")
    fetched(settings, monkeypatch, "binance", "BTCUSDT", **days)
    assert exchanges.met == [kind] and landed(settings) == landed(undisturbed)


def test_a_download_that_broke_goes_on_where_it_stopped(home, exchanges, monkeypatch):
    settings = home()
    bitcoin = made("Binance", AUGUST, AUGUST + DAY, 9000)
    exchanges.has("Binance", "BTCUSDT", bitcoin)
    exchanges.fault("cut", r"2024-08-01\.zip$")
    exchanges.fault("404", r"2024-08-01\.zip$")
    with pytest.raises(CryptoError, match="404 Not Found"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01")
    (part,) = (settings.home / "fetch").rglob("*.part")
    had = part.stat().st_size
    assert had and not landed(settings)
    fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01")
    assert [request.span for request in exchanges.requests if request.span][-1] == f"bytes={had}-"
    assert rows(settings, "Binance/BTCUSDT/2024-08-01.parquet") == expected(bitcoin, "2024-08-01", of_archive=True)


def test_a_file_that_is_not_what_its_checksum_says_never_lands(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    exchanges.fault("checksum", r"2024-08-02\.zip$", times=2)
    with pytest.raises(CryptoError, match="is not what its checksum says, twice"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-02")
    assert list(landed(settings)) == ["Binance/BTCUSDT/2024-08-01.parquet"]
    fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", until="2024-08-02")
    assert len(landed(settings)) == 2


def test_a_part_of_an_older_version_of_a_file_is_fetched_anew(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    part = settings.home / "fetch/Binance/BTCUSDT/BTCUSDT-trades-2024-08-01.zip.part"
    part.parent.mkdir(parents=True)
    for old in (b"PK\x03\x04" + b"\0" * 500, b"\0" * 10_000_000):
        part.write_bytes(old)
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", again=True)
        assert rows(settings, "Binance/BTCUSDT/2024-08-01.parquet") == expected(bitcoin, "2024-08-01", of_archive=True)


def test_what_is_not_over_or_not_published_is_left_out_and_said(home, exchanges, monkeypatch):
    today = datetime.now(UTC).date()
    first = day_start(today) - 3 * DAY
    exchanges.has("Binance", "BTCUSDT", made("Binance", first, first + 3 * DAY + HOUR, 900))
    exchanges.published_until = today - timedelta(days=2)
    settings = home()
    said = fetched(settings, monkeypatch, "binance", "BTCUSDT", since=str(today - timedelta(days=3)), until=str(today))
    assert f"{today} is left out: it is not over" in said
    assert (
        f"has no trades of Binance BTCUSDT for {today - timedelta(days=1)}; a day appears there on the day after"
        in said
    )
    assert [path.rsplit("/", 1)[1] for path in landed(settings)] == [
        f"{today - timedelta(days=back)}.parquet" for back in (3, 2)
    ]
    with pytest.raises(CryptoError, match=r"is not over yet \(UTC\)"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since=str(today))


def test_a_dry_run_says_how_much_it_is_and_writes_nothing(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    said = fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01", dry_run=True)
    assert "to download" in said and "Nothing is fetched" in said and not landed(settings)
    assert {request.verb for request in exchanges.requests} == {"HEAD"}


def test_ids_that_start_again_are_refused_unless_trades_are_numbered_otherwise(home, exchanges, monkeypatch):
    old, new = made("Binance", AUGUST, AUGUST + DAY, 300), made("Binance", AUGUST + DAY, AUGUST + 2 * DAY, 300, seed=2)
    restarted = [trade for trade in (*old, *renumbered(new, 1)) if trade.members != (0, 0)]
    exchanges.has("Binance", "LUNAUSDT", restarted)
    settings = home()
    days = {"since": "2024-08-01", "until": "2024-08-02"}
    with pytest.raises(CryptoError, match=r"2024-08-02 have the ids of others.*--without-ids"):
        fetched(settings, monkeypatch, "binance", "LUNAUSDT", **days)
    fetched(settings, monkeypatch, "binance", "LUNAUSDT", **days, without_ids=True)
    found = [row for path in landed(settings) for row in rows(settings, path)]
    assert (
        len({row[0] for row in found})
        == len(found)
        == sum(len(expected(restarted, day, of_archive=True)) for day in ("2024-08-01", "2024-08-02"))
    )


@pytest.mark.parametrize(
    ("exchange", "market", "name"),
    [("Binance", "BTCUSDT", "BTC/USDT"), ("Coinbase", "BTC-USD", "BTC/USD"), ("Kraken", "XBTUSD", "BTC/USD")],
)
def test_tardis_gives_the_first_day_of_each_month(exchange, market, name, home, exchanges, monkeypatch):
    trades = made(exchange, AUGUST - HOUR, AUGUST + DAY + HOUR, 500)
    exchanges.has(exchange, market, trades)
    settings = home()
    exchanges.fault("cut", "datasets.tardis.dev")
    said = fetched(settings, monkeypatch, exchange, name, since="2024-07-30", until="2024-08-02", source="tardis")
    assert "only the first day of each month without a key: 2024-08-01" in said
    (path,) = landed(settings)
    wanted = expected(trades, "2024-08-01", of_archive=exchange == "Binance")
    if exchange == "Binance":
        # Tardis keeps microseconds in all years.
        wanted = [(row[0], *found[1:2], *row[2:]) for row, found in zip(wanted, rows(settings, path), strict=True)]
    found = rows(settings, path)
    # What arrived after midnight is in the next day's file.
    late = [row for row in wanted if row[1] >= AUGUST + DAY - SECOND // 5]
    if exchange == "Kraken":
        # Its feed gave no ids, so trades are numbered by second and place.
        assert len({row[0] for row in found}) == len(found)
        wanted = [(row[0], *one[1:]) for row, one in zip(found, wanted, strict=False)]
    assert found == wanted[: len(wanted) - len(late)] and found
    with pytest.raises(CryptoError, match="--since 2024-08-01 --until 2024-08-01"):
        fetched(settings, monkeypatch, exchange, name, since="2024-08-02", source="tardis")


def test_a_market_that_is_not_there_or_days_that_are_wrong_are_one_sentence(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    said = fetched(settings, monkeypatch, "binance", "FOO/USDT", since="2024-08-01")
    assert "has no trades of Binance FOOUSDT for 2024-08-01" in said and "nothing to fetch" in said
    said = fetched(settings, monkeypatch, "coinbase", "FOO/USD", since="2024-08-01", source="tardis")
    assert "Tardis has no trades of Coinbase FOO-USD for 2024-08-01" in said
    with pytest.raises(CryptoError, match=r"end \(2024-08-01\) before they begin \(2024-08-02\)"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-02", until="2024-08-01")
    with pytest.raises(CryptoError, match=r"2100-01-01 is not over yet"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2100-01-01")
    fetched(settings, monkeypatch, "binance", "BTCUSDT", "BTC/USDT", "btc-usdt", since="2024-08-01")
    assert len(landed(settings)) == 1


def test_a_home_that_can_not_be_written_is_one_sentence(home, exchanges, bitcoin, monkeypatch):
    settings = home()
    folder = settings.home / "fetch" / "Binance"
    folder.mkdir(parents=True)
    (folder / "BTCUSDT").touch()
    with pytest.raises(CryptoError, match=r"data home .* can't be written"):
        fetched(settings, monkeypatch, "binance", "BTCUSDT", since="2024-08-01")


def test_an_exchange_without_an_archive_says_what_else_there_is(home, exchanges, monkeypatch):
    with pytest.raises(CryptoError, match="Kraken has no archive"):
        fetched(home(), monkeypatch, "kraken", "BTC/USD", since="2024-08-01", source="archive")
    with pytest.raises(CryptoError, match="is a contract"):
        fetched(home(), monkeypatch, "binance", "BTC/USDT:USDT", since="2024-08-01")
