"""Start, find and stop the engine's server process: one for each data home.

It starts at first use, serves later commands while it is warm, and stops after being idle. A keeper process (keeper.py)
owns it. Every process that uses the engine holds a shared lock, which the operating system releases when that process
ends, however it ends.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lakehouse import ports
from lakehouse.engine import catalog, keeper, sail, spark
from lakehouse.errors import CryptoError, first_line
from lakehouse.settings import SAIL, SPARK, Settings

if TYPE_CHECKING:
    import psutil
    from pyspark.sql import SparkSession

KINDS = {SAIL: sail, SPARK: spark}
# An engine on this machine answers at once or is gone. Each of PySpark's retries waits four times as long as the one
# before: four take five seconds, two more would hold up every running statement for over a minute.
RETRIES = 4
# Otherwise gRPC names the path of a socket as the host that it asks, which Sail refuses.
AUTHORITY = ("grpc.default_authority", "localhost")
# A session that Python collects shuts down the threads that all sessions share, from whatever code runs then, which can
# so wait for itself for ever: every session of a process is kept.
_sessions: list[Any] = []


@dataclass(frozen=True)
class Engine:
    """A running engine, which answers its owner alone: who opens ``socket`` or sends ``token``, if it has one.

    ``keeper`` and ``server`` are process ids, ``port`` is that of Spark Connect, ``session`` is the id of the session
    that all clients share, and ``home`` the path by which the server knows the data home. ``ready`` says that the
    catalog is filled, and ``lake`` names the buckets and the key that it was started with (empty for a lake in the data
    home).
    """

    kind: str
    keeper: int
    server: int
    port: int
    session: str
    home: str
    socket: str = ""
    token: str = field(default="", repr=False)
    ready: bool = False
    lake: str = ""

    @property
    def url(self) -> str:
        """The address, which is all that a client needs if the engine has neither a socket nor a token."""
        return f"unix:{self.socket}" if self.socket else f"sc://127.0.0.1:{self.port}"

    @property
    def target(self) -> str:
        """The name by which gRPC connects; that of a socket begins at its open folder, for it has at most 107 bytes."""
        if not self.socket:
            return f"127.0.0.1:{self.port}"
        folder, name = os.path.split(self.socket)
        if folder not in _open_folders or not os.path.samestat(os.fstat(_open_folders[folder]), os.stat(folder)):
            _open_folders[folder] = os.open(folder, os.O_RDONLY)
        return f"unix:/proc/self/fd/{_open_folders[folder]}/{name}"


def folder(settings: Settings) -> Path:
    """Return the engine's folder in the data home."""
    return settings.home / "engine"


def log_file(settings: Settings) -> Path:
    """Return the file that holds the server's own messages."""
    return folder(settings) / "engine.log"


def ensure(settings: Settings) -> Engine:
    """Return the home's engine, started or replaced if need be, and keep it from stopping as idle."""
    # PySpark would print each failed statement as JSON, and a warning that retries have ended; callers report failures.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]")
    _make_folder(settings)
    _hold_in_use(settings)
    with _start_lock(settings):
        engine = status(settings)
        # An engine keeps the lake and the credentials that it was started with.
        if engine is None or engine.kind != settings.engine or engine.lake != _lake(settings):
            _kill_leftovers(settings)
            engine = _start(settings)
    return engine


def status(settings: Settings) -> Engine | None:
    """Return the home's engine if it runs and answers."""
    engine = _read(settings)
    if engine is None or not engine.ready or _process(settings, engine.server) is None:
        return None
    return engine if answers(engine) else None


def openness(settings: Settings) -> str | None:
    """Return a sentence if other users of the machine can reach the home's engine, None if they can't."""
    return KINDS[settings.engine].openness(folder(settings))


def stop(settings: Settings) -> bool:
    """Stop the home's engine; False if none ran."""
    engine = _read(settings)
    if engine is None:
        return False
    with _start_lock(settings):
        running = _process(settings, engine.server) is not None
        _kill_leftovers(settings)
    return running


def path(settings: Settings, local: Path) -> str:
    """Return the path by which the running engine knows a file or folder of the data home."""
    engine = _read(settings)
    return str(Path(engine.home) / local.relative_to(settings.home)) if engine else str(local)


def answers(engine: Engine) -> bool:
    """Return whether an engine answers: it refuses a call without a name as unknown, before it asks for a token."""
    import grpc

    with grpc.insecure_channel(engine.target, [AUTHORITY]) as channel:
        try:
            channel.unary_unary("/")(b"", timeout=5)
        except grpc.RpcError as error:
            return error.code() == grpc.StatusCode.UNIMPLEMENTED
    return False


