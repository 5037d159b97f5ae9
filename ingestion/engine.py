"""The local engine: one Spark with Delta for a data home, behind Spark Connect.

It starts at first use, serves the commands that follow warm, and stops after being idle. A small
keeper process (engine_keeper.py) owns the Java process; whoever uses the engine holds a shared lock,
which the operating system drops when that process ends, however it ends. The layers' folders, or buckets
(layers.py), are the whole truth: Spark's catalog lives in memory and is filled from them at every start,
so that no second store of metadata can break or disagree.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ingestion import jars, layers
from ingestion.errors import CryptoError
from ingestion.settings import Settings

if TYPE_CHECKING:
    import psutil
    from pyspark.sql import SparkSession

START_SECONDS = 120

# What Spark asks of a Java newer than 8; its own launcher passes the same.
JAVA_OPTIONS = [
    "-XX:+IgnoreUnrecognizedVMOptions",
    *(
        f"--add-opens={package}=ALL-UNNAMED"
        for package in (
            "java.base/java.lang",
            "java.base/java.lang.invoke",
            "java.base/java.lang.reflect",
            "java.base/java.io",
            "java.base/java.net",
            "java.base/java.nio",
            "java.base/java.util",
            "java.base/java.util.concurrent",
            "java.base/java.util.concurrent.atomic",
            "java.base/jdk.internal.ref",
            "java.base/sun.nio.ch",
            "java.base/sun.nio.cs",
            "java.base/sun.security.action",
            "java.base/sun.util.calendar",
        )
    ),
    "-Djdk.reflect.useDirectMethodHandle=false",
    "-Dio.netty.tryReflectionSetAccessible=true",
    "-Dfile.encoding=UTF-8",
    "-Duser.timezone=UTC",
]

SPARK_CONF = {
    "spark.app.name": "crypto-lakehouse",
    "spark.ui.enabled": "false",
    "spark.sql.catalogImplementation": "in-memory",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.sources.default": "delta",
    "spark.sql.session.timeZone": "UTC",
    # Delta 4.4.0 fails on statements with parameters otherwise.
    "spark.sql.legacy.parameterSubstitution.constantsOnly": "true",
    # Small data by default; adaptive execution splits what is large and joins what is small.
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.adaptive.coalescePartitions.minPartitionSize": "4m",
    "spark.databricks.delta.snapshotPartitions": "1",
    # Files of a few hours or days: a run skips those of other times.
    "spark.sql.files.maxRecordsPerFile": "250000",
    # The default, 100 classes, is less than one build compiles: a warm engine would compile all of them again.
    "spark.sql.codegen.cache.maxEntries": "5000",
    # VACUUM lists folders with so many tasks; the default is 10,000.
    "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    # Other readers (delta-rs, DuckDB) must be able to open every table: Spark's own format for times ends in 2262 for
    # them, and has no statistics.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
    "spark.databricks.delta.properties.defaults.columnMapping.mode": "none",
    # A killed client's statement ends soon after it, so that the next run meets no ghost.
    "spark.connect.execute.manager.detachedTimeout": "10s",
    "spark.connect.execute.manager.maintenanceInterval": "1s",
}


@dataclass(frozen=True)
class Engine:
    """A running engine: process ids, the port of Spark Connect, whether its catalog is filled, and for which lake."""

    keeper: int
    java: int
    port: int
    ready: bool = False
    lake: str = ""

    @property
    def url(self) -> str:
        """The address that ``SPARK_REMOTE`` takes."""
        return f"sc://127.0.0.1:{self.port}"


def folder(settings: Settings) -> Path:
    """Return the engine's own folder in the data home."""
    return settings.home / "engine"


def log_file(settings: Settings) -> Path:
    """Return the file that holds what Spark says."""
    return folder(settings) / "engine.log"


def session(settings: Settings) -> SparkSession:
    """Return a session of the home's engine, which is started if need be; CryptoError if it can't."""
    engine = ensure(settings)
    from pyspark.errors import PySparkException

    # dbt's Python models import pandas on Spark, which asks for this in a warning.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")
    os.environ["SPARK_REMOTE"] = engine.url
    try:
        with _opening:
            spark = _sessions.get(engine.url)
            if spark is None or spark.is_stopped:
                spark = _sessions[engine.url] = _open(engine.url)
        return spark
    except PySparkException as error:
        raise CryptoError(f"The engine does not answer; see {log_file(settings)}.") from error


