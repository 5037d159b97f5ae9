"""This process's session in the data home's engine."""

from __future__ import annotations

import os
import threading
import uuid
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
    url = server.ensure(settings).url
    from pyspark.errors import PySparkException

    # Without it, pandas on Spark, which dbt's Python models import, prints a warning.
    os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "1")
    os.environ["SPARK_REMOTE"] = url
    try:
        with _opening:
            spark = _sessions.get(url)
            if spark is None or spark.is_stopped:
                spark = _sessions[url] = _open(url)
        return spark
    except PySparkException as error:
        raise CryptoError(f"The engine does not answer; see {server.log_file(settings)}.") from error


def _open(url: str) -> SparkSession:
    """Open a session that shares generated code with all others.

    The server keeps generated code for each class loader, and gives each session one of its own, so that every client
    would compile every query again. A session's first message fixes its class loader, but a clone's is still open.
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
    # An engine on this machine answers at once or is gone: four retries take five seconds. Each waits four times as
    # long as the one before, so that two more would hold up every running statement for over a minute.
    client: Any = spark.client  # type: ignore[operator]
    client.set_retry_policies([DefaultPolicy(max_retries=4)])
    return spark
