"""This process's session in the data home's engine."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse.engine import server
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# By data home and kind of engine: when the engine last answered, its address, and this process's session in it.
_sessions: dict[tuple[Path, str], tuple[float, str, Any]] = {}
# dbt asks from several threads.
_opening = threading.Lock()


def session(settings: Settings, *, trusted_seconds: float = 0) -> SparkSession:
    """Return this process's session of the home's engine, which is started if need be; CryptoError if it can't.

    An engine that has answered less than ``trusted_seconds`` ago is not asked again: asking means a lock, a look at
    processes and a new channel.
    """
    key = settings.home, settings.engine
    answered, _, spark = _sessions.get(key, (0.0, "", None))
    if spark is not None and not spark.is_stopped and time.monotonic() < answered + trusted_seconds:
        return spark
    engine = server.ensure(settings)
    from pyspark.errors import PySparkException

    # Without it, pandas on Spark, which dbt's Python models import, prints a warning.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")
    os.environ["SPARK_REMOTE"] = engine.url
    try:
        with _opening:
            _, url, spark = _sessions.get(key, (0.0, "", None))
            if spark is None or spark.is_stopped or url != engine.url:
                spark = server.open_session(engine)
            _sessions[key] = time.monotonic(), engine.url, spark
        return spark
    except PySparkException as error:
        raise CryptoError(f"The engine does not answer; see {server.log_file(settings)}.") from error


def forget(settings: Settings) -> None:
    """Close this process's session in the home's engine, if it has one, and leave it open for other processes."""
    engine = server.status(settings)
    _, url, spark = _sessions.pop((settings.home, settings.engine), (0.0, "", None))
    if engine and url == engine.url:
        spark.stop()
