"""Alerts: what failed, warned or is to be looked at after a run, the nodes' owners and rows; as text and as JSON."""

from __future__ import annotations

import json
import logging
import re
import urllib.parse
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from commands.run import nodes
from commands.run.nodes import Node
from lakehouse.settings import Settings

TITLE = "Crypto lakehouse"
NOBODY = "nobody"
# The text for a chat lists this many nodes; the JSON has all of them.
LISTED = 20


def findings(target: Path, *, option: str = "") -> list[Node]:
    """Return the nodes that failed or warned, failures first, from dbt's artifacts in the folder ``target``.

    ``option`` is added to the dbt commands in ``look``, such as `` --target postgres``.
    """
    manifest = json.loads((target / "manifest.json").read_text())
    found = []
    for result in nodes.read_results(target / "run_results.json")["results"]:
        node = nodes.node(result)
        if node.needs_attention:
            show = f".venv/bin/dbt show{option} --select {node.name}"
            look = str(target.parent / "logs" / "dbt.log") if node.rows is None else show
            found.append(replace(node, owner=owner(result["unique_id"], manifest), look=look))
    return sorted(found, key=lambda node: (not node.failed, node.name))


def owner(unique_id: str, manifest: dict[str, Any]) -> str:
    """Return the owner of a node, from its group or its meta, or of the nodes that it tests; else ``nobody``."""
    node = manifest["nodes"].get(unique_id) or manifest["sources"].get(unique_id)
    if node is None:
        return NOBODY
    group = node.get("group") or (node.get("config") or {}).get("group")
    if group:
        details = manifest["groups"].get(f"group.{node['package_name']}.{group}", {}).get("owner", {})
        return str(details.get("email") or details.get("name") or group)
    meta = {**(node.get("meta") or {}), **((node.get("config") or {}).get("meta") or {})}
    if meta.get("owner"):
        return str(meta["owner"])
    tested = [node["attached_node"]] if node.get("attached_node") else node.get("depends_on", {}).get("nodes", [])
    names = (
        {owner(parent, manifest) for parent in tested if parent != unique_id}
        if node["resource_type"] == "test"
        else set()
    )
    return ", ".join(sorted(names - {NOBODY})) or NOBODY


def message(summary: dict[str, Any], found: list[Node]) -> dict[str, Any]:
    """Return the alert of a run: ``text`` is for people (chats and mails show it), the rest for programs.

    The summary's ``what`` names what ran, if not a whole run; ``page`` is the address at which it can be seen.
    """
    failing = [node for node in found if node.failed]
    warning = [node for node in found if not node.failed]
    what = summary.get("what", "run")
    outcome = "went through" if summary["ok"] else "failed"
    head = f"Crypto lakehouse: the {what} {outcome} in {summary['seconds']:.0f} s"
    counts = [f"{len(failing)} failing"] * bool(failing) + [f"{len(warning)} warning"] * bool(warning)
    lines = [f"{head}{', with ' if counts else ''}{' and '.join(counts)}."]
    if summary.get("error"):
        lines.append(summary["error"])
    notices = summary.get("notices", [])
    lines += [f"- {notice}" for notice in notices]
    for node in [*failing, *warning][:LISTED]:
        lines += [f"- {node}: {node.message}", f"  look: {node.look}"]
    if len(found) > LISTED:
        lines.append(f"... and {len(found) - LISTED} more.")
    if summary.get("page"):
        lines.append(f"The run: {summary['page']}")
    return {
        "text": "\n".join(lines),
        "ok": summary["ok"],
        "seconds": summary["seconds"],
        "cost": summary.get("cost"),
        "over_budget": summary.get("over_budget", False),
        "error": summary.get("error"),
        "notices": notices,
        "failing": [asdict(node) for node in failing],
        "warning": [asdict(node) for node in warning],
    }


def send(settings: Settings, alert: dict[str, Any], say: Callable[[str], None]) -> bool:
    """Send an alert to each address of the settings, if there is one, and return whether all took it.

    Apprise knows the form of each chat, pager and mail. A failure is reported with ``say`` and does not change the
    outcome of the run.
    """
    if not settings.webhook_url:
        return False
    try:
        import apprise
    except ImportError:
        say("The alert could not be sent: the package apprise is not installed; run `make setup`, or install it.")
        return False
    # The log, which can contain the address, a secret, is kept from the terminal and read for the reason.
    logging.getLogger("apprise").propagate = False
    kind = apprise.NotifyType.FAILURE if not alert["ok"] else apprise.NotifyType.WARNING
    sent = []
    with apprise.LogCapture(level=logging.WARNING) as log:
        for address in settings.webhook_url.split():
            receiver = apprise.Apprise.instantiate(_receiver(address, alert), suppress_exceptions=True)
            body = {"body": alert["text"], "title": TITLE, "notify_type": kind}
            sent.append(receiver is not None and bool(receiver.notify(**body)))
        answered = re.search(r"error=(\d+)", log.getvalue())
    if all(sent):
        say("An alert was sent.")
        return True
    why = f" (it answered {answered[1]})" if answered else ""
    say(f"The alert could not be sent{why}; check CRYPTO_WEBHOOK_URL and the receiver.")
    return False


def _receiver(address: str, alert: dict[str, Any]) -> str | dict[str, Any]:
    """Return what Apprise makes a receiver of: an address that it knows, or one that takes the alert as JSON."""
    import apprise

    given = urllib.parse.urlsplit(address)
    known = apprise.Apprise.instantiate(address, suppress_exceptions=True) is not None
    if known or given.scheme not in ("http", "https"):
        return address
    # Apprise's own names of the body's parts that are not wanted, and the name that Mattermost and others expect.
    body = {"version": "", "attachments": "", "message": "text"}
    return {
        "schema": "jsons" if given.scheme == "https" else "json",
        "host": given.hostname,
        "port": given.port,
        "fullpath": given.path,
        "user": given.username,
        "password": given.password,
        "params": dict(urllib.parse.parse_qsl(given.query)),
        "payload": body | {name: value for name, value in alert.items() if name != "text"},
    }
