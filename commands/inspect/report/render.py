"""Put data, style, scripts and the chart library into one page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
LIBRARY = HERE / "vendor" / "lightweight-charts.js"
# How the modules beside this file import from one another, and what they export; the linter holds them to these forms.
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z]+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|class) (\w+))", re.MULTILINE)


def render(data: dict[str, Any]) -> str:
    """Return the page.

    Its content security policy forbids loading anything, and running any script except those embedded here.
    """
    library = LIBRARY.read_text(encoding="utf-8")
    scripts = "\n".join(["const modules = {};", *_blocks("main").values()])
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        policy=f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src {_hash(library)} {_hash(scripts)}; base-uri 'none'; form-action 'none'",
        style=(HERE / "page.css").read_text(encoding="utf-8"),
        library=library,
        scripts=scripts,
        # Data can come from file names: an unescaped closing tag in one would end the script element early.
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def _blocks(module: str, done: dict[str, str] | None = None) -> dict[str, str]:
    """Return the text of each module that ``module`` needs, itself last, as a block of one script.

    A page that was opened from a file can't import other files, nor data under its policy. A block keeps a module's
    names to itself as a file does, and what it exports becomes an object of the module's name.
    """
    done = {} if done is None else done
    text = (HERE / f"{module}.js").read_text(encoding="utf-8")
    for _, needed in IMPORT.findall(text):
        if needed not in done:
            _blocks(needed, done)
    exports = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", IMPORT.sub(r"const {\1} = modules.\2;", text))
    done[module] = f"{{\n{body}modules.{module} = {{ {exports} }};\n}}"
    return done


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
