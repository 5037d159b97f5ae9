"""`crypto sql` answers from the lake and from Postgres, and changes nothing unless it is told to."""

import csv
import json

import pytest

COUNT = "select symbol, count(*) as days, max(high) as top, max(metric_date) as day from {} group by 1 order by 1"


def test_the_lake_and_postgres_give_the_same_answer_in_each_form(user, first_run):
    lake = user("crypto", "sql", "--format", "csv", COUNT.format("gold.daily_metrics"))
    published = user("crypto", "sql", "--format", "csv", "--postgres", COUNT.format("crypto.daily_metrics"))
    assert lake == published and len(lake.splitlines()) == 6
    names, *rows = csv.reader(lake.splitlines())
    said = json.loads(user("crypto", "sql", "--format", "json", COUNT.format("gold.daily_metrics")))
    assert [list(map(str, row.values())) for row in said] == rows and list(said[0]) == names
    head, _, first, *_ = user("crypto", "sql", COUNT.format("gold.daily_metrics")).splitlines()
    assert head.split() == names and first.split() == rows[0]


@pytest.mark.parametrize(
    ("options", "statement"),
    [
        ([], "delete from gold.daily_metrics"),
        ([], "/* select */ drop table gold.daily_metrics"),
        (["--postgres"], "delete from crypto.daily_metrics"),
        (["--postgres"], "with gone as (delete from crypto.symbols returning *) select * from gone"),
    ],
)
def test_a_statement_that_writes_is_refused_unless_it_is_asked_for(user, first_run, options, statement):
    assert "add --write if it is meant to" in user("crypto", "sql", *options, statement, fails=True)


def test_a_statement_may_write_when_it_is_asked_to(user, first_run):
    user("crypto", "sql", "--postgres", "--write", "create table public.notes as select 1 as number")
    assert user("crypto", "sql", "--postgres", "select * from public.notes").split() == ["number", "------", "1"]
    user("crypto", "sql", "--postgres", "--write", "drop table public.notes")
    user("crypto", "sql", "--write", "create or replace temporary view notes as select 2 as number")
    assert user("crypto", "sql", "select number from notes").split() == ["number", "------", "2"]


@pytest.mark.parametrize("options", [[], ["--postgres"]])
def test_a_mistake_is_one_sentence(user, first_run, options):
    said = user("crypto", "sql", *options, "select nothing from nowhere", fails=True)
    assert said.startswith("Error: ") and len(said.splitlines()) == 1 and "nowhere" in said
