"""What an analyst is told of a statement that fails: the model's file and line, and SQL's words for Sail's."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

SQL_TYPES = {
    "Int8": "tinyint", "Int16": "smallint", "Int32": "int", "Int64": "bigint", "Float32": "float",
    "Float64": "double", "Utf8View": "string", "LargeUtf8": "string", "Utf8": "string", "Date32": "date",
    "Boolean": "boolean",
}  # fmt: skip
MISSING = re.compile(r'ObjectName\(\[((?:Identifier\("[^"]*"\)(?:, )?)+)\]\) is missing from the schema')
FIELD = re.compile(r"No field named (?:[\w.]*\.)?\"?([A-Za-z_]\w*)\"?\.")
TOKEN = re.compile(r"found (.+?) at (\d+):(\d+) expected")
LACKING = re.compile(r"(?:unknown function|function): (\w+)")
UNSTORED = re.compile(r".*Invalid data type for Delta Lake: (?:Duration|Interval).*", re.DOTALL)
PANIC = re.compile(r'panicked with message \\?"(.*?)(?:\\n|\n|"$|")', re.DOTALL)


def readable(message: str, sql: str, known: list[str]) -> str:
    """Return one sentence about an error of Sail; ``known`` are the columns that the statement could have meant."""
    if found := MISSING.search(message):
        names = re.findall(r'Identifier\("([^"]*)"\)', found[1])
        return f"There is no column {'.'.join(names)}{_meant(names[-1], known)}"
    if found := FIELD.search(message):
        return f"There is no column {found[1]}{_meant(found[1], known)}"
    if found := TOKEN.search(message):
        start = int(found[2])
        line = sql.count("\n", 0, start) + 1
        column = start - (sql.rfind("\n", 0, start) + 1) + 1
        near = sql[start : start + 40].split("\n", maxsplit=1)[0]
        return f"The SQL can't be read at line {line}, column {column} of the compiled text, near `{near}`."
    if found := LACKING.search(message):
        return f"Sail has no function {found[1]}; write it in another way, or use --target spark."
    if "panicked" in message or "_MultiThreadedRendezvous" in message:
        why = PANIC.search(message)
        reason = f" ({why[1].strip()[:160]})" if why and "unwrap()" not in why[1] else ""
        return f"Sail failed on this statement{reason}; write it in another way, or use --target spark."
    message = UNSTORED.sub("A Delta table can't hold an interval; cast it, such as to bigint or string.", message)
    message = re.sub(r"Decimal128\((\d+), ?(-?\d+)\)", r"decimal(\1,\2)", message)
    message = re.sub(r"Timestamp\(\w+, (?:None|Some\([^)]*\))\)", "timestamp", message)
    return re.sub(r"\b(" + "|".join(SQL_TYPES) + r")\b", lambda kind: SQL_TYPES[kind[1]], message)


def _meant(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), [column.lower() for column in known], 1, 0.6)
    return f"; did you mean {near[0]}?" if near else "."


def place(project: Path, spot: str) -> str:
    """Return the file of the node that dbt is running, with the line on which a text begins, or nothing."""
    from dbt_common.events.contextvars import get_node_info

    node = get_node_info()
    path = str(node.get("node_path") or "")
    if not path:
        return ""
    for folder in ("", "models", "tests", "snapshots", "seeds", "analyses"):
        file = project / folder / path
        if file.is_file():
            at = _line(file.read_text().splitlines(), spot)
            return f"{file.relative_to(project)}{f', line {at}' if at else ''}: "
    return f"{path}: "


def _line(lines: list[str], spot: str) -> int:
    """Return the line of a model that has the beginning of a text, as far as no Jinja stands in it; 0 if none has."""
    words = spot.strip().split("\n")[0].split(" ")
    for count in range(len(words), 0, -1):
        beginning = " ".join(words[:count]).strip()
        found = [number for number, line in enumerate(lines, 1) if beginning and beginning in line]
        if found:
            # A single word may mean any of several lines.
            return found[0] if count > 1 or len(found) == 1 or len(words) == 1 else 0
    return 0
