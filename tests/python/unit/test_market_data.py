"""Files as people have them become raw trades: what each is taken for, ids, sides and times, and what is refused."""

import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import market_files
from support.market_files import START, TRADES, all_rows, expected, imported, landed
from support.project import PROJECT

from lakehouse.errors import CryptoError
from market_data import day_files, exchanges, import_files
from market_data.tools import own_columns
from market_data.trade_files import SINGLE, ImportOptions


def moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


RECORDED = PROJECT / "tests/python/fixtures/market_data"
EXPECTED = json.loads((RECORDED / "expected.json").read_text())
# Answers that fetch asks for.
FETCHED = (
    *("binance/ETHBTC_aggTrades.json", "kraken/trades.json", "coinbase/BTC-USD.json", "bitstamp/ethusdt.json"),
    "gemini/btcusd.json",
)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_recording_becomes(settings, name):
    wanted = EXPECTED[name]
    said = imported(settings, RECORDED / name, **wanted.get("options", {}))
    if "refused" in wanted:
        assert wanted["refused"] in " ".join(said) and not landed(settings)
        return
    assert said[-1] == "exit 0" and Path(name).name in said[0]
    for row, (number, time, *values) in zip(all_rows(settings), wanted["trades"], strict=True):
        assert number is None or row["trade_id"].removeprefix(f"{wanted['market']}:").lstrip("0") == number.lstrip("0")
        assert row["trade_id"].startswith(f"{wanted['market']}:")
        assert [row["timestamp"], row["price"], row["volume"], row["trade_type"]] == [moment(time), *values]


@pytest.mark.parametrize("name", FETCHED)
def test_fetch_reads_the_rows_of_an_answer_as_import_does(name):
    content = json.loads((RECORDED / name).read_text(), parse_float=str)
    rows = next(iter(content["result"].values())) if isinstance(content, dict) else content
    answer = exchanges.find(name.split("/")[0]).answer
    batch = answer.trades(rows, name)
    assert [moment(time) for time in answer.moments(rows)[: batch.num_rows]] == batch.column("timestamp").to_pylist()
    columns = [batch.column(column).to_pylist() for column in ("id", "price", "volume", "trade_type")]
    assert [list(row) for row in zip(*columns, strict=True)] == [[row[0], *row[2:]] for row in EXPECTED[name]["trades"]]


def test_a_contract_in_ccxts_shape_is_refused(settings, tmp_path):
    text = (RECORDED / "ccxt/trades.json").read_text().replace("ETH/BTC", "BTC/USDT:USDT")
    (tmp_path / "trades.json").write_text(text)
    assert "add --exchange" in imported(settings, RECORDED / "ccxt/trades.json")[0]
    for exchange in (None, "binance"):
        assert "holds trades of contracts" in imported(settings, tmp_path / "trades.json", exchange=exchange)[0]


@pytest.mark.parametrize(
    ("write", "name", "market"),
    [
        (market_files.gemini, "gemini-btcusd.json", "Gemini:BTCUSD"),
        (partial(market_files.kraken_answer, pair="XXBTZUSD"), "k.json", "Kraken:XBTUSD"),
    ],
)
def test_answers_that_overlap_are_joined(settings, tmp_path, write, name, market):
    pages = tmp_path / "pages"
    for number, part in enumerate((TRADES[2:], TRADES[1:3], TRADES[:2])):
        write(pages / f"{number} {name}", part)
    said = imported(settings, pages)
    assert "and 2 more files" in said[0] and said[-1] == "exit 0"
    assert all_rows(settings) == expected(market)


def test_an_answer_without_ids_is_numbered_by_second_and_place(settings, tmp_path):
    rows = json.loads((RECORDED / "binance/BTCUSDT.json").read_text()) * 3
    files = [tmp_path / name / "BTCUSDT.json" for name in ("one", "two")]
    for file in files:
        market_files.packed(file, json.dumps([row | {"id": None} for row in rows]))
    imported(settings, files[0])
    assert [row["trade_id"][-7:] for row in all_rows(settings)] == ["-000000", "-000001", "-000002"]
    assert "trades that are in two of them can't be told" in imported(settings, *files)[0]


