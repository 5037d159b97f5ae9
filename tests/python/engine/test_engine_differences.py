"""What Sail computes otherwise than Spark documents, or lacks: one case for each line of docs/engines.md.

A case fails as soon as Sail agrees with Spark; then the macro that works around it, or the rule, can go.
"""

import re

import pyarrow as pa
import pytest
from dbt.adapters.localspark import guard
from dbt.adapters.localspark.guard import differences
from dbt.adapters.localspark.guard.differences import DIFFERENCES
from pyspark.errors import PySparkException
from support.project import PROJECT

from tools import conformance

LARGEST = "cast('9999999999999999999999.9999999999999999' as decimal(38, 16))"

WRONG = {
    # name: (query, what Spark documents, what Sail gives)
    "sum beyond its type": (
        f"select sum(x) > 0 from (select {LARGEST} as x from range(2))",
        "overflow",
        [(False,)],
    ),
    "decimal with an exponent": ("select try_cast('5e-9' as decimal(18, 8)) is null", [(False,)], [(True,)]),
}
LACKING = {
    "history": "describe history {schema}.one",
    "detail": "describe detail {schema}.one",
    "properties": "show tblproperties {schema}.one",
    "comment": "comment on table {schema}.one is 'x'",
    "optimize": "optimize {schema}.one",
    "vacuum": "vacuum {schema}.one",
    "change feed": "select * from table_changes('{schema}.one', 0)",
}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_sail_still_needs_the_guard(spark, name):
    """A difference of the list goes when Sail answers its query as it answers the rewritten one."""
    query = DIFFERENCES[name].query
    verdict = guard.judge(query, lambda table: None)
    assert name == verdict.refused or name in verdict.rewritten
    if verdict.rewritten:
        by_itself, rewritten = conformance.answer(spark, query), conformance.answer(spark, verdict.sql)
        assert by_itself != rewritten, f"Sail now agrees with Spark: take {name!r} out of differences.py"


def test_the_page_has_the_list_of_differences():
    page = (PROJECT / "docs" / "engines.md").read_text()
    assert differences.table() in page, (
        "put what `python -m dbt.adapters.localspark.guard.differences` prints in the page"
    )


@pytest.mark.parametrize("name", WRONG)
def test_sail_still_computes_it_otherwise(spark, name):
    query, documented, found = WRONG[name]
    rows = [tuple(row) for row in spark.sql(query).collect()]
    assert rows == found, f"Sail now gives {rows}; documented is {documented}: see docs/engines.md"


@pytest.mark.parametrize("name", WRONG)
def test_spark_computes_it_as_documented(apache_spark, name):
    query, documented, _ = WRONG[name]
    if documented == "overflow":
        with pytest.raises(PySparkException, match=r"NUMERIC_VALUE_OUT_OF_RANGE|ARITHMETIC_OVERFLOW"):
            apache_spark.sql(query).collect()
        return
    assert [tuple(row) for row in apache_spark.sql(query).collect()] == documented


@pytest.mark.parametrize("name", LACKING)
def test_sail_still_lacks_it(spark, schema, name):
    spark.sql(f"create table {schema}.one using delta as select 1 as a")
    with pytest.raises(PySparkException):
        spark.sql(LACKING[name].format(schema=schema)).collect()


def test_not_null_is_still_checked_on_rows_that_a_filter_removes(spark, schema):
    spark.sql(f"create table {schema}.one (a bigint not null) using delta")
    rows = "select a from (select if(id = 0, null, id) as a from range(2)) where a is not null"
    with pytest.raises(PySparkException, match="NOT_NULL"):
        spark.sql(f"insert into {schema}.one {rows}").collect()


def test_a_constant_column_is_still_read_from_the_statistics(spark, schema):
    """Where all rows of a file have one value, decimals and doubles come from the log, by way of a double."""
    value = "1775.2375020710000002"
    row = f"select cast('{value}' as decimal(38, 16)) as quote_volume"
    spark.sql(f"create table {schema}.with_statistics using delta as {row}")
    without = "tblproperties ('delta.dataSkippingNumIndexedCols' = '0')"
    spark.sql(f"create table {schema}.without_statistics using delta {without} as {row}")
    read = {
        name: str(spark.sql(f"select quote_volume from {schema}.{name}").collect()[0][0])
        for name in ("with_statistics", "without_statistics")
    }
    assert read == {"with_statistics": "1775.2375020710000000", "without_statistics": value}


def test_a_largest_value_is_still_lost_in_the_source_of_a_merge(spark, schema):
    """Sail executes the source several times; a scan that skips what is below the largest value so far skips it all."""
    plain = "tblproperties ('delta.dataSkippingNumIndexedCols' = '0')"
    spark.sql(f"create table {schema}.windows using delta {plain} as select id as k, 1 as revision from range(90000)")
    spark.sql(f"insert into {schema}.windows select id + 90000, 2 from range(3000)")
    source = f"""
        select counted.k, newest.revision
        from (select k, count(*) as n from {schema}.windows group by k) as counted
        cross join (select max(revision) as revision from {schema}.windows) as newest
    """
    for _ in range(60):
        spark.sql(f"create or replace table {schema}.one (k bigint, revision int) using delta {plain}")
        spark.sql(f"insert into {schema}.one select id, 1 from range(90000)")
        spark.sql(f"""
            merge into {schema}.one as target using ({source}) as source on target.k = source.k
            when matched then update set revision = source.revision
            when not matched then insert (k, revision) values (source.k, source.revision)
        """)
        if spark.sql(f"select count(*) from {schema}.one where revision is null").first()[0]:
            return
    pytest.fail("Sail merges it as it should: keyed_table need not stage the changes of small tables any more.")


def test_the_page_has_each_difference():
    page = (PROJECT / "docs" / "engines.md").read_text()
    named = set(re.findall(r"`((?:WRONG|LACKING): [^`]+)`", page))
    assert named == {f"WRONG: {name}" for name in WRONG} | {f"LACKING: {name}" for name in LACKING}


def test_a_local_relation_of_megabytes_reaches_the_engine(spark):
    """The ledger of thousands of new files is one."""
    names = pa.table({"source_file": [f"year=2024/month=01/day=01/{number:0100}.parquet" for number in range(40_000)]})
    assert spark.createDataFrame(names).count() == len(names)
