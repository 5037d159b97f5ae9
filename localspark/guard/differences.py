"""What Sail answers otherwise than Spark: the one list that the guard, docs/engines.md, the linter and the tests read.

``python -m dbt.adapters.localspark.guard.differences`` prints the table of docs/engines.md.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """One kind of statement that Sail answers otherwise than Spark, or not at all.

    ``query`` shows it and can be reported as it is; ``write`` is what a refusal tells the user to write instead, empty
    for what is rewritten whenever it is found. ``lint`` finds it in a text without its types, for the house rule
    `engines`: the project's own models and macros do without it, and write ``instead``.
    """

    difference: str
    query: str
    write: str = ""
    lint: str = ""
    instead: str = ""


DIFFERENCES = {
    # Windows.
    "range over dates": Difference(
        "a RANGE frame over a date takes other rows than those of its days",
        "select sum(v) over (order by d range between interval 1 day preceding and current row) from values "
        "(date'2024-01-01', 1), (date'2024-01-02', 2), (date'2024-01-03', 4) as t(d, v)",
    ),
    "sliding average": Difference(
        "sum, avg and stddev of doubles over a sliding window subtract what leaves it: small values are lost",
        "select avg(v) over (order by i rows between 1 preceding and current row) from values "
        "(1, 1e300d), (2, 1d), (3, 2d), (4, 3d) as t(i, v)",
        lint=r"\b(?:avg|stddev\w*|var\w*|corr)\s*\([^()]*\)\s*over\s*\([^()]*\brows\s+between\b",
        instead="a macro of macros/indicators/, which is exact on every engine by its own text",
    ),
    "sliding correlation": Difference(
        "corr, covar, regr, skewness and kurtosis over a sliding window subtract what leaves it",
        "select corr(v, i) over (order by i rows between 2 preceding and current row) from values "
        "(1, 1e300d), (2, 1d), (3, 2d), (4, 4d), (5, 5d) as t(i, v)",
        "a macro of macros/indicators/, such as correlation, or collect_list over the window with aggregate",
    ),
    "list over a window": Difference(
        "collect_list over a window keeps nulls",
        "select collect_list(v) over (order by i rows between 1 preceding and current row) from values "
        "(1, 1), (2, null) as t(i, v)",
    ),
    "distinct over a window": Difference(
        "an aggregate of distinct values over a window, which Spark does not have, is answered",
        "select count(distinct v) over (partition by i) from values (1, 1), (1, 2) as t(i, v)",
        "size(collect_set(...) over (...))",
    ),
    # Decimals, integers, doubles.
    "quotient of decimals": Difference(
        "a quotient with a decimal has four digits more than the dividend, cut off; Spark's type has six or more, "
        "rounded half up",
        "select cast(1 as decimal(18, 8)) / cast(3 as decimal(18, 8))",
    ),
    "average of decimals": Difference(
        "avg of decimals is cut off, not rounded",
        "select avg(v) from values (cast(1 as decimal(3, 0))), (cast(1 as decimal(3, 0))), (cast(0 as decimal(3, 0)))"
        " as t(v)",
    ),
    "type of a decimal result": Difference(
        "sums, products, rests and rounded values of decimals have other types than Spark's",
        "select cast(2 as decimal(18, 8)) * 2, round(cast(2 as decimal(18, 8)), 2)",
    ),
    "rest of a decimal": Difference(
        "% loses the rest of a large decimal",
        "select v % cast(1 as decimal(38, 16)) from "
        "(select cast('9999999999999999999999.9999999999999999' as decimal(38, 16)) as v)",
    ),
    "decimal beside a double": Difference(
        "a decimal is compared with a double as a decimal",
        "select v = d from values (cast(267.661098 as decimal(18, 8)), 267.661098d) as t(v, d)",
    ),
    "double to decimal": Difference(
        "a double is cast to a decimal by binary multiplication",
        "select cast(v as decimal(10, 2)) from values (1.005d) as t(v)",
    ),
    "decimal to double": Difference(
        "a decimal is cast to a double by a division that is off by the last bit",
        "select cast(v as double) from values (cast(123456789.12345679 as decimal(18, 8))) as t(v)",
    ),
    "rounded double": Difference(
        "round of a double multiplies in binary", "select round(v, 2) from values (1.005d) as t(v)"
    ),
    "half-even rounding": Difference(
        "rint and bround round halves away from zero, and bround gives doubles",
        "select rint(2.5d), bround(2.5)",
        "round, or cast to a decimal first",
    ),
    "integer that overflows": Difference(
        "integers wrap around; Spark fails",
        "select v + 1 from values (9223372036854775807) as t(v)",
    ),
    # Types of branches.
    "types of branches": Difference(
        "a case, an if, a coalesce, a union has the type of its first branch, not the one that holds all",
        "select 0 as volume union all select 9.0632",
    ),
    "nvl2": Difference("nvl2 gives the type of its first argument", "select nvl2('a', 1, 2)"),
    "typeof": Difference(
        "typeof names Sail's type, and of an aggregate gives a row for each row",
        "select typeof(sum(v)) from values (1.5), (2.5) as t(v)",
        "typeof over a subquery that computes the aggregate",
    ),
    # Dates and times.
    "date minus a date": Difference(
        "a date minus a date is a number, not an interval", "select date'2024-01-05' - date'2024-01-01'"
    ),
    "date beside a timestamp": Difference(
        "a timestamp minus a date fails", "select timestamp'2024-01-05 01:00:00' - date'2024-01-01'"
    ),
    "date plus hours": Difference(
        "a date plus hours stays a date", "select date'2024-01-05' + interval 2 hours"
    ),
    "part of a date": Difference(
        "weekday is -1 on a Sunday, extract(dow ...) begins with 0; dayofweek and yearofweek are missing",
        "select weekday(date'2024-01-07'), extract(dow from date'2024-01-07')",
    ),
    "part of an interval": Difference(
        "parts of an interval have other types, or exist where Spark has none",
        "select extract(hour from interval 90 minutes)",
        "the number that the interval was made of",
    ),
    "epoch": Difference(
        "extract(epoch ...) is answered, which Spark does not have",
        "select extract(epoch from timestamp'2024-01-01')",
        "unix_timestamp(...)",
    ),
    "type of datediff": Difference("datediff is a bigint", "select datediff(date'2024-01-02', date'2024-01-01')"),
    "days between timestamps": Difference(
        "datediff(day, ...) of timestamps counts midnights, not whole days",
        "select datediff(day, timestamp'2024-01-01 23:00:00', timestamp'2024-01-02 01:00:00')",
    ),
    "type of date_trunc": Difference(
        "date_trunc of a date has no time zone", "select date_trunc('month', date'2024-01-05')"
    ),
    "fraction of a second": Difference(
        "timestamp_seconds drops the fraction", "select timestamp_seconds(1704067200.5)"
    ),
    "number as timestamp": Difference(
        "to_timestamp takes a number for microseconds", "select to_timestamp(1700000000)"
    ),
    "time before 1970": Difference(
        "seconds since 1970 are rounded up before it", "select unix_seconds(timestamp'1969-12-31 23:59:59.5')"
    ),
    "timestamp as double": Difference(
        "a timestamp as a double is off by the last bit",
        "select cast(t as double) from values (timestamp'2024-03-10 23:45:12.345678') as v(t)",
    ),
    # Text, lists, JSON.
    "doubled quote": Difference("a doubled quote in a literal is dropped", "select 'it''s'"),
    "initcap": Difference(
        "initcap begins a word after every sign, and drops apostrophes", "select initcap('foo-bar')"
    ),
    "split at nothing": Difference("split(x, '') has empty texts at its ends", "select split('ab', '')"),
    "type of regexp_count": Difference("regexp_count is a bigint", "select regexp_count('abab', 'a')"),
    "null in an array": Difference(
        "array_contains is false where a null makes it unknown", "select array_contains(array(1, null), 2)"
    ),
    "largest struct": Difference(
        "max and min of structs and arrays are another row's",
        "select max(array(v)) from values (7), (null), (2) as t(v)",
    ),
    "wildcard in a JSON path": Difference(
        "get_json_object knows no *", "select get_json_object('{\"p\":[{\"x\":1}]}', '$.p[*].x')",
        "from_json with the fields' types, then transform",
    ),
    "decimals and timestamps in JSON": Difference(
        "to_json drops a decimal's zeros and gives timestamps six digits",
        "select to_json(struct(cast(2.50 as decimal(4, 2)) as v))",
        "the value as a string inside of the struct, by cast or date_format",
    ),
    "encryption": Difference(
        "aes_encrypt ignores its mode", "select hex(aes_encrypt('a', '0000111122223333', 'ECB'))",
        "a digest such as sha2, or encrypt outside of the warehouse",
    ),
    # Aggregates and sets.
    "filter on a literal": Difference(
        "a filter on a literal column is pushed below an aggregate without `group by`: a row appears that it excludes",
        "select * from (select 'a' as k, sum(id) as s from range(3)) where k = 'b'",
    ),
    "approximate percentile": Difference(
        "percentile_approx interpolates between values, and its type is double",
        "select percentile_approx(v, 0.5) from values (10), (20), (30), (40) as t(v)",
        "percentile(v, 0.5), which is exact",
        r"\b(?:percentile_approx|approx_percentile)\s*\(",
        "percentile, which is exact",
    ),
    "interpolated percentile": Difference(
        "percentile_cont interpolates with six digits",
        "select percentile_cont(0.9) within group (order by v desc) from values (1.5d), (2.5d), (1e9d), (0.1d), "
        "(0.25d), (3.75d), (-2.5d), (7.125d) as t(v)",
    ),
    "percentile with frequencies": Difference(
        "percentile ignores its third argument",
        "select percentile(v, 0.5, f) from values (1, 10), (2, 1), (3, 1) as t(v, f)",
        "percentile over rows repeated by explode(sequence(1, ...))",
    ),
    "approximate count": Difference(
        "approx_count_distinct estimates with another method, and gives other numbers",
        "select approx_count_distinct(id) from range(5000)",
        "count(distinct ...), which is exact", r"\bapprox_count_distinct\s*\(", "count(distinct ...), which is exact",
    ),
    "list with a null": Difference(
        "a constant, or a value beside `or`, in `case` or in the select list, is not in a query's list though the list "
        "has a null",
        "select 1 as one where 'a' not in (select v from values ('b'), (null) as t(v))",
        "not exists (select 1 from ... where coalesce(listed = value, true))",
    ),
    "intersect all": Difference(
        "intersect all keeps as many rows as the left side has",
        "select v from values (1), (1), (1) as t(v) intersect all select v from values (1), (1) as t(v)",
        "row_number() over (partition by ...) on both sides, then intersect",
    ),
    "unpivot": Difference(
        "unpivot keeps nulls and drops aliases",
        "select * from (select 1 as id, 2 as a, null as b) unpivot (v for k in (a, b))",
        "stack, or one select a column with union all",
    ),
    # What Sail lacks, and has an equal form.
    "pivot": Difference(
        "pivot is missing",
        "select * from (select 'a' as k, 1 as v) pivot (sum(v) for k in ('a', 'b'))",
        "one aggregate a column, with filter (where ...)",
    ),
    "group by all": Difference(
        "group by all is missing", "select id, count(*) from range(3) group by all",
        lint=r"\bgroup\s+by\s+all\b", instead="the names of the columns",
    ),
    "order by all": Difference("order by all is missing", "select id from range(3) order by all"),
    "star except": Difference(
        "select * except is missing", "select * except (id) from (select id, 1 as one from range(1))",
        "the names of the columns", r"\*\s*except\b", "the names of the columns",
    ),
    "qualify": Difference(
        "qualify is missing, also from Apache Spark 4.1; Databricks has it",
        "select id from range(3) qualify row_number() over (order by id) = 1",
        "a filter in a CTE that reads the one with the window", r"\bqualify\b",
        "a filter in a CTE that reads the one with the window",
    ),
    "lateral column alias": Difference(
        "a column's alias can't be used beside it", "select id * 2 as a, a + 1 as b from range(3)"
    ),
    "explode of a map": Difference(
        "explode of a map with two names stops the query", "select explode(map('a', 1)) as (k, v)"
    ),
    "decode": Difference("decode with more than two arguments is missing", "select decode(1, 1, 'one', 'other')"),
    "logarithm without a base": Difference("log with one argument is missing", "select log(2.0d)"),
    "try_to_date": Difference("try_to_date is missing", "select try_to_date('2024-01-01')"),
    "recursive query": Difference(
        "recursive CTEs are missing",
        "with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select n from r",
        "explode(sequence(...)), or a macro that folds a list; dbt can't unit-test a recursive query either",
    ),
}  # fmt: skip


def sentence(name: str) -> str:
    """Return what a refusal says of a difference."""
    found = DIFFERENCES[name]
    return f"Sail answers it otherwise than Spark: {found.difference}. Write {found.write or 'it in another way'}."


def table() -> str:
    """Return the table of docs/engines.md."""
    lines = ["| name | what Sail 0.7.2 does | what becomes of it | to reproduce |", "|---|---|---|---|"]
    for name, found in DIFFERENCES.items():
        outcome = "rewritten" if not found.write else f"refused where no equal form exists: write {found.write}"
        query = found.query.replace("|", "\\|")
        lines.append(f"| {name} | {found.difference.replace('|', chr(92) + '|')} | {outcome} | `{query}` |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
