"""What editors are told: every path, target of make and folder that their files name exists."""

import json
import re
import sys
from pathlib import Path

from support.project import PROJECT

FILES = [*sorted((PROJECT / ".vscode").iterdir()), PROJECT / ".devcontainer/devcontainer.json"]
PARSED = {file.name: json.loads(file.read_text()) for file in FILES}


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def test_every_path_exists():
    places = [word for text in strings(PARSED) for word in re.findall(r"\$\{workspaceFolder\}/(\S+)", text)]
    places += PARSED["settings.json"]["python.testing.pytestArgs"]
    # The environment in which this runs is the one that `make` puts into .venv.
    beside = {
        place: Path(sys.prefix) / place[6:] if place.startswith(".venv/") else PROJECT / place for place in places
    }
    assert [place for place, path in beside.items() if not path.exists()] == []
    assert all(list(PROJECT.glob(pattern)) for pattern in PARSED["settings.json"]["files.associations"])


def test_every_target_of_make_exists():
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    called = {word for text in strings(PARSED) for word in re.findall(r"^make ([\w-]+)$", text)}
    assert {"setup", "setup-dev", "run", "test", "lint"} <= called <= targets