# One session a process: dbt asks for it from several threads.
_opening = threading.Lock()
_sessions: dict[str, Any] = {}


def _open(url: str) -> SparkSession:
    """Open a session that shares generated code with all others.

    The server gives each session a class loader of its own, and keeps generated code by class loader: every client
    would compile every query anew. A session is bound to that by its first message; a clone of it is not yet.
    """
    from pyspark.sql import SparkSession
    from pyspark.sql.connect.client.retries import DefaultPolicy

    isolation = "spark.sql.artifact.isolation"
    sharing = SparkSession.builder.remote(url).config(f"{isolation}.enabled", "false")
    template: Any = sharing.config(f"{isolation}.alwaysApplyClassloader", "false").create()
    name = str(uuid.uuid4())
    template.cloneSession(name).client.close()
    template.stop()
    spark = SparkSession.builder.remote(f"{url}/;session_id={name}").create()
    # An engine on this machine answers or is gone: its users wait five seconds for it, not ten minutes. Each retry
    # waits four times as long as the one before; two more would be over a minute, for every statement under way.
    client: Any = spark.client  # type: ignore[operator]
    client.set_retry_policies([DefaultPolicy(max_retries=4)])
    return spark


def ensure(settings: Settings) -> Engine:
    """Return the home's engine, started or replaced if need be, and keep it from stopping as idle."""
    # They print every failed statement as JSON, and that retries ended; the caller says what failed in a sentence.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", r"\[RETRIES_EXCEEDED\]")
    _make_folder(settings)
    _hold_in_use(settings)
    with _start_lock(settings):
        engine = status(settings)
        # Settings of another lake, or new credentials for it, need an engine that starts with them.
        if engine is None or engine.lake != _lake(settings):
            _kill_leftovers(settings)
            engine = _start(settings)
    return engine


def status(settings: Settings) -> Engine | None:
    """Return the home's engine if it runs and answers."""
    engine = _read(settings)
    if engine is None or not engine.ready or _process(settings, engine.java) is None:
        return None
    return engine if answers(engine.port) else None


def stop(settings: Settings) -> bool:
    """Stop the home's engine; False if none ran."""
    engine = _read(settings)
    if engine is None:
        return False
    with _start_lock(settings):
        running = _process(settings, engine.java) is not None
        _kill_leftovers(settings)
    return running


def _start(settings: Settings) -> Engine:
    state, log = folder(settings) / "engine.json", log_file(settings)
    port = free_port()
    with log.open("a") as output:
        keeper = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ingestion.engine_keeper",
                str(folder(settings)),
                str(settings.engine_idle_minutes),
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=folder(settings),
        )
        assert keeper.stdin
        keeper.stdin.write(json.dumps({"port": port, "command": command(settings, port)}).encode())
        keeper.stdin.close()
    # Importing Spark's client takes as long as starting the server: do both at once.
    from pyspark.sql import SparkSession

    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        engine = _read(settings)
        if engine and engine.port == port:
            if answers(port):
                spark = SparkSession.builder.remote(engine.url).create()
                restore_catalog(settings, spark)
                # Left open, it would look for its engine when Python ends, for minutes if that is gone.
                spark.stop()
                engine = replace(engine, ready=True, lake=_lake(settings))
                write(state, engine)
                return engine
            if _process(settings, engine.java) is None:
                break
        elif keeper.poll() is not None:
            break
        time.sleep(0.05)
    _kill_leftovers(settings)
    state.unlink(missing_ok=True)
    raise CryptoError(f"The engine did not start; {_last_error(log)} The rest is in {log}.")


def class_archive() -> Path:
    """Return the file of loaded classes that set-up makes with class_archive.py; it may be missing."""
    return jars.jar_folder() / "classes.jsa"