@pytest.mark.parametrize(("ending", "header"), [("zip", False), ("csv", True), ("csv.gz", False)])
def test_binance_trades_however_they_are_packed(settings, tmp_path, ending, header):
    file = market_files.binance(tmp_path / f"BTCUSDT-trades-2024-03.{ending}", TRADES, header=header)
    said = imported(settings, file)
    assert "trades, single trades, times in milliseconds; market Binance BTCUSDT" in said[0]
    assert list(landed(settings)) == ["Binance/BTCUSDT/2024-03-01.parquet", "Binance/BTCUSDT/2024-03-02.parquet"]
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_the_market_is_also_in_the_name_of_the_zip(settings, tmp_path):
    text = market_files.binance(tmp_path / "trades.csv", TRADES).read_text()
    with zipfile.ZipFile(tmp_path / "ETHBTC-trades-2024-03.zip", "w") as archive:
        archive.writestr("trades.csv", text)
    imported(settings, tmp_path / "ETHBTC-trades-2024-03.zip")
    assert all_rows(settings) == expected("Binance:ETHBTC")


def test_microseconds_are_told_by_their_size(settings, tmp_path):
    trades = [trade | {"time": trade["time"] + timedelta(microseconds=7)} for trade in TRADES]
    imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-2025-01.zip", trades, unit=1))
    assert [row["timestamp"] for row in all_rows(settings)] == [trade["time"] for trade in trades]


def test_aggregated_trades_have_their_first_id_and_are_not_mixed_with_single_ones(settings, tmp_path):
    file = market_files.binance_aggregated(tmp_path / "BTCUSDT-aggTrades-2024-03.zip", TRADES, header=True)
    imported(settings, file)
    before = landed(settings)
    assert all_rows(settings) == expected("Binance:BTCUSDT")
    divided = [*TRADES, TRADES[0] | {"id": 11, "time": TRADES[3]["time"]}]
    single = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", divided)
    said = imported(settings, single)
    assert "holds aggregated trades of that day" in " ".join(said) and said[-1] == "exit 1"
    assert landed(settings) == before
    said = imported(settings, single, may_replace=True)
    assert len(landed(settings)) == 4 and "2 days written" in " ".join(said)


