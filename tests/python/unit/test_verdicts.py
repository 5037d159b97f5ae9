"""The guard's verdicts: kept by text and columns, and a model's query is read once."""

import pytest
from dbt.adapters.localspark import guard
from dbt.adapters.localspark.guard import verdicts

# Sail counts a RANGE over days wrongly, and takes a union's type from its first branch.
QUERY = """select
        symbol, sum(volume) over (order by day range between interval 6 days preceding and current row) as week
    from gold.days
    union all
    select 'none' as symbol, 0 as week"""
QUESTION = f"""
    select * from (
        {QUERY}
    ) as __dbt_sbq
    where false
    limit 0
"""
INSERT = (
    f"insert into gold.weeks (symbol, week) select cast(symbol as string) as symbol, week from (\n{QUERY}\n) as rows"
)
COLUMNS = {"gold.days": [("symbol", "string"), ("day", "date"), ("volume", "decimal(28,8)")]}


@pytest.fixture
def judged(monkeypatch):
    """The texts that the guard reads."""
    read, plain = [], guard.judge
    monkeypatch.setattr(guard, "judge", lambda sql, columns_of: read.append(sql) or plain(sql, columns_of))
    monkeypatch.setattr(verdicts, "columns", lambda settings, spark, name: COLUMNS.get(name))
    monkeypatch.setattr(verdicts, "_marks", {})
    return read


def squeezed(text):
    return " ".join(text.split())


def test_a_query_whose_columns_were_asked_for_is_not_read_again_within_its_insert(settings, judged):
    question = verdicts.verdict(settings, None, QUESTION)
    insert = verdicts.verdict(settings, None, INSERT)
    assert [QUERY in text for text in judged] == [True, False]
    alone = guard.judge(INSERT, COLUMNS.get)
    assert squeezed(insert["sql"]) == squeezed(alone.sql) != squeezed(INSERT)
    assert tuple(insert["rewritten"]) == alone.rewritten
    assert guard.judge(QUERY, COLUMNS.get).sql in question["sql"]


def test_a_verdict_is_kept_until_a_column_that_it_stands_on_changes(settings, judged, monkeypatch):
    first = verdicts.verdict(settings, None, INSERT)
    monkeypatch.setattr(verdicts, "_kept", {})
    again = verdicts.verdict(settings, None, INSERT)
    assert (again["sql"], len(judged)) == (first["sql"], 1)
    monkeypatch.setattr(verdicts, "_marks", {})
    monkeypatch.setitem(COLUMNS, "gold.days", [("symbol", "string"), ("day", "date"), ("volume", "double")])
    changed = verdicts.verdict(settings, None, INSERT)
    assert (len(judged), changed["sql"] == first["sql"]) == (2, False)
