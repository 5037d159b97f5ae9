"""The lock: what dbt does not run is left out of it, and it names no place to install from."""

import re

import pytest
import yaml
from support.project import PROJECT

LOCKS = sorted(PROJECT.glob("requirements*.txt"))
LOCK_FILES = ("requirements.txt", "requirements-dev.txt")
LEFT_OUT = "dbt-core-experimental-parser"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_lock_lists_every_package_and_not_the_parser(lock):
    text = lock.read_text()
    assert LEFT_OUT not in text and "--index-url" not in text and "--find-links" not in text
    pins = re.findall(r"^[\w.-]+(?:\[[\w,]+\])?==", text, re.MULTILINE)
    assert pins and text.count("--hash=sha256:") >= len(pins)
    assert len(re.findall(r"^[\w]", text, re.MULTILINE)) == len(pins)


def test_the_lock_is_made_with_the_overrides_and_installed_exactly():
    makefile = (PROJECT / "Makefile").read_text()
    assert LEFT_OUT in (PROJECT / "requirements-overrides.in").read_text()
    assert "--override requirements-overrides.in" in makefile
    assert (
        re.findall(r"@\$\(SYNC\) (\S+)", makefile) == ["$(LOCK)", "requirements-dev.txt"] and "uv pip sync" in makefile
    )
    # The tests' packages are all of the others and more, so either lock gives the same versions.
    pins = [set(re.findall(r"^([\w.-]+==\S+)", (PROJECT / lock).read_text(), re.MULTILINE)) for lock in LOCK_FILES]
    assert pins[0] < pins[1]


def test_dbt_takes_the_version_of_the_lock_and_the_one_before():
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    (version,) = re.findall(r"^dbt-core==(\S+)", (PROJECT / "requirements.txt").read_text(), re.MULTILINE)
    assert project["require-dbt-version"] == [">=1.11.0", "<1.13.0"] and version.startswith("1.12.")
    assert "warn_error_options" not in project["flags"]