def test_a_checksum_beside_a_file_is_verified(settings, tmp_path):
    file = market_files.with_checksum(market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", TRADES))
    assert imported(settings, file)[-1] == "exit 0"
    market_files.with_checksum(file, "0" * 64)
    said = imported(settings, file, market_files.tardis(tmp_path / "t.csv", TRADES, "kraken", "XBT/USD"))
    assert any("is not what its checksum" in line for line in said) and said[-1] == "exit 1"
    assert "Kraken/XBTUSD/2024-03-01.parquet" in landed(settings)


def test_krakens_history_has_ids_of_second_and_place_and_needs_a_rule_for_sides(settings, tmp_path):
    file = market_files.three_columns(tmp_path / "XBTUSD.csv", TRADES)
    said = imported(settings, file)
    assert "without a side" in said[0] and said[-1] == "exit 1" and not landed(settings)
    said = imported(settings, file, side="tick-rule")
    assert (
        "Kraken's history of trades, trades without ids, times in seconds; market Kraken XBTUSD, symbol BTC" in said[0]
    )
    assert "The sides of 4 trades are estimates by the tick rule, and so are volumes by side." in said
    rows = all_rows(settings)
    second = int(START.timestamp())
    assert [row["trade_id"] for row in rows] == [
        f"Kraken:XBTUSD:{second + later:020d}-{place:06d}" for later, place in ((0, 0), (0, 1), (1, 0), (2, 0))
    ]
    assert [row["trade_type"] for row in rows] == ["BUY", "SELL", "SELL", "BUY"]
    assert [row["price"] for row in rows] == [float(trade["price"]) for trade in TRADES]


def test_a_whole_archive_of_kraken_is_taken_market_by_market(settings, tmp_path):
    with zipfile.ZipFile(tmp_path / "Kraken_Trading_History.zip", "w") as archive:
        for name in ("XBTUSD", "ETHEUR", "XDGUSD"):
            file = market_files.three_columns(tmp_path / f"{name}.csv", TRADES)
            archive.write(file, f"TimeAndSales_Combined/{name}.csv")
    said = imported(settings, tmp_path / "Kraken_Trading_History.zip", side="tick-rule")
    assert said[-1] == "exit 0"
    assert {row["symbol"] for row in all_rows(settings)} == {"BTC", "ETH/EUR", "DOGE"}
    assert "Kraken/XDGUSD/2024-03-01.parquet" in landed(settings)


def test_tardis_says_its_exchange_and_market(settings, tmp_path):
    file = tmp_path / "coinbase_trades_2024-03-01_BTC-USD.csv.gz"
    imported(settings, market_files.tardis(file, TRADES, "coinbase", "BTC-USD"))
    assert all_rows(settings) == expected("Coinbase:BTC-USD")


def test_a_trade_without_an_id_among_others_is_told(settings, tmp_path):
    file = market_files.tardis(tmp_path / "t.csv", [*TRADES[:3], TRADES[3] | {"id": ""}], "kraken", "XBT/USD")
    assert "without an id among others" in imported(settings, file)[0]


def test_grouped_symbols_of_tardis_are_divided(settings, tmp_path):
    text = market_files.tardis(tmp_path / "a.csv", TRADES, "binance", "BTCUSDT").read_text()
    text += market_files.tardis(tmp_path / "b.csv", TRADES, "binance", "ETHUSDT").read_text().split("\n", 1)[1]
    (tmp_path / "binance_trades_2024-03-01_SPOT.csv").write_text(text)
    imported(settings, tmp_path / "binance_trades_2024-03-01_SPOT.csv")
    assert all_rows(settings) == expected("Binance:BTCUSDT") + expected("Binance:ETHUSDT")


def test_unknown_sides_are_estimated_only_where_they_are_missing(settings, tmp_path):
    trades = [TRADES[0], TRADES[1] | {"side": None}, TRADES[2] | {"side": "BUY"}, TRADES[3]]
    file = market_files.tardis(tmp_path / "t.csv", trades, "kraken", "XBT/USD")
    assert "without a side" in imported(settings, file)[0]
    said = imported(settings, file, side="tick-rule")
    assert "sides of 1 trade are" in " ".join(said)
    assert [row["trade_type"] for row in all_rows(settings)] == ["BUY", "SELL", "BUY", "BUY"]


@pytest.mark.parametrize("ending", ["feather", "json.gz", "csv"])
def test_freqtrade_in_each_of_its_forms(settings, tmp_path, ending):
    file = market_files.freqtrade(tmp_path / "data" / "binance" / f"BTC_USDT-trades.{ending}", TRADES)
    assert "freqtrade's stored trades" in imported(settings, tmp_path / "data")[0], file
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_freqtrade_without_ids(settings, tmp_path):
    market_files.freqtrade(tmp_path / "kraken" / "BTC_USD-trades.feather", TRADES, ids=False)
    assert "trades without ids" in imported(settings, tmp_path / "kraken")[0]
    assert [row["trade_type"] for row in all_rows(settings)] == ["BUY", "SELL", "SELL", "BUY"]


def test_a_file_that_does_not_say_its_exchange_asks_for_it(settings, tmp_path):
    file = market_files.freqtrade(tmp_path / "BTC_USDT-trades.feather", TRADES)
    assert "add --exchange" in imported(settings, file)[0]
    imported(settings, file, exchange="binance")
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_an_answer_with_a_row_of_another_kind_is_told(settings, tmp_path):
    file = market_files.gemini(tmp_path / "btcusd.json", TRADES)
    file.write_text(json.dumps([*json.loads(file.read_text()), {"a": 1}, 7]))
    assert "row 5 has no tid ({'a': 1}); leave it out." in imported(settings, file)[0]


@pytest.mark.parametrize(
    "times",
    [pa.timestamp("ns", "UTC"), pa.timestamp("us", "Asia/Tokyo"), pa.string()],
)
def test_ones_own_parquet_with_the_makers_side_and_any_kind_of_time(settings, tmp_path, times):
    moments = pa.array([trade["time"] for trade in TRADES], pa.timestamp("us", "UTC"))
    if times == pa.string():
        moments = pa.array([trade["time"].strftime("%Y-%m-%d %H:%M:%S.%f") for trade in TRADES])
    moments = moments.cast(times)
    table = pa.table(
        {
            "px": [float(trade["price"]) for trade in TRADES],
            "qty": pa.array([trade["volume"] for trade in TRADES]).cast(pa.decimal128(18, 8)),
            "ts": moments,
            "maker": pa.array(["S" if trade["side"] == "BUY" else "B" for trade in TRADES]).dictionary_encode(),
            "nr": [trade["id"] for trade in TRADES],
            "coin": ["BTC/USD"] * len(TRADES),
        }
    )
    pq.write_table(table, tmp_path / "mine.parquet")
    columns = own_columns.parse_mapping("price=px,volume=qty,timestamp=ts,side=maker,id=nr,market=coin")
    imported(settings, tmp_path / "mine.parquet", columns=columns, exchange="Gemini", side="maker")
    assert all_rows(settings) == expected("Gemini:BTCUSD")


def test_a_file_that_is_newest_first_is_turned_round(settings, tmp_path):
    rows = [f"{market_files.microseconds(t)},{t['price']},{t['volume']}" for t in reversed(TRADES)]
    file = market_files.packed(tmp_path / "mine.csv", "\n".join(rows) + "\n")
    imported(settings, file, exchange="Kraken", market="XBTUSD", side="tick-rule")
    assert [row["price"] for row in all_rows(settings)] == [float(trade["price"]) for trade in TRADES]
    assert [row["trade_type"] for row in all_rows(settings)] == ["BUY", "SELL", "SELL", "BUY"]


def test_an_archive_that_is_out_of_order_is_sorted_by_time_and_id(settings, tmp_path, monkeypatch):
    # As some months of Binance's archive were: two parts of the month, row by row.
    monkeypatch.setattr("market_data.ordering.HELD_ROWS", 7)
    monkeypatch.setattr("market_data.tables.BLOCK_BYTES", 1_000)
    trades = [TRADES[place % 4] | {"id": place, "time": START + timedelta(hours=place)} for place in range(100)]
    mixed = [trade for pair in zip(trades[:50], trades[50:], strict=True) for trade in pair]
    imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.csv", mixed))
    files = landed(settings)
    assert len(files) == 6 and [row["timestamp"] for rows in files.values() for row in rows] == [
        trade["time"] for trade in trades
    ]
    root = Path(settings.landing_zone)
    before = {file: file.read_bytes() for file in root.rglob("*.parquet")}
    said = imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.csv", trades))
    assert "6 days there already" in " ".join(said) and {file: file.read_bytes() for file in before} == before


def test_what_is_refused_keeps_no_other_file_from_being_imported(settings, tmp_path):
    folder = tmp_path / "binance"
    market_files.packed(folder / "BTC_USDT-5m.json", "[[1709251200000,1,2,0.5,1,10]]")
    market_files.freqtrade(folder / "BTC_USDT-trades.json", TRADES)
    said = imported(settings, folder)
    assert all_rows(settings) == expected("Binance:BTCUSDT") and any("candles" in line for line in said)


def test_a_row_that_is_cut_off_is_one_sentence(settings, tmp_path):
    file = market_files.packed(
        tmp_path / "BTCUSDT-trades-2024-03.csv", "7,61837.63,0.02,1.2,1709337598123,True,True\n8,61"
    )
    said = imported(settings, file)
    assert "broken, cut off" in said[0] and not landed(settings)


def test_dry_run_shows_five_rows_and_writes_nothing(settings, tmp_path):
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", TRADES * 2)
    said: list[str] = []
    import_files.run(settings, [file], ImportOptions(), said.append, dry_run=True)
    assert len(said) == 1 + 1 + 5 + 1 and not landed(settings)
    assert said[2].split() == [
        "Binance:BTCUSDT:00000000000000000007",
        "BTC",
        "61837.63",
        "0.02",
        "BUY",
        "2024-03-01",
        "23:59:58.123000",
    ]


def test_the_same_trades_are_left_alone_and_others_written_beside_them(settings, tmp_path):
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", TRADES)
    imported(settings, file)
    first = Path(settings.landing_zone) / "Binance/BTCUSDT/2024-03-01.parquet"
    before = first.read_bytes(), first.stat().st_mtime_ns
    said = imported(settings, file)
    assert "Binance BTCUSDT: 2 days there already (2024-03-01 to 2024-03-02)" in said
    assert (first.read_bytes(), first.stat().st_mtime_ns) == before
    corrected = [TRADES[0] | {"price": "61837.99"}, *TRADES[1:]]
    market_files.binance(file, corrected)
    (day,) = [day for day in import_files.Import([file], ImportOptions()).write(settings) if day.is_new]
    assert day.path == "Binance/BTCUSDT/2024-03-01.2.parquet"
    assert day.replaced == ("Binance/BTCUSDT/2024-03-01.parquet",) and day.kept == ()
    assert first.read_bytes() == before[0]


def test_bytes_do_not_depend_on_how_trades_are_divided_into_files_and_batches(settings, tmp_path, monkeypatch):
    many = [
        TRADES[place % 4] | {"id": place, "time": START - timedelta(hours=1) + timedelta(seconds=place)}
        for place in range(3_000)
    ]
    imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", many))
    root = Path(settings.landing_zone)
    whole = {file.relative_to(root): file.read_bytes() for file in root.rglob("*.parquet")}
    for file in root.rglob("*.parquet"):
        file.unlink()
    monkeypatch.setattr("market_data.tables.BLOCK_BYTES", 1_000)
    for number in range(3):
        part = many[number * 1_000 : (number + 1) * 1_000]
        market_files.binance(tmp_path / "parts" / f"BTCUSDT-trades-2024-03-0{number}.csv", part, header=number == 1)
    imported(settings, tmp_path / "parts")
    assert {file.relative_to(root): file.read_bytes() for file in root.rglob("*.parquet")} == whole


def test_a_day_that_is_also_in_the_file_of_its_month_is_there_once(settings, tmp_path):
    market_files.binance(tmp_path / "in" / "BTCUSDT-trades-2024-03-01.zip", TRADES[:3])
    market_files.binance(tmp_path / "in" / "BTCUSDT-trades-2024-03.zip", TRADES)
    imported(settings, tmp_path / "in")
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_parts_of_a_day_that_come_one_after_the_other_are_both_kept(settings, tmp_path):
    imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-a.csv", TRADES[:1]))
    part = market_files.binance(tmp_path / "BTCUSDT-trades-b.csv", TRADES[1:2])
    (day,) = import_files.Import([part], ImportOptions()).write(settings)
    assert (day.replaced, day.kept) == ((), ("Binance/BTCUSDT/2024-03-01.parquet",))


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"price": "0.000000012"}, "finer than the 8 decimals"), ({"volume": "10000000000"}, "more than the 10 digits")],
)
def test_coins_too_fine_or_too_many_are_refused_with_what_to_do(settings, tmp_path, changed, word):
    trades = [trade | {"price": "0.00001"} | changed for trade in TRADES]
    file = market_files.binance(tmp_path / "PEPEUSDT-trades-2024-03.zip", trades)
    said = imported(settings, file)
    assert word in said[0] and "--per 1000, which makes the symbol 1000PEPE" in said[0] and said[1:] == ["exit 1"]
    assert not landed(settings)
    assert imported(settings, file, per=1000)[-1] == "exit 0"
    rows = all_rows(settings)
    assert {row["symbol"] for row in rows} == {"1000PEPE"}
    assert rows[0]["price"] == round(float(trades[0]["price"]) * 1000, 8)
    assert rows[0]["volume"] == float(trades[0]["volume"]) / 1000


