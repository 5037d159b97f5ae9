"""Run dbt in this process, with the project's settings, its artifacts in the data home, and its events as progress."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from commands.run.display import Display
from commands.run.nodes import Node, telling_line
from lakehouse import settings as settings_module
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings

# The Postgres settings that profiles.yml reads, and libpq's names for them.
DB_SETTINGS = {
    "DB_ENDPOINT": "host",
    "DB_PORT": "port",
    "DB_NAME": "dbname",
    "DB_USER": "user",
    "DB_PASSWORD": "password",
    "DB_SSLMODE": "sslmode",
    "DB_SSLROOTCERT": "sslrootcert",
}


def target_folder(settings: Settings, target: str) -> Path:
    """Return the folder in which a run keeps dbt's artifacts; ``target`` is local, spark or postgres."""
    return settings.home / "dbt" / target / "target"


def run_dbt(settings: Settings, arguments: list[str], display: Display) -> dict[str, Any]:
    """Run dbt in this process and return what passed, warned and failed, and the seconds it took.

    The artifacts go into the data home. Raise CryptoError if dbt can't start.
    """
    from dbt.cli.main import dbtRunner

    prepare_environment(arguments)
    folder = target_folder(settings, named_target(arguments) or "local")
    folders = ["--project-dir", str(settings.project), "--profiles-dir", str(settings.project)]
    folders += ["--target-path", str(folder), "--log-path", str(folder.with_name("logs"))]
    events = Events(display)
    started = time.monotonic()
    quiet = ["--quiet", "--log-level", "none", "--log-level-file", "info"]
    with without_options_of_the_shell():
        result = dbtRunner(callbacks=[events]).invoke([*quiet, *arguments, *folders])
    if isinstance(result.exception, KeyboardInterrupt):
        raise result.exception
    if result.exception is not None:
        raise CryptoError(f"dbt could not start: {str(result.exception).strip().splitlines()[-1]}")
    passed = Counter(node.kind for node in events.nodes if not node.needs_attention and node.status != "skipped")
    return {
        "ok": result.success,
        "invocation_id": events.invocation_id,
        "passed": dict(passed),
        "warned": [_outcome(node) for node in events.nodes if node.status == "warn"],
        "failed": [_outcome(node) for node in events.nodes if node.failed],
        "skipped": sum(node.status == "skipped" for node in events.nodes),
        "seconds": round(time.monotonic() - started, 1),
    }


@contextmanager
def without_options_of_the_shell() -> Iterator[None]:
    """Hide dbt's options in the environment, such as DBT_TARGET or DBT_RESOURCE_TYPES: a run builds everything.

    They are meant for commands of dbt that the user types. ``DBT_ENV_`` begins values that a project may read.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if is_option(name)}
    try:
        yield
    finally:
        os.environ |= hidden


def is_option(name: str) -> bool:
    """Return whether dbt may take an environment variable for one of its options."""
    return name.startswith("DBT_") and not name.startswith("DBT_ENV_")


def prepare_environment(arguments: list[str]) -> Settings:
    """Put the settings into the environment and return them; for target ``postgres``, start the server too.

    dbt's saved parse of the target is the data home's.
    """
    os.environ.setdefault("TZ", "UTC")
    time.tzset()
    settings = settings_module.load()
    settings.export()
    target = chosen_target(arguments)
    # With other variables the project is another one: dbt parses it anew, and must not save it in place of this one.
    if not any(argument.startswith("--vars") for argument in arguments):
        keep_parse(settings, target)
    if target == "postgres":
        from lakehouse import postgres

        postgres.ignore_libpq_environment()
        postgres.ensure(settings)
        values = postgres.values(settings)
        os.environ |= {name: str(values.get(key) or "") for name, key in DB_SETTINGS.items()}
    return settings


def parse_file(settings: Settings, target: str) -> Path:
    """Return the file in which every dbt command on a target keeps the parsed project."""
    return settings.home / "dbt" / target / "partial_parse.msgpack"


def keep_parse(settings: Settings, target: str) -> None:
    """Let dbt save what it parses in a file for each target: it parses anew what another target has saved.

    The folder of artifacts does not matter then, so that ``crypto run`` and plain ``dbt`` share one parse.
    """
    from dbt.parser import manifest

    # dbt has an option for where it reads, none for where it writes; joined to its folder, an absolute path stays.
    manifest.PARTIAL_PARSE_FILE_NAME = str(parse_file(settings, target))


def chosen_target(arguments: list[str]) -> str:
    """Return the target of a dbt command: the one that it names, else dbt's variables, else the profile's default.

    ``dbt retry`` repeats the last command with its target.
    """
    in_shell = os.environ.get("DBT_ENGINE_TARGET") or os.environ.get("DBT_TARGET")
    return named_target(arguments) or in_shell or (last_target() if "retry" in arguments else None) or "local"


def last_target() -> str | None:
    """Return the target of the last command that left its results in the project's folder ``target``."""
    try:
        results = json.loads((settings_module.project_root() / "target" / "run_results.json").read_text())
        return str(results["args"]["target"])
    except (OSError, ValueError, KeyError):
        return None


def named_target(arguments: list[str]) -> str | None:
    """Return the target that a dbt command line names, None if it names none."""
    for index, argument in enumerate(arguments):
        if argument in ("--target", "-t") and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith("--target="):
            return argument.removeprefix("--target=")
    return None


class Events:
    """A callback for dbt's events, which keeps the nodes that have finished and updates the display."""

    def __init__(self, display: Display) -> None:
        self.display = display
        self.nodes: list[Node] = []
        self.invocation_id = ""

    def __call__(self, event: Any) -> None:
        """Handle one event of dbt."""
        self.invocation_id = event.info.invocation_id
        # An exposure only describes readers; dbt builds nothing for it.
        if event.info.name in ("NodeStart", "NodeFinished") and event.data.node_info.resource_type == "exposure":
            return
        if event.info.name == "ConcurrencyLine":
            self.display.expect_nodes(event.data.node_count)
        elif event.info.name == "NodeStart":
            self.display.start(_node(event.data.node_info))
        elif event.info.name == "NodeFinished":
            result = event.data.run_result
            status, message = str(result.status), telling_line(result.message) or str(result.status)
            node = replace(_node(event.data.node_info), status=status, seconds=result.execution_time, message=message)
            self.nodes.append(node)
            self.display.finish(node)


def _node(info: Any) -> Node:
    relation = info.node_relation.relation_name if info.resource_type != "test" else ""
    return Node(name=(relation or info.node_name).replace('"', ""), kind=info.resource_type)


def _outcome(node: Node) -> dict[str, str]:
    return {"name": node.name, "kind": node.kind, "message": node.message}
