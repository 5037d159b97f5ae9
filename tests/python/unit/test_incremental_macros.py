"""The conditions by which an incremental run reads only what it has to, rendered without dbt."""

import agate
import jinja2
import pytest
from support.project import PROJECT


def macros(rows, *names):
    """The macros of some files, to which a lake answers each query with ``rows`` of two columns."""
    given = {
        "return": str,
        "execute": True,
        "ref": str,
        "rows_to_rescreen": lambda screened, last_batch: "",
        "run_query": lambda query: agate.Table(rows, ["first", "second"], [agate.Text(), agate.Text()]),
    }
    text = "".join((PROJECT / "macros" / f"{name}.sql").read_text() for name in names)
    return jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text, given).module


@pytest.mark.parametrize("count", [0, 1, 20, 21])
def test_spans_of_days_are_listed_while_they_are_few(count):
    days = [(f"2024-01-{day:02} 00:00:00", f"2024-01-{day:02} 12:00:00") for day in range(1, count + 1)]
    wanted = [f"at >= timestamp '{first}' and at < timestamp '{last}'" for first, last in days]
    if count > 20:
        wanted = ["at >= timestamp '2024-01-01 00:00:00' and at < timestamp '2024-01-21 12:00:00'"]
    module = macros(days, "candles/window_start", "incremental/in_changed_time_spans")
    said = module.in_changed_time_spans("at", "1 day", 3)
    # Spark would read `where (false)` as a table's alias with a column.
    assert said.strip() == (f"({' or '.join(wanted)})" if wanted else "false")


@pytest.mark.parametrize("count", [100, 101])
def test_source_files_are_listed_while_they_are_few(count):
    files = [(f"=it's {number:03}.parquet", number) for number in range(count)]
    module = macros(files, "sql_literal", "screening/in_files_to_rescreen")
    said = module.in_files_to_rescreen("trades", "screened_trades", 3).strip()
    assert said.startswith(f"trades.batch_id between 0 and {count - 1}")
    assert (r"and trades.source_file in ('it\'s 000.parquet', 'it\'s 001.parquet', " in said) == (count == 100)