def test_times_may_step_back_a_little_over_midnight_but_not_by_days(settings):
    market = exchanges.find("Binance").market("BTCUSDT")

    def batch(*times: datetime) -> pa.RecordBatch:
        count = len(times)
        return pa.record_batch(
            {
                "id": list(range(count)),
                "price": [1.0] * count,
                "volume": [1.0] * count,
                "trade_type": ["BUY"] * count,
                "timestamp": list(times),
            }
        )

    midnight = datetime(2024, 3, 2, tzinfo=UTC)
    tick = timedelta(milliseconds=1)
    batches = [batch(midnight - tick, midnight), batch(midnight - tick, midnight)]
    days = list(day_files.write(settings, market, batches, kind=SINGLE))
    assert [(day.day, day.rows) for day in days] == [(date(2024, 3, 1), 2), (date(2024, 3, 2), 2)]
    late = [batch(midnight + timedelta(days=3)), batch(midnight)]
    with pytest.raises(CryptoError, match="not in order of time"):
        list(day_files.write(settings, market, late, kind=SINGLE))
    (empty,) = day_files.write(settings, market, [], kind=SINGLE, days=[date(2024, 4, 1)])
    assert empty.rows == 0 and day_files.days(settings, market)[date(2024, 4, 1)] == empty.path


