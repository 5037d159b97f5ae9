"""Files that would become wrong numbers without a word: by their ids, sides, kinds, contracts, times or numbers."""

import bz2
import gzip
import json
import lzma
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import market_files
from support.market_files import START, all_rows, expected, imported, landed, microseconds, packed

from lakehouse.errors import CryptoError
from market_data.normalise import parse_sides
from market_data.tools.own_columns import parse_mapping

# Ten minutes around midnight, one trade every two seconds.
MANY = [
    {
        "id": 3_735_692_897 + place,
        "price": f"{61_000 + place * 7 % 50}.5",
        "volume": f"0.{place % 9 + 1}",
        "side": "SELL" if place % 3 else "BUY",
        "time": START - timedelta(minutes=5) + timedelta(seconds=2 * place),
    }
    for place in range(300)
]
FIRST_DAY = [trade for trade in MANY if trade["time"].day == 1]
MINE = {
    "exchange": "Kraken",
    "market": "BTC/USD",
    "columns": parse_mapping("price=px,volume=qty,timestamp=ts,trade_type=side,trade_id=nr"),
}


def mine(path, trades=MANY, separator=",", name="mine.csv", **changed):
    """Write a CSV file of one's own; ``changed`` gives other texts for a column, each made of a trade."""
    columns = {
        "ts": lambda trade: microseconds(trade) // 1_000,
        "px": lambda trade: trade["price"],
        "qty": lambda trade: trade["volume"],
        "side": lambda trade: trade["side"],
        "nr": lambda trade: trade["id"],
    } | changed
    rows = [separator.join(str(make(trade)) for make in columns.values()) for trade in trades]
    return packed(path / name, "\n".join([separator.join(columns), *rows]) + "\n")


def renumbered(trades):
    """Return trades whose ids begin at 1 each day."""
    later = len(FIRST_DAY)
    return [one | {"id": place + 1 if one["time"].day == 1 else place + 1 - later} for place, one in enumerate(trades)]


def by_number(place, rows):
    return [row["trade_id"].endswith(f"-{place:06d}") for row in rows]


