"""What editors are told: the files parse, the paths in them exist, and what they call is there."""

import json
import re
import sys
from pathlib import Path

import pytest
from support.project import PROJECT

FILES = [".vscode/settings.json", ".vscode/tasks.json", ".vscode/extensions.json", ".devcontainer/devcontainer.json"]
PARSED = {file: json.loads((PROJECT / file).read_text()) for file in FILES}
SETTINGS, TASKS = PARSED[".vscode/settings.json"], PARSED[".vscode/tasks.json"]["tasks"]
CONTAINER = PARSED[".devcontainer/devcontainer.json"]


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize("file", FILES)
def test_every_path_exists(file):
    places = [text for text in strings(PARSED[file]) if text.startswith("${workspaceFolder}")]
    for place in places:
        path = place.removeprefix("${workspaceFolder}").lstrip("/")
        # The environment in which this runs is the one that `make` puts into .venv.
        found = Path(sys.prefix) / path.removeprefix(".venv/") if path.startswith(".venv/") else PROJECT / path
        assert found.exists(), place
    assert places or file not in (".vscode/settings.json", ".vscode/tasks.json")


def test_every_task_calls_a_target_of_make_or_a_program_of_the_environment():
    targets = set(re.findall(r"^([\w-]+):.*## ", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    called = {task["args"][0] for task in TASKS if task["command"] == "make"}
    assert {"setup", "run", "test", "lint"} <= called <= targets
    assert all(
        task["command"] == "make" or task["command"].startswith("${workspaceFolder}/.venv/bin/") for task in TASKS
    )
    labels = [task["label"] for task in TASKS]
    assert len(labels) == len(set(labels))


def test_folders_and_patterns_that_are_named_are_the_projects():
    assert all((PROJECT / folder).is_dir() for folder in SETTINGS["python.testing.pytestArgs"])
    assert all(list(PROJECT.glob(pattern)) for pattern in SETTINGS["files.associations"])


def test_the_container_has_the_editors_extensions_and_a_python_that_the_project_takes():
    extensions = PARSED[".vscode/extensions.json"]["recommendations"]
    assert CONTAINER["customizations"]["vscode"]["extensions"] == extensions
    assert all(re.fullmatch(r"[\w-]+\.[\w-]+", name) for name in extensions)
    assert re.fullmatch(r"mcr\.microsoft\.com/devcontainers/python:3\.1[123]-\w+", CONTAINER["image"])


def test_the_container_is_made_by_targets_of_make():
    makefile = (PROJECT / "Makefile").read_text()
    program, *targets = CONTAINER["postCreateCommand"].split()
    assert program == "make" and targets
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE) for target in targets)
    # It needs nothing but itself: no other image, no service, no mounted folder, no secret.
    assert not {"dockerComposeFile", "build", "mounts", "runServices", "secrets"} & CONTAINER.keys()