def test_an_import_that_is_killed_leaves_whole_days_only(settings, tmp_path, monkeypatch):
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", TRADES)
    days = import_files.Import([file], ImportOptions()).write(settings)
    first = next(days)
    days.close()
    assert list(landed(settings)) == [first.path]
    imported(settings, file)
    assert all_rows(settings) == expected("Binance:BTCUSDT")
    assert not list((settings.home / "staging").iterdir())


@pytest.mark.parametrize(
    ("exchange", "name", "own_name", "symbol"),
    [
        ("binance", "BTC/USDT", "BTCUSDT", "BTC"),
        ("Binance", "BNBBUSD", "BNBBUSD", "BNB/BUSD"),
        ("binance", "1000SATSFDUSD", "1000SATSFDUSD", "1000SATS/FDUSD"),
        ("kraken", "XXBTZUSD", "XBTUSD", "BTC"),
        ("kraken", "USDTZUSD", "USDTUSD", "USDT"),
        ("kraken", "XETHXXBT", "ETHXBT", "ETH/BTC"),
        ("kraken", "DOGE/EUR", "XDGEUR", "DOGE/EUR"),
        ("kraken", "USDTUSD", "USDTUSD", "USDT"),
        ("gdax", "btc-usdc", "BTC-USDC", "BTC"),
        ("gemini", "paxgusd", "PAXGUSD", "PAXG"),
        ("bitfinex", "tBTCUSD", "BTC-USD", "BTC"),
        ("okex", "BTC-USDT", "BTC-USDT", "BTC"),
        ("Nowhere", "btc_eur", "BTC-EUR", "BTC/EUR"),
    ],
)
def test_a_market_has_one_name_in_whatever_spelling(exchange, name, own_name, symbol):
    found = exchanges.find(exchange).market(name)
    assert (found.name, found.symbol) == (own_name, symbol)
    assert exchanges.find(found.exchange).market(f"{found.base}/{found.quote}") == found