def command(settings: Settings, port: int, *options: str) -> list[str]:
    """Return the command that runs the engine; more options for Java may be given."""
    archive = class_archive()
    conf = SPARK_CONF | {
        "spark.master": "local[*]",
        "spark.sql.warehouse.dir": str(settings.warehouse),
        "spark.local.dir": str(folder(settings) / "tmp"),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    conf |= layers.spark_options(settings)
    classpath = [jars.spark_jars() / "*", *jars.delta_jars(), *(jars.s3_jars() if settings.lake_buckets else ())]
    return [
        str(jars.find_java()),
        f"-Xmx{settings.engine_memory}",
        "-XX:+UseParallelGC",
        # Half of a small build's processor time is compiling what runs a few times: only loops over many rows earn it.
        "-XX:Tier4InvocationThreshold=50000",
        "-XX:Tier4MinInvocationThreshold=6000",
        "-XX:Tier4CompileThreshold=150000",
        "-XX:Tier4BackEdgeThreshold=400000",
        "-XX:ReservedCodeCacheSize=512m",
        f"-Djava.io.tmpdir={folder(settings) / 'tmp'}",
        f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties').as_uri()}",
        *([f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else []),
        *JAVA_OPTIONS,
        *options,
        *(f"-D{name}={value}" for name, value in conf.items()),
        "-cp",
        os.pathsep.join(map(str, classpath)),
        "org.apache.spark.sql.connect.service.SparkConnectServer",
    ]


def restore_catalog(settings: Settings, spark: SparkSession) -> None:
    """Fill an empty catalog from what the layers hold: tables, then the views saved beside them."""
    from concurrent.futures import ThreadPoolExecutor

    from pyspark.errors import PySparkException

    tables, views = [], []
    for layer in layers.everyone(settings):
        place = _quoted(layer.address)
        spark.sql(f"create schema if not exists `{layer.schema}` location '{place}'")
        for table in layer.tables(sweep=True):
            name = f"`{layer.schema}`.`{table}`"
            tables.append(f"create table if not exists {name} using delta location '{place}/{_quoted(table)}'")
        views += layer.views()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(spark.sql, tables))
    # A view may read another one: repeat until none is left or nothing moves.
    while views:
        failed = []
        for statement in views:
            try:
                spark.sql(statement)
            except PySparkException:
                failed.append(statement)
        if len(failed) == len(views):
            break
        views = failed


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _lake(settings: Settings) -> str:
    """Return what an engine's lake is known by; the id of a key is no secret."""
    if not settings.lake_buckets:
        return ""
    places = [*settings.lake_buckets.values(), settings.aws_endpoint_url, settings.aws_region]
    return " ".join(filter(None, [*places, os.environ.get("AWS_ACCESS_KEY_ID")]))


def _read(settings: Settings) -> Engine | None:
    try:
        return Engine(**json.loads((folder(settings) / "engine.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def write(state: Path, engine: Engine) -> None:
    """Write the engine's state file, whole or not at all."""
    fresh = state.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(engine)))
    fresh.replace(state)


def _make_folder(settings: Settings) -> None:
    try:
        (folder(settings) / "tmp").mkdir(parents=True, exist_ok=True)
        settings.warehouse.mkdir(exist_ok=True)
        with (folder(settings) / "start.lock").open("a") as lock:
            lock.write("")
    except OSError as error:
        raise CryptoError(
            f"The data home {settings.home} can't be written ({error.strerror}); "
            "free it or set CRYPTO_HOME to another folder."
        ) from error


_in_use: dict[Path, IO[str]] = {}


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
    found = [_process(settings, pid) for pid in (engine.keeper, engine.java)] if engine else []
    processes = [process for process in found if process]
    for process in processes:
        # A stopped process would not see the signal that follows.
        process.resume()
        process.terminate()
    for process in psutil.wait_procs(processes, timeout=10)[1]:
        process.kill()
    psutil.wait_procs(processes, timeout=5)
    (folder(settings) / "engine.json").unlink(missing_ok=True)


def _process(settings: Settings, pid: int) -> psutil.Process | None:
    """Return the live process of that id if it belongs to this engine: ids are given away again."""
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or str(folder(settings)) not in " ".join(process.cmdline()):
            return None
    except psutil.Error:
        return None
    return process


def answers(port: int) -> bool:
    """Tell whether an engine answers at a port of this machine: it knows no method without a name, and says so."""
    import grpc

    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary("/")(b"", timeout=5)
        except grpc.RpcError as error:
            return error.code() == grpc.StatusCode.UNIMPLEMENTED
    return False


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 0))
        except OSError as error:
            raise CryptoError("No free port was found on 127.0.0.1; stop programs that hold ports.") from error
        return int(probe.getsockname()[1])


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if "Error" in line or "Exception" in line]
    return f"it said: {lines[-1].strip()[:200]}." if lines else "it said nothing."
