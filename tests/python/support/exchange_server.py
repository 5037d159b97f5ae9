"""A local server that answers as exchanges' APIs and archives do, with their layouts, their paging and their faults.

It stands where ``CRYPTO_EXCHANGE_MIRROR`` says: the host of an address is the first part of the path, as in
``/api.kraken.com/0/public/Trades``. All trades are made up, from a seed.
"""

import gzip
import hashlib
import http.server
import io
import json
import re
import ssl
import threading
import time
import zipfile
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

import numpy as np

MILLISECOND, SECOND, HOUR, DAY = 1_000, 1_000_000, 3_600_000_000, 86_400_000_000
# What each exchange's times are rounded to.
RESOLUTION = {"Binance": 1, "Kraken": 1, "Coinbase": 1, "Bitstamp": SECOND, "Gemini": MILLISECOND}
RESOLUTION |= {"OKX": MILLISECOND, "Bybit": MILLISECOND}
# Answers of a server, or of a proxy before it, that refuses or can't: the headers beside the status.
REFUSALS: dict[str, dict[str, str]] = {
    **{status: {} for status in ("401", "403", "404", "407", "451", "503")},
    **{"429": {"Retry-After": "1"}, "418": {"Retry-After": "7200"}, "403 cloudflare": {"Server": "cloudflare"}},
}
# Kraken's own name of a market in an answer, by the one in the question.
KRAKEN_NAMES = {"XBTUSD": "XXBTZUSD", "ETHUSD": "XETHZUSD"}


@dataclass(frozen=True)
class Trade:
    """One trade: its time in microseconds, and the taker's side. ``members`` are the ids of Binance's aggregate.

    ``nanosecond`` is that of Kraken's time within the microsecond, by default another for each trade.
    """

    number: int
    moment: int
    price: str
    amount: str
    side: str
    members: tuple[int, int] = (0, 0)
    nanosecond: int | None = None

    @property
    def nanoseconds(self) -> int:
        """Kraken's time, of which the last digits are lost in a double."""
        return self.moment * 1000 + (self.number % 1000 if self.nanosecond is None else self.nanosecond)


