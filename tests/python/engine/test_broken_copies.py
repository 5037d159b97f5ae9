"""Copies of the project with a fault in an indicator: the worked example finds it, and says what it is.

What can be told without an engine is in test_house_rules, what takes a whole run in test_broken_models.
"""

import contextlib

import jinja2
import pytest
from support.indicator_faults import FAULTS
from support.project import copied, edited, indicator_macros

EXAMPLE = "tests/singular/assert_indicator_macros_equal_a_worked_example.sql"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("broken") / "project")


@pytest.mark.parametrize("fault", FAULTS)
def test_the_worked_example_names_what_differs(copy, spark, fault):
    edits, wanted = FAULTS[fault]
    with contextlib.ExitStack() as stack:
        for path, old, new in edits:
            stack.enter_context(edited(copy, path, old, new))
        query = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(
            indicator_macros(copy) + (copy / EXAMPLE).read_text()
        )
        found = spark.sql(query.render()).collect()
    assert {name for row in found for name in row.different.split(", ")} == wanted
