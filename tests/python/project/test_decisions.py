"""A lesson in docs/decisions.md names the test that enforces it, and that test exists."""

import re

import pytest
from support.project import PROJECT

PAGE = (PROJECT / "docs" / "decisions.md").read_text()
LESSONS = {
    section.splitlines()[0]: re.findall(r"`(\w[\w.]*)`", section.partition("Enforced by")[2])
    for section in re.split(r"^##+ ", PAGE, flags=re.MULTILINE)[1:]
    if "Enforced by" in section
}


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """Names of tests of pytest, dbt's data tests, rules of row_rules, unit tests and house rules."""
    python = [path for folder in ("tests", "tools") for path in (PROJECT / folder).rglob("*.py")]
    sql = [path for folder in ("generic", "singular") for path in (PROJECT / "tests" / folder).rglob("*.sql")]
    beside = [*(PROJECT / "models").rglob("*.yml")]
    names = {path.name for path in python} | {path.stem for path in sql}
    for path in python:
        names |= set(re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE))
        names |= set(re.findall(r"^@rule\ndef (\w+)", path.read_text(), re.MULTILINE))
    for path in beside:
        _, _, unit_tests = path.read_text().partition("unit_tests:")
        names |= set(re.findall(r"^  - name: (\w+)$", unit_tests, re.MULTILINE))
        names |= set(re.findall(r"^ {14,18}(\w+): ", path.read_text(), re.MULTILINE))
    return names


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_tests_that_a_lesson_names_exist(lesson, tests):
    assert LESSONS[lesson], "names no test"
    assert set(LESSONS[lesson]) <= tests


def test_most_decisions_are_lessons_with_a_test():
    assert len(LESSONS) >= 0.8 * PAGE.count("\n### ")
