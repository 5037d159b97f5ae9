"""Sail, the default local engine: how its server is started, and what its clients set.

Sail (https://github.com/lakehq/sail) is a Spark Connect server in one native process.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import uuid
from pathlib import Path

from lakehouse.engine import private_sail
from lakehouse.errors import CryptoError, to_stderr
from lakehouse.settings import Settings

START_SECONDS = 30
OPEN = (
    "Other users of this machine can reach the engine and do through it what you may do, since {reason}; "
    "docs/settings.md says what to do."
)
PLAIN_PATH = re.compile(r"[A-Za-z0-9/_.-]+")
# Operators that sort, join and aggregate share the memory pool and spill beyond it. What they do not count (Parquet
# buffers, Arrow batches under way) takes the rest.
POOL_SHARE = 0.7
# Sail drops a session that was idle for so long, and its catalog with it: longer than an idle engine lives.
SESSION_SECONDS = 365 * 86_400

# Settings that PySpark's client asks the server for, which Sail does not know unless they were set: Spark's defaults.
CLIENT_SETTINGS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.session.localRelationChunkSizeRows": "10000",
    "spark.sql.session.localRelationChunkSizeBytes": "16777216",
    "spark.sql.session.localRelationBatchOfChunksSizeBytes": "1073741824",
    "spark.sql.session.localRelationCacheThreshold": "1073741824",
    "spark.sql.execution.pandas.inferPandasDictAsMap": "false",
}


def openness(folder: Path) -> str | None:
    """Return a sentence if other users of the machine can reach the engine, None if they can't."""
    reason = private_sail.obstacle(folder)
    return OPEN.format(reason=reason) if reason else None


def access(folder: Path) -> dict[str, str]:
    """Return what lets the owner alone in, a Unix socket; where that can't be had, say so and return nothing."""
    if sentence := openness(folder):
        to_stderr(sentence)
        return {}
    return {"socket": str(folder / f"{uuid.uuid4().hex[:12]}.socket")}


def command(settings: Settings, folder: Path, port: int, access: dict[str, str]) -> list[str]:
    """Return the command that runs the server, at ``port`` if it has no socket; ``folder`` is its working folder."""
    program = Path(sys.executable).with_name("sail")
    if not program.is_file():
        raise CryptoError("Sail is not installed; run `make setup`.")
    if access:
        return [sys.executable, "-P", private_sail.__file__, access["socket"]]
    return [str(program), "spark", "server", "--ip", "127.0.0.1", "--port", str(port), "--directory", str(folder)]


def home(settings: Settings) -> str:
    """Return the path by which the server knows the data home.

    Sail encodes spaces, accents and percent signs of a path, and then looks for a folder of the encoded name. A data
    home with such a path gets a link from a new folder of the system's temporary one.
    """
    if PLAIN_PATH.fullmatch(str(settings.home)):
        return str(settings.home)
    link = Path(tempfile.mkdtemp(prefix="crypto-lakehouse-")) / "home"
    link.symlink_to(settings.home, target_is_directory=True)
    return str(link)


def environment(settings: Settings, folder: Path, access: dict[str, str]) -> dict[str, str]:
    """Return the environment of the server: its limits, and S3 as the settings name it."""
    values = {
        "RUST_LOG": os.environ.get("RUST_LOG", "warn"),
        "SAIL_MODE": "local",
        # A fair pool would give each of a hundred small sorts a hundredth of the memory.
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "greedy",
        "SAIL_RUNTIME__MEMORY_POOL__GREEDY__MAX_SIZE": str(int(settings.engine_memory_bytes * POOL_SHARE)),
        "SAIL_RUNTIME__TEMPORARY_FILES__PATHS": json.dumps([str(folder / "tmp")]),
        "SAIL_SPARK__SESSION_TIMEOUT_SECS": str(SESSION_SECONDS),
    }
    if settings.lake_buckets:
        given = {"AWS_REGION": settings.aws_region, "AWS_ENDPOINT_URL": settings.aws_endpoint_url}
        values |= {name: value for name, value in given.items() if value}
        values["AWS_ALLOW_HTTP"] = str((settings.aws_endpoint_url or "").startswith("http://")).lower()
    return values