@pytest.mark.parametrize("text", ["", "None", "null", "NaN", " ", "7", "3.73569E+09", "by order"])
def test_ids_that_tell_no_trades_apart_are_replaced_by_second_and_place(settings, tmp_path, text):
    number = (lambda trade: trade["id"] // 3) if text == "by order" else lambda trade: text
    said = imported(settings, mine(tmp_path, nr=number), **MINE)
    rows = all_rows(settings)
    assert said[-1] == "exit 0" and len({row["trade_id"] for row in rows}) == len(rows) == 300
    assert all(by_number(0, rows))
    assert any("by second and place" in line or "trades without ids" in line for line in said)


@pytest.mark.parametrize("together", [True, False])
def test_ids_that_begin_at_1_each_day_lose_no_day(settings, tmp_path, together):
    trades = renumbered(MANY)
    files = [mine(tmp_path / str(day), [one for one in trades if one["time"].day == day]) for day in (1, 2)]
    said = imported(settings, *files, **MINE) if together else [imported(settings, one, **MINE) for one in files][1]
    assert "have the ids of others: numbered by second and place instead" in " ".join(said)
    ids = [row["trade_id"] for row in all_rows(settings)]
    assert len(set(ids)) == len(ids) == 300
    assert "2 days there already" in " ".join(imported(settings, *files, **MINE))


def test_ids_that_start_again_later_are_refused_and_can_be_left_out(settings, tmp_path):
    days = [[trade | {"time": trade["time"] + timedelta(days=day)} for trade in FIRST_DAY] for day in range(4)]
    days[1] = [trade | {"id": trade["id"] + 1_000} for trade in days[1]]
    days[2] = [trade | {"id": trade["id"] - 1_000} for trade in days[2]]
    file = mine(tmp_path, [trade for day in days for trade in day])
    said = " ".join(imported(settings, file, **MINE))
    assert "2024-03-01 and 2024-03-04 have the ids of others; --without-ids numbers them" in said
    said = imported(settings, file, **MINE, without_ids=True)
    assert "2 days there already" in " ".join(said) and said[-1] == "exit 0"
    ids = [row["trade_id"] for row in all_rows(settings)]
    assert len(set(ids)) == len(ids) == 4 * len(FIRST_DAY)


@pytest.mark.parametrize("number", [" {}", "{}.0", "{} ", "00{}"])
def test_an_id_has_one_spelling(settings, tmp_path, number):
    imported(settings, mine(tmp_path), **MINE)
    said = imported(settings, mine(tmp_path / "again", nr=lambda trade: number.format(trade["id"])), **MINE)
    assert "2 days there already" in " ".join(said)


@pytest.mark.parametrize("number", [" {}", "{}.0", "3.73569E+09", ""])
def test_an_archive_that_a_spreadsheet_saved_is_known_still(settings, tmp_path, number):
    file = market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.csv", MANY)
    imported(settings, file)
    rows = [line.split(",", 1) for line in file.read_text().splitlines()]
    file.write_text("".join(f"{number.format(one)},{rest.replace('True', 'TRUE')}\n" for one, rest in rows))
    assert "2 days there already" in " ".join(imported(settings, file))


def test_ids_that_pandas_made_floats_are_whole_numbers(settings, tmp_path):
    imported(settings, mine(tmp_path), **MINE)
    table = pa.table(
        {
            "px": [float(trade["price"]) for trade in MANY],
            "qty": [float(trade["volume"]) for trade in MANY],
            "ts": [trade["time"] for trade in MANY],
            "side": [trade["side"] for trade in MANY],
            "nr": [float(trade["id"]) for trade in MANY],
        }
    )
    pq.write_table(table, tmp_path / "mine.parquet")
    assert "2 days there already" in " ".join(imported(settings, tmp_path / "mine.parquet", **MINE))


def test_what_becomes_of_every_row_is_said(settings, tmp_path):
    odd = {5: "0", 6: "-3", 7: "nan", 8: "inf", 9: ""}
    trades = [*MANY, MANY[-1], MANY[-1] | {"price": "1.5"}]
    del trades[20:23]
    file = mine(
        tmp_path,
        trades,
        ts=lambda trade: 0 if trade is MANY[30] else microseconds(trade) // 1_000,
        px=lambda trade: odd.get(MANY.index(trade), trade["price"]) if trade in MANY[5:9] else trade["price"],
        qty=lambda trade: (
            odd.get(MANY.index(trade) - 100, trade["volume"]) if trade in MANY[105:110] else trade["volume"]
        ),
    )
    said = imported(settings, file, **MINE)
    assert "Read 299 rows: 298 trades taken, left out 1 of 1970-01-01, which can't be." in said
    assert "4 trades with a price that is zero, negative or no number: the run rejects such." in said
    assert "3 trades with a volume that is zero, negative or infinite: the run rejects such." in said
    assert "2 trades with no volume: the run rejects such." in said
    assert "1 trade equal to another of the same id: the run counts one of them." in said
    assert "1 trade with the id of a different one: the run keeps one of each id." in said
    assert "4 ids between the first and the last of a day missing: so may trades be." in said


# What a source writes for a purchase and for a sale, and what --sides says of it.
SIDES = {
    **{
        "numbers": ("2", "1", "buy=2,sell=1"),
        "truth": ("False", "True", "sell=true"),
        "letters": ("B", "A", "sell=a,buy=b"),
    },
    **{"book": ("bid", "ask", "buy=bid,sell=ask"), "signs": ("1", "-1", "buy=1,sell=-1")},
}


@pytest.mark.parametrize("kind", SIDES)
@pytest.mark.parametrize("rule", [None, "tick-rule"])
def test_sides_that_are_there_are_asked_for_and_never_estimated(settings, tmp_path, kind, rule):
    buy, sell, option = SIDES[kind]
    file = mine(tmp_path, side=lambda trade: buy if trade["side"] == "BUY" else sell)
    said = imported(settings, file, **MINE, side=rule)
    assert "has sides that it writes in its own way" in said[0] and "--sides buy=" in said[0] and not all_rows(settings)
    imported(settings, file, **MINE, side=rule, sides=parse_sides(option))
    assert [row["trade_type"] for row in all_rows(settings)] == [trade["side"] for trade in MANY]


def test_a_truth_value_in_parquet_is_no_buyers_side_unasked(settings, tmp_path):
    columns = {name: [float(trade[name]) for trade in MANY] for name in ("price", "volume")}
    columns |= {"timestamp": [trade["time"] for trade in MANY], "trade_type": [t["side"] == "BUY" for t in MANY]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    given = {"exchange": "Kraken", "market": "BTC/USD"}
    assert "--sides buy=true,sell=false" in imported(settings, tmp_path / "t.parquet", **given)[0]
    imported(settings, tmp_path / "t.parquet", **given, sides=parse_sides("buy=true"))
    assert [row["trade_type"] for row in all_rows(settings)] == [trade["side"] for trade in MANY]


def test_amounts_with_a_sign_and_estimates_of_a_source_are_sides(settings, tmp_path):
    sign = mine(tmp_path, side=lambda _: "", qty=lambda one: ("-" if one["side"] == "SELL" else "") + one["volume"])
    for rule in (None, "tick-rule"):
        assert "has negative amounts; say with --sides sign" in imported(settings, sign, **MINE, side=rule)[0]
    imported(settings, sign, **MINE, sides=parse_sides("sign"))
    estimated = mine(tmp_path, side=lambda trade: f"{trade['side']}_ESTIMATED")
    assert "2 days there already" in " ".join(imported(settings, estimated, **MINE))
    assert [row["trade_type"] for row in all_rows(settings)] == [trade["side"] for trade in MANY]


@pytest.mark.parametrize("text", ["buy=x", "up=1,down=2", "buy=1,sell=1", "sell"])
def test_sides_that_say_nothing_are_refused(text):
    with pytest.raises(CryptoError, match="--sides has"):
        parse_sides(text)


def aggregates(path, layout):
    """Write MANY as Binance's aggregates, whose own numbers begin at 500."""
    if layout == "archive":
        return market_files.binance_aggregated(path / "BTCUSDT-aggTrades-2024-03.zip", MANY)
    numbered = [trade | {"id": 500 + place} for place, trade in enumerate(MANY)]
    if layout == "freqtrade":
        return market_files.freqtrade(path / "binance" / "BTC_USDT-trades.feather", numbered)
    rows = [
        {"id": str(one["id"]), "timestamp": microseconds(one) // 1_000, "datetime": "", "symbol": "BTC/USDT"}
        | {"side": one["side"].lower(), "price": one["price"], "amount": one["volume"]}
        | {"info": {"a": one["id"], "f": trade["id"], "l": trade["id"] + 2}}
        for one, trade in zip(numbered, MANY, strict=True)
    ]
    return packed(path / "ccxt.json", json.dumps(rows))


@pytest.mark.parametrize("layout", ["freqtrade", "ccxt"])
def test_aggregates_of_tools_are_not_mixed_with_single_trades_and_equal_those_of_the_archive(
    settings, tmp_path, layout
):
    file = aggregates(tmp_path, layout)
    single = [one for trade in MANY for one in (trade, trade | {"id": trade["id"] + 10_000})]
    imported(settings, aggregates(tmp_path, "archive"))
    assert "2 days there already" in " ".join(imported(settings, file))
    said = imported(settings, market_files.binance(tmp_path / "BTCUSDT-trades-2024-03.zip", single))
    assert "holds aggregated trades of that day, and single trades would count the same again" in " ".join(said)
    assert len(all_rows(settings)) == len(MANY)
    if layout == "ccxt":
        assert [int(row["trade_id"][-20:]) for row in all_rows(settings)] == [trade["id"] for trade in MANY]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"ts": lambda trade: microseconds(trade) // 1_000_000 % 86_400},
            "has no trade that can be taken: 300 of 1970-",
        ),
        ({"ts": lambda trade: microseconds(trade) // 1_000 + 3_155_760_000_000}, "300 of 2124-03-"),
        ({"separator": ";", "px": lambda _: "61,837"}, "has the number 61,837, whose comma or point"),
        ({"separator": ";", "px": lambda _: "61.837,63"}, "has the number 61.837,63"),
        ({"px": lambda _: '"61,837.63"'}, "has a value of another kind than its column (invalid value '61,837.63')"),
        ({"name": "BTC-USDT-SWAP-trades-2024-03-01.csv"}, "holds trades of contracts"),
        ({"instrument": lambda _: "BTC-USDT-SWAP"}, "(BTC-USDT-SWAP) holds trades of contracts"),
        ({"nr": lambda trade: "" if trade is MANY[7] else trade["id"]}, "without an id among others"),
    ],
)
def test_what_would_be_wrong_numbers_is_refused_by_name(settings, tmp_path, changed, sentence):
    said = imported(settings, mine(tmp_path, **changed), **MINE)
    assert sentence in said[0] and said[1:] == ["exit 1"] and not all_rows(settings)


BYBIT = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional\n"
LINEAR = {"result": {"category": "linear", "list": [{"execId": "1", "symbol": "BTCUSDT", "price": "1", "size": "1"}]}}
LINEAR["result"]["list"][0] |= {"side": "Buy", "time": "1709337598123"}
OKX = {"instId": "BTC-USDT-SWAP", "side": "buy", "sz": "1", "px": "1", "tradeId": "1", "ts": "1709337598123"}
REFUSED = {
    "BTCUSDT2024-03-01.csv": (
        BYBIT + "1709337598.123,BTCUSDT,Buy,1,1,PlusTick,x,1,1,1\n",
        "trades of Bybit's contracts",
    ),
    "20240301.csv": (BYBIT + "2024-03-01D23:59:58.123000000,XBTUSD,Buy,1,1,PlusTick,x,1,1,1\n", "XBTUSD is a contract"),
    "bybit.json": (json.dumps(LINEAR), "trades of contracts"),
    "okx.json": (json.dumps({"data": [OKX]}), "(BTC-USDT-SWAP) holds trades of contracts"),
    "perp.json": ('[{"coin":"BTC","side":"A","px":"1","sz":"1","time":1709337598123,"tid":1}]', "BTC is a contract"),
    "glbx.csv": (
        "ts_recv,ts_event,rtype,publisher_id,instrument_id,action,side,depth,price,size,flags,ts_in_delta,sequence\n"
        "1,1,0,1,1,T,B,0,1,1,0,1,1\n",
        "Databento's trades of regulated exchanges",
    ),
    "dune.csv": ("block_time,token_bought_amount,token_sold_amount,tx_hash\n2024-03-01,1,2,0x1\n", "swaps of tokens"),
    "BTC_USDT-trades.h5": ("\x89HDF\r\n", "convert-trade-data --format-from hdf5 --format-to feather"),
    "cryptodatadownload.csv": (
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
        "1646092800000,2022-03-01 00:00:00,BTC/USD,43312,44200,43000,44000,12,528000\n",
        "candles",
    ),
    "XBTUSD_60.csv": ("1381093200,122.0,122.0,122.0,122.0,0.1,1\n", "candles"),
    "BTCUSDT-1h-2024-03.csv": ("1709251200000,1,2,0.5,1,10,1709254799999,10,3,4,5,0\n", "candles"),
    "BTC_USDT-5m.json": ("[[1709251200000,1,2,0.5,1,10]]", "candles"),
    "quotes.csv": ("exchange,symbol,timestamp,ask_amount,ask_price,bid_price,bid_amount\n", "order book"),
    "l2.csv": ("exchange,symbol,timestamp,local_timestamp,is_snapshot,side,price,amount\n", "order book"),
    "depth.json": ('{"bids": [["1", "2"]], "asks": [["3", "4"]]}', "order book"),
    "ticker.csv": ("exchange,symbol,timestamp,funding_rate,open_interest\n", "contracts"),
    "note.txt": ("nothing of use\n", "no file of trades"),
    "BTCUSDT-trades-2024-02.csv": ("<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", "a web page"),
    "cut.zip": ("PK\3\4 and no more", "broken, cut off"),
    "empty.csv": ("", "no file of trades"),
    "some.json": ('{"a": 1}', "no file of trades"),
    "taq.csv": ("ts,px,qty,side,bid_price,ask_price\n1709337598123,1,1,buy,1,1\n", "has columns of its own"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_what_the_file_is_whatever_the_user_says_of_it(settings, tmp_path, name):
    content, sentence = REFUSED[name]
    (tmp_path / name).write_bytes(content.encode("latin-1"))
    for options in ({}, {"market": "BTC/USDT"}):
        said = imported(settings, tmp_path / name, **options)
        assert name in said[0] and sentence in said[0] and said[1:] == ["exit 1"]
        assert not landed(settings)


def test_rows_of_contracts_among_others_are_left_out_and_counted(settings, tmp_path):
    rows = [
        OKX | {"instId": name, "tradeId": str(place)}
        for place, name in enumerate(["BTC-USDT", "ETH-USDT", OKX["instId"]])
    ]
    file = packed(tmp_path / "okx.json", json.dumps({"data": rows}))
    assert (
        "its rows are trades of ETH-USDT, not of BTC/USDT; leave --market out"
        in imported(settings, file, market="BTC/USDT")[0]
    )
    said = imported(settings, file)
    assert "Read 3 rows: 2 trades taken, left out 1 of contracts (BTC-USDT-SWAP)." in said
    assert {row["symbol"] for row in all_rows(settings)} == {"BTC", "ETH"}


@pytest.mark.parametrize("kind", [pa.int32(), pa.uint32(), pa.int64(), pa.uint64(), pa.float64()])
def test_times_of_any_whole_number_are_told_by_their_size(settings, tmp_path, kind):
    unit = 1_000 if kind.bit_width == 64 else 1_000_000
    columns = {name: [float(trade[name]) for trade in MANY] for name in ("price", "volume")}
    columns |= {"timestamp": pa.array([microseconds(trade) // unit for trade in MANY], kind)}
    columns |= {"trade_type": [trade["side"] for trade in MANY]}
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    imported(settings, tmp_path / "t.parquet", exchange="Kraken", market="BTC/USD")
    found = [microseconds({"time": row["timestamp"]}) for row in all_rows(settings)]
    assert found == [microseconds(trade) // unit * unit for trade in MANY]


@pytest.mark.parametrize(
    "compress",
    [gzip.compress, bz2.compress, lzma.compress, lambda data: pa.compress(data, "zstd", asbytes=True)],
)
def test_a_file_may_be_compressed_and_one_that_is_cut_off_is_told(settings, tmp_path, compress):
    file = market_files.tardis(tmp_path / "t.csv", market_files.TRADES, "binance", "BTCUSDT")
    whole = compress(file.read_bytes())
    file.write_bytes(whole[:-20])
    assert "is broken, cut off" in imported(settings, file)[0] and not all_rows(settings)
    file.write_bytes(whole)
    assert imported(settings, file)[-1] == "exit 0"
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_a_slip_in_the_name_of_an_exchange_is_pointed_out(settings, tmp_path):
    with pytest.raises(CryptoError, match="no exchange Krakn that is known here; did you mean Kraken"):
        imported(settings, mine(tmp_path), **(MINE | {"exchange": "Krakn"}))


def test_exchanges_whose_names_end_in_swap_are_no_swaps(settings, tmp_path):
    assert imported(settings, mine(tmp_path), **(MINE | {"exchange": "PancakeSwap"}))[-1] == "exit 0"
    assert {row["exchange"] for row in all_rows(settings)} == {"PancakeSwap"}
