"""The local engine: one Spark Connect server for each data home, started when first used.

``session`` is all that most callers need. A small keeper process owns the server and stops it when idle; the catalog is
filled from the lake's folders at each start.
"""

from lakehouse.engine.server import Engine, ensure, folder, log_file, openness, path, status, stop
from lakehouse.engine.session import forget, session

__all__ = [
    "Engine",
    "ensure",
    "folder",
    "forget",
    "log_file",
    "openness",
    "path",
    "session",
    "status",
    "stop",
]
