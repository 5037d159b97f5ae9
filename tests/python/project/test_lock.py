"""The locks hold what the dependency groups ask for, with hashes, and name no place to install from."""

import re
import tomllib

from packaging.requirements import Requirement
from support.project import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
GROUPS = PYPROJECT["dependency-groups"]
TEXTS = {path.stem: path.read_text() for path in (PROJECT / "requirements").iterdir()}
# A package may be pinned once for each Python.
PINS = {group: re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==(\S+)", text, re.MULTILINE) for group, text in TEXTS.items()}


def test_every_group_has_a_lock_that_fits_it():
    assert TEXTS.keys() == GROUPS.keys()
    for group, pins in PINS.items():
        for wanted in (Requirement(text) for text in GROUPS[group] if isinstance(text, str)):
            versions = [version for name, version in pins if name.lower() == wanted.name.lower()]
            assert versions and all(version in wanted.specifier for version in versions), (group, wanted)


def test_a_lock_has_hashes_and_neither_an_address_nor_what_the_project_leaves_out():
    for group, text in TEXTS.items():
        packages = re.split(r"\n(?=\w)", text)
        assert len(packages) == len(PINS[group])
        assert all("--hash=sha256:" in package for package in packages), group
        assert not re.search(r"://|--(extra-)?index-url|--find-links|^-e|(^| )[./]", text, re.MULTILINE), group
        assert not {name for name, _ in PINS[group]} & set(PYPROJECT["tool"]["uv"]["exclude-dependencies"]), group


def test_the_tests_run_on_the_versions_that_users_get():
    assert set(PINS["main"]) < set(PINS["dev"])
