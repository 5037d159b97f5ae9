"""The nodes of a run, each a model, test, seed or snapshot of dbt, and how they ended."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.errors import CryptoError

# How a node ends that needs nobody's attention; dbt calls an exposure's, for which it builds nothing, a no-op.
FINE = ("success", "pass", "skipped", "no-op")
HEADING = re.compile(r"(\w+ )?\w*(Error|Exception)( in .*)?:?$")


@dataclass(frozen=True)
class Node:
    """A node of a run; ``kind`` is dbt's resource type, and ``status`` is empty while dbt works on it.

    ``rows`` is the number of failing rows that a test counted, None for any other node. An alert also says who is the
    ``owner`` of the node, or of what it tests, and where to ``look``: a command that shows the rows, or a log file.
    """

    name: str
    kind: str
    status: str = ""
    seconds: float = 0.0
    message: str = ""
    rows: int | None = None
    owner: str = ""
    look: str = ""

    @property
    def needs_attention(self) -> bool:
        """Whether the node failed or warned."""
        return self.status not in FINE

    @property
    def failed(self) -> bool:
        """Whether the node failed, which a warning is not."""
        return self.needs_attention and self.status != "warn"

    def __str__(self) -> str:
        rows = "" if self.rows is None else f", {self.rows:,} row{'s' * (self.rows != 1)}"
        return f"{self.status} {self.kind} {self.name}{rows} (owner: {self.owner})"


def read_results(path: Path) -> dict[str, Any]:
    """Return the content of a ``run_results.json``; raise CryptoError if it can't be read or is something else."""
    try:
        results: dict[str, Any] = json.loads(path.read_text())
        if not {"metadata", "results", "elapsed_time"} <= results.keys():
            raise ValueError
    except (OSError, ValueError, AttributeError) as error:
        raise CryptoError(
            f"{path} is not a run_results.json of dbt; name one that a dbt command has written."
        ) from error
    return results


def node(result: dict[str, Any]) -> Node:
    """Return the node that an entry of ``results`` in a ``run_results.json`` describes."""
    kind, _, name = result["unique_id"].split(".")[:3]
    status = str(result["status"])
    counted = kind == "test" and status in ("fail", "warn")
    return Node(
        name=name,
        kind=kind,
        status=status,
        seconds=round(result["execution_time"], 3),
        message=telling_line(result["message"]),
        rows=result["failures"] if counted else None,
    )


def telling_line(message: str | None) -> str:
    """Return the first informative line of a message: dbt's first lines only name the kind of error and the node."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    informative = [line for line in lines if not HEADING.match(line)]
    return (informative or lines or [""])[0]
