"""Each layout in which exchanges and tools give out trades becomes the same raw trades and candles, or is refused.

The layouts are retold from their documentation, whose address stands beside each declaration in formats.toml.
"""

import itertools
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.market_files import TRADES, all_rows, expected, imported, landed, microseconds, packed

from market_data.formats import FORMATS
from market_data.normalise import parse_sides
from market_data.tools.own_columns import parse_mapping


class Layout(NamedTuple):
    """Where a file lies, its header (CSV) or what stands around its rows (JSON), and a row, with values of a trade."""

    path: str
    around: str
    row: str
    market: str
    options: dict | None = None
    # What the layout has not: ids, sides, or trades of the second day.
    lacks: str = ""


def values(trade: dict) -> dict:
    """Return what rows are made of."""
    moment, sells = microseconds(trade), trade["side"] == "SELL"
    iso = trade["time"].replace(tzinfo=None).isoformat(timespec="microseconds")
    return {
        **{"id": trade["id"], "price": trade["price"], "volume": trade["volume"], "sign": "-" if sells else ""},
        **{"us": moment, "ms": moment // 1_000, "s": f"{moment / 1e6:.6f}", "midnight": moment // 1_000 % 86_400_000},
        **{"iso": iso, "isoD": iso.replace("T", "D") + "000", "side": trade["side"].lower(), "SIDE": trade["side"]},
        **{"Side": trade["side"].title(), "MAKER": "BUY" if sells else "SELL", "maker": str(sells).lower()},
        **{"ab": "A" if sells else "B", "bidask": "ASK" if sells else "BID", "12": 1 if sells else 2},
    }


BITFINEX = "%(id)s,%(ms)s,%(sign)s%(volume)s,%(price)s"
BITMEX = "timestamp,symbol,side,size,price,tickDirection,trdMatchID,grossValue,homeNotional,foreignNotional,trdType"
CCXT = (
    '{"info":%(info)s,"id":"%(id)s","timestamp":%(ms)s,"datetime":"%(iso)sZ","symbol":"BTC/USDT","side":"%(side)s",'
    '"price":%(price)s,"amount":%(volume)s}'
)
LAYOUTS = {
    "binance answer": Layout(
        *("BTCUSDT.json", "[%s]"),
        '{"id":%(id)s,"price":"%(price)s","qty":"%(volume)s","quoteQty":"1","time":%(ms)s,"isBuyerMaker":%(maker)s,'
        '"isBestMatch":true}',
        "Binance:BTCUSDT",
    ),
    "bitfinex csv": Layout(
        "BTCUSD.csv", "ID,MTS,AMOUNT,PRICE", "%(id)s,%(ms)s,%(sign)s%(volume)s,%(price)s", "Bitfinex:BTC-USD"
    ),
    "bitfinex answer": Layout(
        "tBTCUSD.json", "[%s]", "[%(id)s,%(ms)s,%(sign)s%(volume)s,%(price)s]", "Bitfinex:BTC-USD"
    ),
    "bitget": Layout(
        *("BTCUSDT_20240301_001.zip", "trade_id,timestamp,price,side,volume(quote),size(base)"),
        "%(id)s,%(ms)s,%(price)s,%(side)s,1,%(volume)s",
        "Bitget:BTCUSDT",
    ),
    "bitmex": Layout(
        *(
            "20240301.csv.gz",
            f"{BITMEX}\n2024-03-01D00:00:00.000000000,XBTUSD,Buy,100,61000,PlusTick,x,1,0.1,100,Regular",
        ),
        "%(isoD)s,XBT_USDT,%(Side)s,1,%(price)s,PlusTick,%(id)s,1,%(volume)s,1,Regular",
        "BitMEX:XBT_USDT",
    ),
    "bybit spot archive": Layout(
        *("BTCUSDT_2024-03-01.csv.gz", "id,timestamp,price,volume,side,rpi"),
        "%(id)s,%(ms)s,%(price)s,%(volume)s,%(side)s,0",
        *("Bybit:BTCUSDT", {}, "ids"),
    ),
    "bybit answer": Layout(
        "recent.json",
        '{"retCode":0,"result":{"category":"spot","list":[%s]}}',
        '{"execId":"%(id)s","symbol":"BTCUSDT","price":"%(price)s","size":"%(volume)s","side":"%(Side)s","time":"%(ms)s"}',
        "Bybit:BTCUSDT",
    ),
    "coinbase advanced answer": Layout(
        "ticker.json",
        '{"trades":[%s],"best_bid":"1","best_ask":"2"}',
        '{"trade_id":"%(id)s","product_id":"BTC-USD","price":"%(price)s","size":"%(volume)s","time":"%(iso)sZ",'
        '"side":"%(MAKER)s","bid":"","ask":""}',
        "Coinbase:BTC-USD",
    ),
    "deribit answer": Layout(
        "t.json",
        '{"result":{"trades":[%s]}}',
        '{"trade_id":"%(id)s","timestamp":%(ms)s,"price":%(price)s,"instrument_name":"BTC_USDC","direction":"%(side)s",'
        '"amount":%(volume)s,"mark_price":1}',
        "Deribit:BTC_USDC",
    ),
    "gate.io archive": Layout(
        "BTC_USDT-202403.csv.gz", "", "%(s)s,%(id)s,%(price)s,%(volume)s,%(12)s", "Gate.io:BTC_USDT"
    ),
    "htx archive": Layout(
        "BTCUSDT-trades-2024-03-01.zip", "", "%(id)s,%(ms)s,%(price)s,%(volume)s,%(side)s", "HTX:BTC-USDT"
    ),
    "hyperliquid spot": Layout(
        *("trades.json", "[%s]"),
        '{"coin":"@107","side":"%(ab)s","px":"%(price)s","sz":"%(volume)s","time":%(ms)s,"tid":%(id)s}',
        "Hyperliquid:HYPE-USDC",
    ),
    "kraken history": Layout(
        *("XBTUSD.csv", "", "%(s)s,%(price)s,%(volume)s", "Kraken:XBTUSD", {"side": "tick-rule"}, "ids sides"),
    ),
    "kucoin archive": Layout(
        *("BTCUSDT-trades-2024-03-01.zip", "trade_id,trade_time,price,size,side"),
        *("%(id)s,%(ms)s,%(price)s,%(volume)s,%(side)s", "KuCoin:BTC-USDT"),
    ),
    "kucoin answer": Layout(
        *("BTC-USDT.json", '{"code":"200000","data":[%s]}'),
        '{"sequence":"%(id)s","price":"%(price)s","size":"%(volume)s","side":"%(side)s","time":%(us)s000}',
        *("KuCoin:BTC-USDT", {"exchange": "KuCoin"}),
    ),
    "mexc answer": Layout(
        *("BTCUSDT.json", "[%s]"),
        '{"id":null,"price":"%(price)s","qty":"%(volume)s","quoteQty":"1","time":%(ms)s,"isBuyerMaker":%(maker)s,'
        '"isBestMatch":true,"tradeType":"ASK"}',
        *("MEXC:BTCUSDT", {}, "ids"),
    ),
    "okx archive": Layout(
        *("BTC-USDT-trades-2024-03-02.zip", "instrument_name,trade_id,side,price,size,created_time"),
        *("BTC-USDT,%(id)s,%(side)s,%(price)s,%(volume)s,%(ms)s", "OKX:BTC-USDT"),
    ),
    "okx answer": Layout(
        *("trades.json", '{"code":"0","data":[%s]}'),
        '{"instId":"BTC-USDT","side":"%(side)s","sz":"%(volume)s","px":"%(price)s","tradeId":"%(id)s","ts":"%(ms)s"}',
        "OKX:BTC-USDT",
    ),
    "upbit answer": Layout(
        *("a.json", "[%s]"),
        '{"market":"KRW-BTC","timestamp":%(ms)s,"trade_price":%(price)s,"trade_volume":%(volume)s,"ask_bid":"%(bidask)s",'
        '"sequential_id":%(id)s}',
        "Upbit:KRW-BTC",
    ),
    "ccxt": Layout("t.json", "[%s]", CCXT.replace("%(info)s", "{}"), "Kraken:XBTUSDT", {"exchange": "Kraken"}),
    "ccxt of binance's aggregates": Layout(
        "t.jsonl",
        "%s",
        CCXT.replace("%(info)s", '{"a":1,"f":%(id)s,"l":%(id)s}').replace('"%(id)s"', '"1"'),
        "Binance:BTCUSDT",
    ),
    "coinapi": Layout(
        *("562-BITSTAMP_SPOT_BTC_USD.csv.gz", "time_exchange;time_coinapi;guid;price;base_amount;taker_side"),
        *("%(iso)s;%(iso)s;%(id)s;%(price)s;%(volume)s;%(SIDE)s_ESTIMATED", "Bitstamp:BTCUSD"),
    ),
    "cryptofeed": Layout(
        *("BINANCE-trades-BTC-USDT.csv", "exchange,symbol,side,amount,price,id,type,timestamp,receipt_timestamp"),
        *("BINANCE,BTC-USDT,%(side)s,%(volume)s,%(price)s,%(id)s,,%(s)s,%(s)s", "Binance:BTCUSDT"),
    ),
    "kaiko": Layout(
        *("trades.csv.gz", "id,exchange,symbol,date,price,amount,sell"),
        *("%(id)s,bnce,btcusdt,%(ms)s,%(price)s,%(volume)s,%(maker)s", "Binance:BTCUSDT"),
    ),
    "lean ticks": Layout(
        *("crypto/binance/tick/btcusdt/20240301_trade_tick.csv", "", "%(midnight)s,%(price)s,%(volume)s,,,0"),
        *("Binance:BTCUSDT", {"side": "tick-rule"}, "ids sides second day"),
    ),
    "nautilus csv": Layout(
        *("t.csv", "timestamp,trade_id,price,quantity,buyer_maker", "%(iso)s,%(id)s,%(price)s,%(volume)s,%(maker)s"),
        *("Binance:BTCUSDT", {"exchange": "Binance", "market": "BTC/USDT"}),
    ),
    "own, zstd": Layout(
        *("t.csv.zst", "t;p;v;s;n", "%(us)s;%(price)s;%(volume)s;%(ab)s;%(id)s", "Kraken:XBTUSD"),
        {
            **{"exchange": "Kraken", "market": "BTC/USD", "sides": parse_sides("buy=b,sell=a")},
            "columns": parse_mapping("price=p,volume=3,timestamp=1,trade_type=s,trade_id=n"),
        },
    ),
}


def written(folder: Path, layout: Layout) -> Path:
    """Write TRADES in a layout; LEAN's file holds those of one day."""
    given = [trade for trade in TRADES if "second day" not in layout.lacks or trade["time"].day == 1]
    rows = [layout.row % values(trade) for trade in given]
    if "%s" in layout.around:
        between = "\n" if layout.path.endswith("jsonl") else ","
        return packed(folder / layout.path, layout.around.replace("%s", between.join(rows)))
    file = packed(folder / layout.path, "\n".join([layout.around] * bool(layout.around) + rows) + "\n")
    if file.suffix == ".zst":
        file.write_bytes(pa.compress(file.read_bytes(), "zstd", asbytes=True))
    return file


def candles(rows: list[dict]) -> list[tuple]:
    """Return open, high, low, close, volume and volume bought of each day, as the models order trades."""
    ordered = sorted(rows, key=lambda row: (row["timestamp"], row["trade_id"].encode()))
    found = []
    for day, inside in itertools.groupby(ordered, lambda row: row["timestamp"].date()):
        day_rows = list(inside)
        prices = [row["price"] for row in day_rows]
        bought = sum(row["volume"] for row in day_rows if row["trade_type"] == "BUY")
        volume = sum(row["volume"] for row in day_rows)
        found.append((day, prices[0], max(prices), min(prices), prices[-1], volume, bought))
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_becomes_the_trades_and_candles_that_it_tells(settings, tmp_path, name):
    layout = LAYOUTS[name]
    said = imported(settings, written(tmp_path / "given", layout), **(layout.options or {}))
    assert said[-1] == "exit 0"
    found, wanted = all_rows(settings), expected(layout.market)
    wanted = [row for row in wanted if "second day" not in layout.lacks or row["timestamp"].day == 1]
    assert candles(found) == candles(wanted)
    unknown = {name for word, name in (("ids", "trade_id"), ("sides", "trade_type")) if word in layout.lacks}
    assert [{key: row[key] for key in row.keys() - unknown} for row in found] == [
        {key: row[key] for key in row.keys() - unknown} for row in wanted
    ]
    assert len({row["trade_id"] for row in found}) == len(found)


@pytest.mark.parametrize("width", [8, 16])
def test_a_catalog_of_nautilus_with_prices_in_bytes(settings, tmp_path, width):
    def fixed(text: str) -> bytes:
        whole, digits = text.split(".")
        return int(whole + digits.ljust(9 if width == 8 else 16, "0")).to_bytes(width, "little", signed=True)

    columns = {
        "price": pa.array([fixed(trade["price"]) for trade in TRADES], pa.binary(width)),
        "size": pa.array([fixed(trade["volume"]) for trade in TRADES], pa.binary(width)),
        "aggressor_side": pa.array([1 if trade["side"] == "BUY" else 2 for trade in TRADES], pa.uint8()),
        "trade_id": [str(trade["id"]) for trade in TRADES],
        "ts_event": pa.array([microseconds(trade) * 1_000 for trade in TRADES], pa.uint64()),
    }
    table = pa.table(columns).replace_schema_metadata({"instrument_id": "BTCUSDT.BINANCE"})
    pq.write_table(table, tmp_path / "part-0.parquet")
    assert imported(settings, tmp_path / "part-0.parquet")[-1] == "exit 0"
    assert all_rows(settings) == expected("Binance:BTCUSDT")


def test_titles_of_okx_in_two_languages_and_days_of_utc_plus_8(settings, tmp_path):
    head = "trade_id/交易ID,side/交易方向,size/数量,price/价格,created_time/成交时间\n".encode("gbk")
    for day, part in (("2024-03-02", TRADES[:3]), ("2024-03-03", TRADES[3:])):
        rows = "".join("{id},{side},{volume},{price},{ms}\n".format(**values(trade)) for trade in part)
        (tmp_path / f"BTC-USDT-trades-{day}.csv").write_bytes(head + rows.encode())
    assert imported(settings, tmp_path)[-1] == "exit 0"
    assert list(landed(settings)) == [f"OKX/BTC-USDT/2024-03-0{day}.parquet" for day in (1, 2)]
    assert all_rows(settings) == expected("OKX:BTC-USDT")


def test_every_layout_says_where_it_is_documented():
    assert all(one.source.startswith("https://") for one in FORMATS)
