"""Queries as analysts write them: what Sail answers, after the guard has read them, is what Apache Spark answers."""

import pytest

from tools import conformance


@pytest.fixture(scope="module")
def results(spark):
    """What becomes of each query, by its name."""
    return conformance.on_sail(spark, conformance.load())


def test_no_query_differs_in_silence(results):
    silent = {name: answer for name, (outcome, answer) in results.items() if outcome == "silent"}
    assert silent == {}


def test_no_query_is_refused_that_sail_answers_as_spark(spark, results):
    """An approximate count is an estimate: that both engines have the same one is chance."""
    refused = {name: found for name, (outcome, found) in results.items() if outcome == "refused"}
    queries = [query for query in conformance.load() if query["name"] in refused]
    answered = conformance.on_sail(spark, queries, guarded=False)
    needless = [
        name
        for name, (outcome, _) in answered.items()
        if outcome == "equal" and refused[name]["refused"] != "approximate count"
    ]
    assert needless == []


def test_the_queries_are_many_and_each_has_an_answer():
    queries = conformance.load()
    assert len(queries) >= 600
    assert len({query["name"] for query in queries}) == len(queries)
    assert all(
        "error" in query
        or query["types"]
        or query["name"] in conformance.REPRESENTATION["the result of a command, not of a query"]
        for query in queries
    )
