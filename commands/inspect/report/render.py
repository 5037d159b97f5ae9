"""Put data, style, scripts and the chart library into one page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
LIBRARY = HERE / "vendor" / "lightweight-charts.js"
# In the order in which they use one another; the page joins them to one module.
SCRIPTS = (
    "format.js",
    "prices.js",
    "market.js",
    "correlations.js",
    "quality.js",
    "arrivals.js",
    "runs.js",
    "sync.js",
    "main.js",
)


def render(data: dict[str, Any]) -> str:
    """Return the page.

    Its content security policy forbids loading anything, and running any script except those embedded here.
    """
    library = LIBRARY.read_text(encoding="utf-8")
    scripts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {_hash(library)} {_hash(scripts)}; base-uri 'none'; form-action 'none'",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        library=library,
        scripts=scripts,
        # Data can come from file names: an unescaped closing tag in one would end the script element early.
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
