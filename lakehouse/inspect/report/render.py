"""Put data, style, scripts and the charting library into one page."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
LIBRARY = HERE / "vendor" / "lightweight-charts.js"
# In the order in which the page needs them; together they are one module.
SCRIPTS = ("format.js", "prices.js", "market.js", "correlations.js", "quality.js", "runs.js", "main.js")


def render(data: dict[str, Any]) -> str:
    """Return the page. Its policy lets nothing be loaded, and nothing run but the scripts that are put in here."""
    library = LIBRARY.read_text(encoding="utf-8")
    scripts = "\n".join((HERE / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {_hash(library)} {_hash(scripts)}; base-uri 'none'; form-action 'none'",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        library=library,
        scripts=scripts,
        # A closing tag in a name from a file would end the script early.
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
