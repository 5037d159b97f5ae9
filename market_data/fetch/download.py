"""Files from the web, resumed where they stopped and verified."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from lakehouse.errors import CryptoError, first_line, to_stderr
from lakehouse.settings import Settings
from market_data.fetch.progress import duration

CHUNK = 1 << 16
# Seconds to connect, and to wait for the next bytes.
TIMEOUT = (10, 60)
# A host that is not there, or not trusted, is told soon.
RETRY = Retry(total=2, backoff_factor=1, allowed_methods=("GET", "HEAD"), respect_retry_after_header=False)
# A host that is busy or asks to be left alone is waited for; 418 is Binance's ban of those who ignored 429.
BUSY = (418, 429, 500, 502, 503, 504, 520, 521, 522, 524)
# Seconds before the second attempt and at most between two; each wait is twice the one before.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
# What no waiting helps against, and what does.
REFUSED = {
    401: "wants a key, and this command has none; use another source",
    403: "does not serve this machine's network; try another network, without VPN, or another source",
    407: "is asked through a proxy that wants a name and a password; put them into HTTPS_PROXY, as "
    "http://name:password@host:port",
    451: "does not serve this country; use another exchange or source, such as --from tardis",
}
CLOUDFLARE = (
    "is guarded by Cloudflare, which takes this machine for a robot or blocks its network; try another network, "
    "without VPN, or again in an hour"
)
# A line that broke is taken up again as long as bytes come, and so many times without any.
ATTEMPTS = 5
# What a server answers that gives no sizes without files.
NO_HEAD = (405, 501)


def address(settings: Settings, url: str) -> str:
    """Return where to ask for an address: there, or at the mirror, whose paths begin with the host."""
    mirror, parts = settings.exchange_mirror, urlsplit(url)
    return f"{mirror.rstrip('/')}/{parts.netloc}{parts.path}" if mirror else url


def is_local(settings: Settings) -> bool:
    """Return whether the mirror is on this machine, where no exchange's limit has to be kept."""
    return urlsplit(settings.exchange_mirror or "").hostname in ("127.0.0.1", "localhost", "::1")


def authorities() -> str | None:
    """Return the file of certificate authorities that the user's environment names, None if it names none."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or None


class PatientSession(requests.Session):
    """Waits as long as a busy host needs, says so through ``say``, and gives up after ``limit`` seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.say: Callable[[str], None] = to_stderr
        self.limit = 600.0

    def request(self, method: str, url: str, *args: Any, **options: Any) -> requests.Response:  # type: ignore[override]
        """Return an answer; raise CryptoError for one that no waiting helps against."""
        host, wait = urlsplit(url).netloc, Wait(self)
        while True:
            answer = super().request(method, url, *args, **options)
            if answer.status_code in BUSY:
                answer.close()
                wait.pause(f"{host} answers {_status(answer)}", _retry_after(answer))
                continue
            if help := REFUSED.get(answer.status_code):
                if answer.status_code == 403 and "cloudflare" in answer.headers.get("Server", "").lower():
                    help = CLOUDFLARE
                raise CryptoError(f"{host} {help} (it answers {_status(answer)}).")
            return answer


class Wait:
    """The waits for one answer, each twice as long as the one before."""

    def __init__(self, session: PatientSession) -> None:
        self.session, self.next, self.waited = session, FIRST_WAIT, 0.0

    def pause(self, why: str, seconds: float | None = None) -> None:
        """Say why and how long, and wait; raise CryptoError if all waits would be longer than the limit."""
        seconds = seconds or self.next
        if self.waited + seconds > self.session.limit:
            raise CryptoError(
                f"{why}, and a wait of {duration(seconds)} more would be longer than --wait allows "
                f"({duration(self.session.limit)}); run the same command again after that: it goes on where it stopped."
            )
        way_out = "" if self.waited else "; Ctrl-C stops, and the same command goes on from there"
        self.session.say(f"{why}: waiting {duration(seconds)} before asking again{way_out}.")
        time.sleep(seconds)
        self.waited += seconds
        self.next = min(2 * self.next, LONGEST_WAIT)


def _status(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.reason or ''}".strip()


def _retry_after(answer: requests.Response) -> float | None:
    """Return how many seconds a host asks to wait: it says them, or until when."""
    said = answer.headers.get("Retry-After", "")
    if said.isdigit():
        return float(said)
    try:
        return max(parsedate_to_datetime(said).timestamp() - time.time(), 0)
    except ValueError:
        return None


