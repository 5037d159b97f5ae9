"""Connect to Postgres: the user's own server when ``DB_ENDPOINT`` is set, else the one embedded in the data home."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from lakehouse.errors import CryptoError
from lakehouse.postgres.embedded import CONNECT_SECONDS, Embedded
from lakehouse.settings import Settings

APPLICATION = "crypto lakehouse"
RECOVERY_SECONDS = 15
DEFAULTS = {
    "application_name": APPLICATION,
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    # A server that vanished without closing its connections is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# Words in a failed connection's message, and the sentence that the user gets; the last one matches every message.
SENTENCES = (
    (
        ["password authentication failed"],
        "{where} refuses the password of user {user!r}; check DB_USER and DB_PASSWORD.",
    ),
    (
        ["does not exist"],
        "{where} has no database {dbname!r} or no user {user!r}; check DB_NAME and DB_USER.",
    ),
    (
        ["translate host name", "resolve", "Name or service", "nodename nor"],
        "The host {host!r} is not known; check DB_ENDPOINT.",
    ),
    (
        ["certificate verify failed"],
        "{where} shows a certificate {unproven}; name the CA file of this server in DB_SSLROOTCERT.",
    ),
    (
        ["does not match host name"],
        "{where} shows a certificate for another host; set DB_ENDPOINT to the name that it is made for.",
    ),
    (
        ["does not support SSL"],
        "{where} offers no TLS, which sslmode {sslmode!r} asks for; turn it on there, or, "
        "in a network that you trust, set DB_SSLMODE to disable.",
    ),
    (
        ["SSL", "certificate"],
        "{where} can't be reached by TLS as sslmode {sslmode!r} asks ({said}); check DB_SSLROOTCERT and DB_SSLMODE.",
    ),
    (
        ["refused", "timeout", "timed out", "unreachable"],
        "{where} does not answer; check that it runs, and DB_ENDPOINT and DB_PORT.",
    ),
    ([""], "{where} can't be used ({said}); check the DB_ settings."),
)


@dataclass(frozen=True)
class Status:
    """What there is to know about the server; ``port`` is None while an embedded one does not run."""

    embedded: bool
    running: bool
    host: str
    port: int | None


def values(settings: Settings) -> dict[str, Any]:
    """Host, port, dbname, user, password, sslmode and sslrootcert, as libpq takes them."""
    server = settings.postgres
    if server is None:
        return Embedded(settings.home).values()
    return {
        "host": server.host,
        "port": server.port,
        "dbname": server.name,
        "user": server.user,
        "password": server.password,
        "sslmode": server.sslmode,
        "sslrootcert": server.sslrootcert,
    }


def ensure(settings: Settings) -> None:
    """Start the embedded server if it does not serve; nothing to do for a server of the user's own."""
    if settings.postgres is None:
        Embedded(settings.home).start()


def start(settings: Settings) -> Status:
    """Start the embedded server; CryptoError if the settings name another server."""
    _refuse_foreign(settings)
    ensure(settings)
    return status(settings)


def stop(settings: Settings) -> Status:
    """Stop the embedded server; CryptoError if the settings name another server."""
    _refuse_foreign(settings)
    Embedded(settings.home).stop()
    return status(settings)


def _refuse_foreign(settings: Settings) -> None:
    if settings.postgres is not None:
        raise CryptoError("DB_ENDPOINT names a server of your own, which is not ours to start or stop.")


def status(settings: Settings) -> Status:
    """Where the server is and whether it answers; starts and creates nothing."""
    if settings.postgres is None:
        server = Embedded(settings.home)
        running = server.serving()
        return Status(True, running, "127.0.0.1", int(server.values()["port"]) if running else None)
    host, port = settings.postgres.host, settings.postgres.port
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return Status(False, False, host, port)
    return Status(False, True, host, port)


def url(settings: Settings) -> str:
    """What a client can connect with, password included: for the user's eyes, never for a log."""
    given = values(settings)
    host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
    who = f"{quote(given['user'], safe='')}:{quote(given['password'], safe='')}"
    tls = {name: given[name] for name in ("sslmode", "sslrootcert") if given[name] and settings.postgres}
    options = f"?{urlencode(tls)}" if tls else ""
    return f"postgresql://{who}@{host}:{given['port']}/{quote(given['dbname'], safe='')}{options}"


def connect(settings: Settings, autocommit: bool = False, **options: Any) -> psycopg.Connection:
    """Connect, starting the embedded server if need be; CryptoError, without the password, if it can't be."""
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        ensure(settings)
        given = values(settings) | DEFAULTS | options
        try:
            return psycopg.connect(**given, autocommit=autocommit)
        except psycopg.Error as error:
            # A killed embedded server is noticed a moment later; a recovering one of any kind says so.
            passing = settings.postgres is None or "the database system is" in str(error)
            if not passing or time.monotonic() > deadline:
                raise CryptoError(_plain(error, given)) from None
        time.sleep(0.1)


def _plain(error: psycopg.Error, given: dict[str, Any]) -> str:
    """One sentence for why a connection failed; the server's own words are the last resort."""
    text = str(error).replace(given["password"], "***")
    file = given["sslrootcert"]
    facts = given | {
        "where": f"Postgres at {given['host']}:{given['port']}",
        "unproven": "of no known CA" if file in (None, "system") else f"which the CAs in {file} do not vouch for",
        "said": " ".join(text.splitlines()[-1].split()),
    }
    return next(sentence for words, sentence in SENTENCES if any(word in text for word in words)).format(**facts)
