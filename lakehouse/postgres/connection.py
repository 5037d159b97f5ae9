"""Connect to Postgres: the user's own server when ``DB_ENDPOINT`` is set, else the one embedded in the data home."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from lakehouse.errors import CryptoError, find_sentence, mask
from lakehouse.postgres import lakebase
from lakehouse.postgres.embedded import CONNECT_SECONDS, Embedded
from lakehouse.settings import Settings

APPLICATION = "crypto lakehouse"
RECOVERY_SECONDS = 15
DEFAULTS = {
    "application_name": APPLICATION,
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    # With these, a lost server that never closed its connections is detected within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # libpq's own files in the user's home (~/.postgresql) would add a certificate or another rule of trust.
    "sslcert": f"{os.devnull}/none",
    "sslcrl": f"{os.devnull}/none",
    "gssencmode": "disable",
}
# What the statements rely on, whatever a database, a role or a server has been set to.
SESSION = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "search_path": '"$user", public',
    "standard_conforming_strings": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "default_transaction_isolation": "read committed",
    # A role's limits, made for dashboards, would end a migration or a sync in the middle.
    "statement_timeout": "30min",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
# What libpq's message has, and the sentence that the user gets instead; the last one stands for every message.
SENTENCES = (
    (
        "password authentication failed",
        "{where} refuses the password of user {user!r}; check DB_USER and DB_PASSWORD.",
    ),
    (
        "does not exist",
        "{where} has no database {dbname!r} or no user {user!r}; check DB_NAME and DB_USER.",
    ),
    (
        "translate host name|resolve|Name or service|nodename nor",
        "The host {host!r} is not known; check DB_ENDPOINT.",
    ),
    (
        "certificate verify failed",
        "{where} shows a certificate {issuer}; name the CA file of this server in DB_SSLROOTCERT.",
    ),
    (
        "does not match host name",
        "{where} shows a certificate for another host; set DB_ENDPOINT to the name in that certificate.",
    ),
    (
        "does not support SSL",
        "{where} offers no TLS, which sslmode {sslmode!r} requires; turn it on there, or, "
        "in a network that you trust, set DB_SSLMODE to disable.",
    ),
    (
        "SSL|certificate",
        "{where} can't be reached by TLS as sslmode {sslmode!r} requires ({reason}); "
        "check DB_SSLROOTCERT and DB_SSLMODE.",
    ),
    (
        "refused|timeout|timed out|unreachable",
        "{where} does not answer; check that it runs, and DB_ENDPOINT and DB_PORT.",
    ),
    ("", "{where} can't be used ({reason}); check the DB_ settings."),
)


@dataclass(frozen=True)
class ServerStatus:
    """Where the server is and whether it runs; ``port`` is None while the embedded server does not run."""

    embedded: bool
    running: bool
    host: str
    port: int | None


def values(settings: Settings) -> dict[str, Any]:
    """Return host, port, dbname, user, password, sslmode and sslrootcert, under libpq's names."""
    server = settings.postgres
    if server is None:
        return Embedded(settings.home).values()
    return {
        "host": server.host,
        "port": server.port,
        "dbname": server.name,
        "user": server.user,
        "password": lakebase.token(server.lakebase) if server.lakebase else server.password,
        "sslmode": server.sslmode,
        "sslrootcert": server.sslrootcert,
    }


def ensure(settings: Settings) -> None:
    """Start the embedded server if it is not running; do nothing for the user's own server."""
    if settings.postgres is None:
        Embedded(settings.home).start()


def start(settings: Settings) -> ServerStatus:
    """Start the embedded server and return its status; raise CryptoError if the settings name another server."""
    _require_embedded(settings)
    ensure(settings)
    return status(settings)


def stop(settings: Settings) -> ServerStatus:
    """Stop the embedded server and return its status; raise CryptoError if the settings name another server."""
    _require_embedded(settings)
    Embedded(settings.home).stop()
    return status(settings)


def _require_embedded(settings: Settings) -> None:
    if settings.postgres is not None:
        raise CryptoError("DB_ENDPOINT names your own server, which crypto does not start or stop.")


def status(settings: Settings) -> ServerStatus:
    """Return where the server is and whether it answers, without starting or creating anything."""
    if settings.postgres is None:
        server = Embedded(settings.home)
        running = server.serving()
        return ServerStatus(True, running, "127.0.0.1", int(server.values()["port"]) if running else None)
    host, port = settings.postgres.host, settings.postgres.port
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError:
        return ServerStatus(False, False, host, port)
    return ServerStatus(False, True, host, port)


def url(settings: Settings) -> str:
    """Return the ``postgresql://`` address for a client. It holds the password: never write it to a log."""
    given = values(settings)
    host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
    credentials = f"{quote(given['user'], safe='')}:{quote(given['password'], safe='')}"
    tls = {name: given[name] for name in ("sslmode", "sslrootcert") if given[name] and settings.postgres}
    options = f"?{urlencode(tls)}" if tls else ""
    return f"postgresql://{credentials}@{host}:{given['port']}/{quote(given['dbname'], safe='')}{options}"


def connect(settings: Settings, autocommit: bool = False, **options: Any) -> psycopg.Connection:
    """Return a connection, after starting the embedded server if it is not running.

    ``options`` are libpq's and override DEFAULTS; libpq's own environment and files have no say, and the session is set
    to SESSION. Raise CryptoError, without the password, if it fails.
    """
    ignore_libpq_environment()
    deadline = time.monotonic() + RECOVERY_SECONDS
    while True:
        ensure(settings)
        given: dict[str, Any] = DEFAULTS | values(settings) | options
        if not given["sslrootcert"]:
            # libpq would look for ~/.postgresql/root.crt, and verify by it even where nobody asked for that.
            given["sslrootcert"] = f"{os.devnull}/none"
        try:
            return _prepare_session(psycopg.connect(**given, autocommit=True), autocommit)
        except psycopg.Error as error:
            # A killed embedded server is detected only a moment later, and any server reports that it is recovering.
            can_retry = settings.postgres is None or "the database system is" in str(error)
            if not can_retry or time.monotonic() > deadline:
                raise CryptoError(_explain(error, given)) from None
        time.sleep(0.1)


def ignore_libpq_environment() -> None:
    """Remove libpq's variables (PGHOSTADDR, PGOPTIONS, PGSERVICE ...) from the environment: the settings decide."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def _prepare_session(connection: psycopg.Connection, autocommit: bool) -> psycopg.Connection:
    """Set a new connection to SESSION, outside of a transaction, whose end would undo it."""
    try:
        query = "select " + ", ".join(["set_config(%s, %s, false)"] * len(SESSION))
        connection.execute(query, [part for pair in SESSION.items() for part in pair])
        connection.autocommit = autocommit
    except psycopg.Error:
        connection.close()
        raise
    return connection


def _explain(error: psycopg.Error, given: dict[str, Any]) -> str:
    """Return a sentence for a failed connection; it quotes libpq's message if SENTENCES has no better one."""
    text = mask(str(error).replace(given["password"], "***"))
    file = None if given["sslrootcert"] == f"{os.devnull}/none" else given["sslrootcert"]
    facts = given | {
        "where": f"Postgres at {given['host']}:{given['port']}",
        "issuer": "of an unknown CA" if file in (None, "system") else f"of a CA that is not in {file}",
        "reason": " ".join(text.splitlines()[-1].split()),
    }
    return find_sentence(SENTENCES, text, **facts) or ""