@cache
def session() -> PatientSession:
    """Return the session of this process; it uses the proxy and the authorities of the environment."""
    new = PatientSession()
    new.verify = authorities() or True
    for scheme in ("https://", "http://"):
        new.mount(scheme, HTTPAdapter(max_retries=RETRY))
    return new


def size(url: str, missing: Sequence[int]) -> int | None:
    """Return how many bytes a file has, None if the server has no such file and thus answers one of ``missing``."""
    try:
        answer = session().head(url, timeout=TIMEOUT, allow_redirects=True)
        if answer.status_code in NO_HEAD:
            with session().get(url, timeout=TIMEOUT, stream=True) as answer:
                pass
    except requests.RequestException as error:
        raise unreachable(urlsplit(url).netloc, error) from error
    if answer.status_code in missing:
        return None
    _refuse(url, answer)
    return int(answer.headers.get("Content-Length", 0))


def text(url: str) -> str:
    """Return a small file of text."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = session().get(url, timeout=TIMEOUT)
        except requests.RequestException as error:
            if attempt == ATTEMPTS or not isinstance(error, requests.exceptions.ChunkedEncodingError):
                raise unreachable(urlsplit(url).netloc, error) from error
            continue
        _refuse(url, answer)
        return answer.text
    return ""


def fetch(url: str, path: Path, advance: Callable[[int], None], sha256: Callable[[], str] | None = None) -> None:
    """Get a file, going on where an earlier call stopped; ``advance`` is told of bytes as they come.

    The file appears under its name only when it is whole and equals what ``sha256`` returns. Raise CryptoError if it
    can't be had.
    """
    part = path.with_name(f"{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    # A resumed file can be made of two versions of it, so a wrong one and its sum are fetched once more.
    for is_last in (False, True):
        _complete(url, part, advance)
        if sha256 is None or _digest(part) == sha256():
            part.replace(path)
            return
        advance(-part.stat().st_size)
        part.unlink()
        if is_last:
            raise CryptoError(
                f"{url} is not what its checksum says, twice; wait until the archive is mended, and run the same "
                "command again."
            )


def _complete(url: str, part: Path, advance: Callable[[int], None]) -> None:
    """Append to a file what it lacks."""
    attempts = 0
    advance(part.stat().st_size if part.exists() else 0)
    while True:
        had = part.stat().st_size if part.exists() else 0
        try:
            with session().get(url, headers={"Range": f"bytes={had}-"}, timeout=TIMEOUT, stream=True) as answer:
                if answer.status_code == requests.codes.requested_range_not_satisfiable:
                    # Nothing is missing, or what is there is longer than the file and thus not of it.
                    if answer.headers.get("Content-Range", "") == f"bytes */{had}":
                        return
                    part.unlink()
                    advance(-had)
                    continue
                _refuse(url, answer)
                if answer.status_code != requests.codes.partial_content and had:
                    # The server knows no ranges and sends all of it again.
                    advance(-had)
                    had = 0
                with part.open("ab" if had else "wb") as target:
                    for chunk in answer.iter_content(CHUNK):
                        target.write(chunk)
                        advance(len(chunk))
                return
        except requests.RequestException as error:
            attempts = 1 if part.exists() and part.stat().st_size > had else attempts + 1
            if attempts >= ATTEMPTS:
                raise unreachable(urlsplit(url).netloc, error) from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _refuse(url: str, answer: requests.Response) -> None:
    if not answer.ok:
        raise CryptoError(
            f"{urlsplit(url).netloc} answers {_status(answer)} to {url}; run the same command again later."
        )


def unreachable(host: str, error: BaseException) -> CryptoError:
    """Return the error of a host, or an exchange, that can't be reached."""
    # What urllib3 wrapped says why: its own text begins with the whole address.
    inner = error.args[0] if error.args else error
    inner = getattr(inner, "reason", None) or inner
    reason = first_line(inner if isinstance(inner, BaseException) else error)
    if "407 " in reason:
        return CryptoError(f"{host} {REFUSED[407]}.")
    return CryptoError(
        f"{host} can't be reached ({reason}); check the network, HTTPS_PROXY and SSL_CERT_FILE, and run the same "
        "command again: it goes on where it stopped."
    )