def day_start(day: date) -> int:
    """Return the first microsecond of a day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * SECOND


def made(exchange: str, first: int, last: int, count: int, seed: int = 1, number: int = 1000) -> list[Trade]:
    """Return ``count`` trades from one moment to before another, with ids from ``number`` on without a gap."""
    random = np.random.default_rng(seed)
    step = RESOLUTION[exchange]
    moments = np.sort(random.integers(first, last, count)) // step * step
    moments = np.maximum(moments, -(-first // step) * step)
    prices = 40_000 * np.exp(np.cumsum(random.normal(0, 1e-4, count)))
    amounts = random.integers(1, 2_000_000, count)
    sides = random.choice(["buy", "sell"], count)
    # An aggregate of Binance has one to three single trades.
    sizes = random.integers(1, 4, count)
    ends = 5 * number + np.cumsum(sizes)
    return [
        Trade(
            number + place,
            int(moments[place]),
            f"{prices[place]:.2f}",
            f"{amounts[place] / 1e6:.8f}",
            str(sides[place]),
            (int(ends[place] - sizes[place]), int(ends[place] - 1)),
        )
        for place in range(count)
    ]


def renumbered(trades: list[Trade], number: int) -> list[Trade]:
    """Return trades whose ids start at a number, as if the exchange had started again."""
    return [replace(trade, number=number + place) for place, trade in enumerate(trades)]


def single(trades: list[Trade]) -> list[Trade]:
    """Return the single trades of Binance's aggregates."""
    found = []
    for trade in trades:
        first, last = trade.members
        total, count = round(float(trade.amount) * 1e8), last - first + 1
        parts = [total // count] * (count - 1)
        for number, part in zip(range(first, last + 1), [*parts, total - sum(parts)], strict=True):
            found.append(replace(trade, number=number, amount=f"{part / 1e8:.8f}"))
    return found


@dataclass
class Fault:
    """What goes wrong with the next requests whose address a pattern finds, after some that go well."""

    kind: str
    where: str
    times: int = 1
    after: int = 0


@dataclass
class Request:
    """A request that came."""

    verb: str
    host: str
    path: str
    query: dict[str, str]
    at: float = field(default_factory=time.monotonic)
    span: str | None = None


class ExchangeServer(http.server.ThreadingHTTPServer):
    """Serves ``trades``, by exchange and by the exchange's own name of a market, in the order of the exchange."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = "https" if tls else "http"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.trades: dict[tuple[str, str], list[Trade]] = {}
        self.page = 1000
        # Seconds before each answer.
        self.delay = 0.0
        # By how many seconds its clock is ahead.
        self.clock_ahead = 0.0
        self.faults: list[Fault] = []
        self.met: list[str] = []
        self.requests: list[Request] = []
        self.published_until: date | None = None
        self.monthly = True
        self.reaches_back = timedelta(days=7)
        self.last_answers: dict[str, bytes] = {}
        self.archives: dict[str, bytes] = {}
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{self.scheme}://127.0.0.1:{self.server_port}"

    def has(self, exchange: str, market: str, trades: list[Trade]) -> None:
        """Let the exchange have these trades of a market."""
        self.trades[exchange, market] = trades
        self.archives.clear()

    def fault(self, kind: str, where: str, times: int = 1, after: int = 0) -> None:
        """Let the next requests for an address go wrong.

        A status, ``cut`` (half a body), ``reset``, ``checksum``, ``again`` (the answer before), ``empty`` (no rows), or
        ``gap`` (no rows in the middle of a page). A pattern that begins with HEAD is for such requests.
        """
        self.faults.append(Fault(kind, where, times, after))

    def next_fault(self, address: str) -> str | None:
        """Return the fault of this request, if it is to have one."""
        with self.lock:
            for fault in self.faults:
                is_meant = fault.where.startswith("HEAD") == address.startswith("HEAD")
                if is_meant and re.search(fault.where, address) and fault.times:
                    if fault.after:
                        fault.after -= 1
                        return None
                    fault.times -= 1
                    self.met.append(fault.kind)
                    return fault.kind
        return None

    def asked(self, host: str) -> list[Request]:
        """Return the requests that a host got."""
        return [request for request in self.requests if request.host == host]

    def stop(self) -> None:
        """Stop serving."""
        self.shutdown()
        self.server_close()


class NotThere(Exception):
    """The address or the market is not there: a status and a body, as the exchange answers."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A body would wait 40 ms until its headers are acknowledged.
    disable_nagle_algorithm = True
    server: ExchangeServer

    def log_message(self, *_: object) -> None:
        pass

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(time.time() + self.server.clock_ahead)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        _, host, path = parts.path.split("/", 2)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.server.requests.append(Request(self.command, host, path, query, span=self.headers.get("Range")))
        time.sleep(self.server.delay)
        fault = self.server.next_fault(f"{'HEAD ' if self.command == 'HEAD' else ''}{self.path}")
        if fault == "reset":
            self.close_connection = True
            self.connection.close()
            return
        if fault in REFUSALS:
            self._send(int(fault[:3]), b'{"error": "slow down"}', REFUSALS[fault])
            return
        try:
            status, body, headers = ANSWERS[host](self, path, query)
        except NotThere as missing:
            status, body, headers = missing.args[0], missing.args[1], {}
        if fault == "again":
            body = self.server.last_answers.get(parts.path, body)
        elif fault == "checksum":
            body = b"0" * 64 + body[64:]
        elif fault in ("empty", "gap"):
            answer = json.loads(body)
            rows = _rows_of(answer)
            third = len(rows) // 3
            rows[:] = [] if fault == "empty" else rows[:third] + rows[-third:]
            if fault == "empty" and host == "api.kraken.com":
                answer["result"]["last"] = query.get("since", "0")
            body = json.dumps(answer).encode()
        self.server.last_answers[parts.path] = body
        self._send(status, body, headers, cut=fault == "cut")

    def _send(self, status: int, body: bytes, headers: dict[str, str], cut: bool = False) -> None:
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string())
        for name, value in {"Content-Type": "application/json", "Server": "exchange", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True
        except OSError:
            # The client was killed.
            self.close_connection = True

    def known(self, exchange: str, market: str, status: int, body: object) -> list[Trade]:
        """Return a market's trades."""
        try:
            return self.server.trades[exchange, market]
        except KeyError:
            raise NotThere(status, json.dumps(body).encode()) from None


def _rows_of(answer: object) -> list[object]:
    """Return the first list in an answer of any exchange."""
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        for inner in answer.values():
            if (isinstance(inner, list) and inner) or isinstance(inner, dict):
                return _rows_of(inner)
    return []


def _json(found: object, **headers: str) -> tuple[int, bytes, dict[str, str]]:
    return 200, json.dumps(found).encode(), headers


def _binance(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    assert path == "api/v3/aggTrades", path
    trades = handler.known("Binance", query["symbol"], 400, {"code": -1121, "msg": "Invalid symbol."})
    limit = min(int(query.get("limit", 500)), handler.server.page)
    if "fromId" in query:
        if "startTime" in query:
            raise NotThere(400, b'{"code": -1128, "msg": "Combination of optional parameters invalid."}')
        first = int(query["fromId"])
        # After a restart of the ids, the newer trade of an id is found.
        places = [place for place, trade in enumerate(trades) if trade.number >= first]
        exact = [place for place in places if trades[place].number == first]
        start = exact[-1] if exact else places[0] if places else len(trades)
        found = trades[start : start + limit]
    elif "startTime" in query:
        start, end = (int(query[name]) * MILLISECOND for name in ("startTime", "endTime"))
        if end - start > HOUR:
            raise NotThere(400, b'{"code": -1127, "msg": "More than 1 hours between startTime and endTime."}')
        found = [trade for trade in trades if start <= trade.moment < end + MILLISECOND][:limit]
    else:
        found = trades[-limit:]
    unit = 1 if handler.headers.get("X-MBX-TIME-UNIT") == "MICROSECOND" else MILLISECOND
    return _json(
        [
            {
                "a": trade.number,
                "p": trade.price,
                "q": trade.amount,
                "f": trade.members[0],
                "l": trade.members[1],
                "T": trade.moment // unit,
                "m": trade.side == "sell",
                "M": True,
            }
            for trade in found
        ]
    )


def _kraken(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    assert path == "0/public/Trades", path
    trades = handler.known("Kraken", query["pair"], 200, {"error": ["EQuery:Unknown asset pair"]})
    given = query.get("since", "0")
    since = int(given) * (1 if len(given) > 12 else 1_000_000_000)
    found = [trade for trade in trades if trade.nanoseconds > since]
    size = min(int(query.get("count", 1000)), handler.server.page)
    found = found[:size] if "since" in query else found[-size:]
    last = str(found[-1].nanoseconds if found else since)
    # Times have seven decimals, the last of which a double can't keep.
    rows = ",".join(
        f'["{trade.price}","{trade.amount}",{seconds(trade)},"{trade.side[0]}","l","",{trade.number}]'
        for trade in found
    )
    name = KRAKEN_NAMES.get(query["pair"], query["pair"])
    return 200, f'{{"error":[],"result":{{"{name}":[{rows}],"last":"{last}"}}}}'.encode(), {}


def seconds(trade: Trade) -> str:
    """Return Kraken's time as text."""
    return f"{trade.nanoseconds // 10**9}.{trade.nanoseconds % 10**9 // 100:07d}"


def _coinbase(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    found = re.fullmatch(r"products/(.+)/trades", path)
    assert found, path
    trades = handler.known("Coinbase", found[1], 404, {"message": "NotFound"})
    limit = min(int(query.get("limit", 1000)), handler.server.page)
    before = [trade for trade in trades if "after" not in query or trade.number < int(query["after"])]
    page = before[::-1][:limit]
    rows = [
        {
            "trade_id": trade.number,
            # The maker's side.
            "side": "sell" if trade.side == "buy" else "buy",
            "size": trade.amount,
            "price": trade.price,
            "time": datetime.fromtimestamp(trade.moment // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            + f"{trade.moment % SECOND:06d}Z",
        }
        for trade in page
    ]
    return _json(rows, **({"CB-BEFORE": str(page[0].number), "CB-AFTER": str(page[-1].number)} if page else {}))


def _bitstamp(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    found = re.fullmatch(r"api/v2/transactions/(\w+)/", path)
    assert found, path
    missing = {"status": "error", "reason": "Not found", "code": "404.002"}
    trades = handler.known("Bitstamp", found[1].upper(), 404, missing)
    span = {"minute": 60 * SECOND, "hour": HOUR, "day": DAY}[query.get("time", "hour")]
    now = int(time.time() * SECOND)
    return _json([bitstamp_row(trade) for trade in trades[::-1] if now - span <= trade.moment <= now])


def bitstamp_row(trade: Trade) -> dict[str, str]:
    """Return a trade as Bitstamp answers it."""
    return {
        "date": str(trade.moment // SECOND),
        "tid": str(trade.number),
        "amount": trade.amount,
        "type": "0" if trade.side == "buy" else "1",
        "price": trade.price,
    }


def _gemini(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    found = re.fullmatch(r"v1/trades/(\w+)", path)
    assert found, path
    missing = {"result": "error", "reason": "InvalidSymbol", "message": "Received an invalid symbol"}
    trades = handler.known("Gemini", found[1].upper(), 400, missing)
    oldest = time.time() * SECOND - handler.server.reaches_back / timedelta(microseconds=1)
    kept = [trade for trade in trades if trade.moment >= oldest]
    limit = min(int(query.get("limit_trades", 50)), 500, handler.server.page)
    if "since_tid" in query:
        page = [trade for trade in kept if trade.number > int(query["since_tid"])][:limit]
    elif "timestamp" in query:
        page = [trade for trade in kept if trade.moment >= int(query["timestamp"]) * MILLISECOND][:limit]
    else:
        page = kept[-limit:]
    return _json(
        [
            {
                "timestamp": trade.moment // SECOND,
                "timestampms": trade.moment // MILLISECOND,
                "tid": trade.number,
                "price": trade.price,
                "amount": trade.amount,
                "exchange": "gemini",
                "type": trade.side,
            }
            for trade in page[::-1]
        ]
    )


def _okx(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Markets, the latest trades, and older ones before an id (type 1) or a time (type 2), the newest first."""
    server = handler.server
    if path == "api/v5/public/instruments":
        names = [market for exchange, market in server.trades if exchange == "OKX"]
        fixed = {"instType": "SPOT", "state": "live", "tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001"}
        pairs = [{**dict(zip(("baseCcy", "quoteCcy"), name.split("-"), strict=True)), "instId": name} for name in names]
        return _json({"code": "0", "msg": "", "data": [{**fixed, **pair} for pair in pairs]})
    trades = handler.known("OKX", query["instId"], 200, {"code": "51001", "msg": "Instrument ID doesn't exist"})
    if path == "api/v5/market/history-trades" and "after" in query:
        after, by_time = int(query["after"]), query.get("type", "1") == "2"
        trades = [trade for trade in trades if (trade.moment // MILLISECOND if by_time else trade.number) < after]
    newest = trades[: -min(int(query.get("limit", 100)), server.page) - 1 : -1]
    rows = [
        {
            **{"instId": query["instId"], "side": trade.side, "sz": trade.amount, "px": trade.price, "source": "0"},
            **{"tradeId": str(trade.number), "ts": str(trade.moment // MILLISECOND)},
        }
        for trade in newest
    ]
    return _json({"code": "0", "msg": "", "data": rows})


def _bybit(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Markets, and the latest 60 trades, the newest first."""
    assert query["category"] == "spot", query
    if path == "v5/market/instruments-info":
        names = [market for exchange, market in handler.server.trades if exchange == "Bybit"]
        found = [
            {
                **{
                    "symbol": name,
                    "baseCoin": name[:-4],
                    "quoteCoin": name[-4:],
                    "status": "Trading",
                    "innovation": "0",
                },
                **{"lotSizeFilter": {"basePrecision": "0.000001"}, "priceFilter": {"tickSize": "0.01"}},
            }
            for name in names
        ]
    else:
        assert path == "v5/market/recent-trade", path
        trades = handler.known("Bybit", query["symbol"], 200, {"retCode": 10001, "retMsg": "Not supported symbols"})
        found = [
            {
                **{"execId": str(trade.number), "symbol": query["symbol"], "price": trade.price, "size": trade.amount},
                **{"side": trade.side.title(), "time": str(trade.moment // MILLISECOND), "isBlockTrade": False},
            }
            for trade in trades[:-61:-1]
        ]
    result = {"category": "spot", "list": found, "nextPageCursor": ""}
    return _json({"retCode": 0, "retMsg": "OK", "result": result, "time": int(time.time() * 1000)})


def _archive(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    server = handler.server
    with server.lock:
        if path not in server.archives:
            server.archives[path] = _zip(server, path)
    content = server.archives[path]
    return _ranged(handler, content)


def _ranged(handler: _Handler, content: bytes) -> tuple[int, bytes, dict[str, str]]:
    headers = {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
    span = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    if not span:
        return 200, content, headers
    first = int(span[1])
    if first >= len(content):
        return 416, b"", {"Content-Range": f"bytes */{len(content)}"}
    headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
    return 206, content[first:], headers


def _zip(server: ExchangeServer, path: str) -> bytes:
    form = r"data/spot/(daily|monthly)/(trades|aggTrades)/(\w+)/(\3-\2-(\d{4}-\d\d)(?:-(\d\d))?)\.zip(\.CHECKSUM)?"
    found = re.fullmatch(form, path)
    absent = NotThere(404, b"<Error><Code>NoSuchKey</Code></Error>")
    trades = server.trades.get(("Binance", found[3])) if found else None
    if not found or trades is None or (found[1] == "daily") != bool(found[6]):
        raise absent
    if found[1] == "monthly" and not server.monthly:
        raise absent
    if found[7]:
        content = _zip(server, path.removesuffix(".CHECKSUM"))
        return f"{hashlib.sha256(content).hexdigest()}  {found[4]}.zip\n".encode()
    first = date.fromisoformat(f"{found[5]}-{found[6] or '01'}")
    after = first + timedelta(days=1) if found[6] else (first + timedelta(days=32)).replace(day=1)
    if (after - timedelta(days=1)) > (server.published_until or datetime.now(UTC).date() - timedelta(days=1)):
        raise absent
    inside = [trade for trade in trades if day_start(first) <= trade.moment < day_start(after)]
    text = io.StringIO()
    for trade in single(inside) if found[2] == "trades" else inside:
        unit = 1 if first.year >= 2025 else MILLISECOND
        members = f"{trade.members[0]},{trade.members[1]}," if found[2] == "aggTrades" else ""
        quote = "" if members else f"{float(trade.price) * float(trade.amount):.8f},"
        maker = "True" if trade.side == "sell" else "False"
        text.write(
            f"{trade.number},{trade.price}0000,{trade.amount},{quote}{members}{trade.moment // unit},{maker},True\n"
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(f"{found[4]}.csv", (2024, 1, 1, 0, 0, 0)), text.getvalue())
    return packed.getvalue()


TARDIS_NAMES = {"binance": "Binance", "kraken": "Kraken", "coinbase": "Coinbase", "bitstamp": "Bitstamp"}
TARDIS_NAMES["gemini"] = "Gemini"


def _tardis(handler: _Handler, path: str, query: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    found = re.fullmatch(r"v1/([\w-]+)/trades/(\d{4})/(\d\d)/(\d\d)/([\w-]+)\.csv\.gz", path)
    assert found, path
    if found[4] != "01":
        raise NotThere(401, b'{"code": 103, "message": "Unauthorized, API key is required"}')
    exchange = TARDIS_NAMES.get(found[1], "")
    name = found[5].replace("-", "") if exchange == "Kraken" else found[5]
    trades = handler.known(exchange, name, 400, {"code": 110, "message": "Invalid symbol param provided"})
    day = date(int(found[2]), int(found[3]), int(found[4]))
    lines = ["exchange,symbol,timestamp,local_timestamp,id,side,price,amount"]
    for trade in single(trades) if exchange == "Binance" else trades:
        # Files are divided by the time of arrival, a fifth of a second later.
        arrived = trade.moment + SECOND // 5
        if day_start(day) <= arrived < day_start(day) + DAY:
            number = "" if exchange == "Kraken" else trade.number
            lines.append(
                f"{found[1]},{found[5]},{trade.moment},{arrived},{number},{trade.side},{trade.price},{trade.amount}"
            )
    return _ranged(handler, gzip.compress("\n".join([*lines, ""]).encode(), mtime=0))


ANSWERS = {
    "api.binance.com": _binance,
    "api.kraken.com": _kraken,
    "api.exchange.coinbase.com": _coinbase,
    "www.bitstamp.net": _bitstamp,
    "api.gemini.com": _gemini,
    "www.okx.com": _okx,
    "api.bybit.com": _bybit,
    "data.binance.vision": _archive,
    "datasets.tardis.dev": _tardis,
}


def times_of(requests: list[Request]) -> list[float]:
    """Return the pauses between requests, in seconds."""
    moments = [request.at for request in requests]
    return [after - before for before, after in pairwise(moments)]
