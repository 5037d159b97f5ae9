"""This process's session in the data home's engine."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from lakehouse.engine import server
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# One session a process, which dbt asks for from several threads.
_opening = threading.Lock()
_sessions: dict[str, Any] = {}


def session(settings: Settings) -> SparkSession:
    """Return a session of the home's engine, which is started if need be; CryptoError if it can't."""
    engine = server.ensure(settings)
    from pyspark.errors import PySparkException

    # Without it, pandas on Spark, which dbt's Python models import, prints a warning.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")
    os.environ["SPARK_REMOTE"] = engine.url
    try:
        with _opening:
            spark = _sessions.get(engine.url)
            if spark is None or spark.is_stopped:
                spark = _sessions[engine.url] = server.open_session(engine)
        return spark
    except PySparkException as error:
        raise CryptoError(f"The engine does not answer; see {server.log_file(settings)}.") from error


def forget(settings: Settings) -> None:
    """Close this process's session in the home's engine, if it has one, and leave it open for other processes."""
    engine = server.status(settings)
    if engine and (spark := _sessions.pop(engine.url, None)):
        spark.stop()
