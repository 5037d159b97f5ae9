"""Exchanges whose files and answers are known, but not their APIs: names, and layouts from their documentation."""

from __future__ import annotations

from market_data.exchanges.exchange import COINS, MONEY, Answer, Exchange
from market_data.formats import A_CONTRACT, SIDE, Format, N, W
from market_data.normalise import BUY, BUYER_IS_MAKER, SELL, SIGN, Columns

TEN = ("side", "tickDirection", "trdMatchID", "grossValue", "homeNotional", "foreignNotional")

OTHERS = (
    Exchange(
        *("Bitfinex", "iFinex Inc.", "British Virgin Islands", "https://www.bitfinex.com", ("bfnx",)),
        prefix="t",
        formats=(
            Format("Bitfinex's trades", Columns("PRICE", "AMOUNT", "MTS", "ID", "AMOUNT", SIGN)),
            Answer(
                "Bitfinex's answer",
                Columns("4", "3", "2", "1", "3", SIGN),
                row=rf"{W},\d{{13}},{N},{N}",
                place=r"/t[A-Z0-9:]{6,}[^/]*$",
            ),
        ),
    ),
    Exchange(
        *("Bitget", "Bitget", "Seychelles", "https://www.bitget.com"),
        separator="",
        formats=(
            Format(
                "Bitget's archive of trades",
                Columns("price", "size(base)", "timestamp", "trade_id", "side"),
                needs=("volume(quote)",),
            ),
        ),
    ),
    Exchange(
        *("BitMEX", "HDR Global Trading Limited", "Seychelles", "https://www.bitmex.com", ("bmex",)),
        separator="_",
        spot="[/_]",
        formats=(
            Format(
                "BitMEX's archive of trades",
                Columns("price", "homeNotional", "timestamp", "trdMatchID", "side", market="symbol"),
                needs=TEN,
                values={"timestamp": r"\d{4}-.*"},
            ),
        ),
    ),
    Exchange(
        *("Bybit", "Bybit Fintech Ltd.", "United Arab Emirates", "https://www.bybit.com", ("bybitspot", "bbsp")),
        separator="",
        quotes=(*MONEY, *COINS, "USDE", "MNT", "PLN"),
        formats=(
            # Its ids begin at 1 in each file.
            Format(
                "Bybit's archive of spot trades",
                Columns("price", "volume", "timestamp", side="side"),
                needs=("id",),
                place=r"/(?P<market>[A-Z0-9]+)[-_]\d{4}-\d\d(-\d\d)?$",
            ),
            Format(
                "",
                Columns("price", "size", "timestamp"),
                needs=TEN,
                refusal="trades of Bybit's contracts (futures, swaps), not of a spot market; its spot trades are below "
                "public.bybit.com/spot/",
            ),
            Answer(
                "Bybit's answer",
                Columns("price", "size", "time", "execId", "side", market="symbol"),
                place=r"category=spot|^(?!.*category=)",
            ),
            Answer("", Columns("price", "size", "time", "execId"), refusal=A_CONTRACT),
        ),
    ),
    Exchange(
        *("Deribit", "Deribit", "Panama", "https://www.deribit.com", ("drbt",)),
        separator="_",
        spot="[/_]",
        formats=(
            Answer(
                "Deribit's answer",
                Columns("price", "amount", "timestamp", "trade_id", "direction", market="instrument_name"),
            ),
        ),
    ),
    Exchange(
        *("Gate.io", "Gate Technology Inc.", "Cayman Islands", "https://www.gate.io", ("gate", "gtio")),
        separator="_",
        formats=(
            Format(
                "Gate.io's archive of trades",
                Columns("3", "4", "1", "2", "5", {"1": SELL, "2": BUY}),
                row=rf"\d{{10}}\.\d+,{W},{N},{N},[12]",
            ),
        ),
    ),
    Exchange(
        *("HTX", "HTX", "Seychelles", "https://www.htx.com", ("huobi", "huobiglobal", "huob")),
        formats=(
            Format(
                "HTX's archive of trades",
                Columns("3", "4", "2", "1", "5"),
                row=rf"{W},\d{{13}},{N},{N},{SIDE}",
                place="trades",
            ),
        ),
    ),
    Exchange(
        *("Hyperliquid", "Hyperliquid Labs", "Singapore", "https://hyperliquid.xyz"),
        spot="[/@-]",
        # Spot markets have numbers, of which its documentation names these.
        split={"@1": ("HFUN", "USDC"), "@107": ("HYPE", "USDC")}.get,
        formats=(
            Answer(
                "Hyperliquid's trades",
                Columns("px", "sz", "time", "tid", "side", {"b": BUY, "a": SELL}, market="coin"),
            ),
        ),
    ),
    Exchange(
        *("KuCoin", "KuCoin", "Seychelles", "https://www.kucoin.com", ("kcon",)),
        quotes=(*MONEY, *COINS, "KCS", "TRX", "DOGE"),
        formats=(
            Format("KuCoin's archive of trades", Columns("price", "size", "trade_time", "trade_id", "side")),
            Answer("KuCoin's answer", Columns("price", "size", "time", "sequence", "side")),
        ),
    ),
    Exchange(
        *("MEXC", "MEXC Global", "Seychelles", "https://www.mexc.com"),
        separator="",
        formats=(
            Answer(
                "MEXC's answer",
                Columns("price", "qty", "time", "id", "isBuyerMaker", BUYER_IS_MAKER),
                needs=("quoteQty", "isBestMatch", "tradeType"),
            ),
        ),
    ),
    Exchange(
        *("OKX", "OKX", "Seychelles", "https://www.okx.com", ("okex",)),
        formats=(
            Format(
                "OKX's archive of trades",
                Columns("price", "size", "created_time", "trade_id", "side", market="instrument_name"),
            ),
            Format("OKX's archive of trades", Columns("price", "size", "created_time", "trade_id", "side")),
            Answer("OKX's answer", Columns("px", "sz", "ts", "tradeId", "side", market="instId")),
        ),
    ),
    Exchange(
        *("Upbit", "Dunamu Inc.", "South Korea", "https://upbit.com", ("upbt",)),
        quote_first=True,
        formats=(
            Answer(
                "Upbit's answer",
                Columns(
                    *(
                        "trade_price",
                        "trade_volume",
                        "timestamp",
                        "sequential_id",
                        "ask_bid",
                        {"bid": BUY, "ask": SELL},
                    ),
                    market="market",
                ),
            ),
        ),
    ),
)