@pytest.mark.parametrize(
    "name",
    ["BTC/USDT:USDT", "BTCUSDT_240329", "PI_XBTUSD", "BTC-29MAR24-60000-C"],
)
def test_contracts_are_refused_by_name(name):
    with pytest.raises(CryptoError, match="contract"):
        exchanges.find("Binance").market(name)


@pytest.mark.parametrize("name", ["binance-futures", "okex-swap"])
def test_exchanges_of_contracts_are_refused_by_name(settings, tmp_path, name):
    file = market_files.freqtrade(tmp_path / "BTC_USDT-trades.feather", TRADES)
    with pytest.raises(CryptoError, match=f"{name} gives out contracts"):
        imported(settings, file, exchange=name)


def test_bybit_is_a_spot_market_but_not_in_tardis(settings, tmp_path):
    file = market_files.tardis(tmp_path / "t.csv", TRADES, "bybit", "BTCUSDT")
    assert "bybit gives out contracts" in imported(settings, file)[0]
    imported(settings, market_files.tardis(tmp_path / "t.csv", TRADES, "bybit-spot", "BTCUSDT"))
    assert all_rows(settings) == expected("Bybit:BTCUSDT")


def test_a_time_that_is_not_known_is_named(settings, tmp_path):
    file = market_files.packed(tmp_path / "mine.csv", "t,p,v\n05.01.2024 12:00:00,1,1\n")
    columns = own_columns.parse_mapping("price=p,volume=v,timestamp=t")
    said = imported(settings, file, columns=columns, exchange="Kraken", market="BTC/USD")
    assert "05.01.2024 12:00:00 is no time that is known here" in said[0]


def test_a_mapping_that_lacks_a_column_says_so():
    with pytest.raises(CryptoError, match="does not say which column is timestamp"):
        own_columns.parse_mapping("price=px,volume=qty")
    with pytest.raises(CryptoError, match="write pairs"):
        own_columns.parse_mapping("px")


def test_a_spreadsheet_with_commas_in_its_numbers(settings, tmp_path):
    lines = [[t["time"].isoformat(), t["price"], t["volume"], t["side"], str(t["id"])] for t in TRADES]
    rows = [";".join([at, px.replace(".", ","), qty.replace(".", ","), *rest]) for at, px, qty, *rest in lines]
    text = "\r\n".join(["\ufeffts;px;qty;side;id", *rows])
    (tmp_path / "mine.csv").write_text(text)
    guess = "say which is which, as in --columns price=px,volume=qty,timestamp=ts,trade_type=side,trade_id=id"
    assert guess in imported(settings, tmp_path / "mine.csv")[0]
    columns = own_columns.parse_mapping("price=px,volume=qty,timestamp=ts,side=side,id=id")
    imported(settings, tmp_path / "mine.csv", columns=columns, exchange="Kraken", market="BTC/USD")
    assert all_rows(settings) == expected("Kraken:XBTUSD")


def test_json_lines_are_read_as_one_list(settings, tmp_path):
    page = json.loads(market_files.gemini(tmp_path / "btcusd.json", TRADES).read_text())
    (tmp_path / "btcusd.json").write_text("\n".join(json.dumps(row) for row in page))
    imported(settings, tmp_path / "btcusd.json")
    assert all_rows(settings) == expected("Gemini:BTCUSD")