def open_session(engine: Engine) -> SparkSession:
    """Open this process's client of the session that all clients of the engine share, for the sake of its catalog."""
    from pyspark.sql.connect.client.retries import DefaultPolicy
    from pyspark.sql.connect.session import SparkSession

    from lakehouse.engine.channel import EngineChannel

    # PySpark refuses a session of ours while the shell names the Spark of another project.
    os.environ.pop("MASTER", None)
    # Settings come after the retries: a builder with settings would ask the server, and retry for ten minutes.
    channel = EngineChannel(engine.target, engine.session, engine.token, [AUTHORITY])
    spark: Any = SparkSession.builder.channelBuilder(channel).create()
    _sessions.append(spark)
    # Closing a client must not end the session of all others.
    spark.release_session_on_close = False
    spark.client.set_retry_policies([DefaultPolicy(max_retries=RETRIES)])
    for name, value in KINDS[engine.kind].CLIENT_SETTINGS.items():
        spark.conf.set(name, value)
    return spark


def _start(settings: Settings) -> Engine:
    state, log = folder(settings) / "engine.json", log_file(settings)
    port, kind = ports.free_port(), KINDS[settings.engine]
    access = kind.access(folder(settings))
    command = [sys.executable, "-I", keeper.__file__, str(folder(settings)), str(settings.engine_idle_minutes)]
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder(settings),
        )
        assert process.stdin
        identity = {"kind": settings.engine, "port": port, "session": str(uuid.uuid4())}
        order = {
            "command": kind.command(settings, folder(settings), port, access),
            "environment": kind.environment(settings, folder(settings), access),
            "state": identity | {"home": kind.home(settings)} | access,
        }
        process.stdin.write(json.dumps(order).encode())
        process.stdin.close()
    # Importing Spark's client takes as long as starting the server: do both at once.
    import pyspark.sql  # noqa: F401
    from pyspark.errors import PySparkException

    until, said = time.monotonic() + kind.START_SECONDS, ""
    while time.monotonic() < until:
        engine = _read(settings)
        if engine and engine.port == port:
            if answers(engine):
                try:
                    session = open_session(engine)
                    catalog.restore(settings, session, engine.home)
                    session.stop()
                except PySparkException as error:
                    said = f"PySpark said: {first_line(error)}."
                    break
                engine = replace(engine, ready=True, lake=_lake(settings))
                keeper.write(state, asdict(engine))
                return engine
            if _process(settings, engine.server) is None:
                break
        elif process.poll() is not None:
            break
        time.sleep(0.05)
    _kill_leftovers(settings)
    state.unlink(missing_ok=True)
    raise CryptoError(f"The engine did not start; {said or _last_error(log)} The rest is in {log}.")


def _lake(settings: Settings) -> str:
    """Return what tells one lake from another; the id of an AWS key is no secret."""
    if not settings.lake_buckets:
        return ""
    places = [*settings.lake_buckets.values(), settings.aws_endpoint_url, settings.aws_region]
    return " ".join(filter(None, [*places, os.environ.get("AWS_ACCESS_KEY_ID")]))


def _read(settings: Settings) -> Engine | None:
    try:
        return Engine(**json.loads((folder(settings) / "engine.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _make_folder(settings: Settings) -> None:
    with settings.writing_home():
        (folder(settings) / "tmp").mkdir(parents=True, exist_ok=True)
        if folder(settings).stat().st_mode & 0o077:
            folder(settings).chmod(0o700)
        settings.warehouse.mkdir(exist_ok=True)
        with (folder(settings) / "start.lock").open("a") as lock:
            lock.write("")


_in_use: dict[Path, IO[str]] = {}
_open_folders: dict[str, int] = {}


def _hold_in_use(settings: Settings) -> None:
    path = folder(settings) / "in_use.lock"
    if path not in _in_use or not path.exists():
        _in_use[path] = path.open("a")
    fcntl.flock(_in_use[path], fcntl.LOCK_SH)


@contextmanager
def _start_lock(settings: Settings) -> Iterator[None]:
    with (folder(settings) / "start.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kill_leftovers(settings: Settings) -> None:
    import psutil

    engine = _read(settings)
    found = [_process(settings, pid) for pid in (engine.keeper, engine.server)] if engine else []
    processes = [process for process in found if process]
    for process in processes:
        # A process may end at any moment.
        with suppress(psutil.NoSuchProcess):
            # A suspended process would not see the signal that follows.
            process.resume()
            process.terminate()
    for process in psutil.wait_procs(processes, timeout=10)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=5)
    if engine and engine.home != str(settings.home):
        shutil.rmtree(Path(engine.home).parent, ignore_errors=True)
    for left in ("engine.json", "*.socket"):
        for file in folder(settings).glob(left):
            file.unlink(missing_ok=True)


def _process(settings: Settings, pid: int) -> psutil.Process | None:
    """Return the live process of that id if it belongs to this engine: systems reuse ids."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or str(folder(settings)) not in " ".join(process.cmdline()):
            return None
    except psutil.Error:
        return None
    return process


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "Error" in line or "Exception" in line]
    return f"it said: {lines[-1].strip()[:200]}." if lines else "it said nothing."
