"""Any name of a file is safe as a literal: what the engine reads is the text that was written."""

import jinja2
import pytest
from support.project import PROJECT

NAMES = [
    "trades_${date}.parquet",
    "part-${env:HOME}.parquet",
    "${system:user.name}${hiveconf:x}${spark.sql.warehouse.dir}",
    "$${{x}}${${y}}$",
    "a$\\{b}.parquet",
    "it's \"quoted\" `back` \\x \\\\ \\u007b \\' %s :name ? {{ jinja }} -- /* */ ;",
    "line\nfeed\rreturn\ttab\x01\x7f",
    "e\u0301 \u202e \U0001f600 \ufeff",
    r"donn\xe9es",
    "=1",
]


def literal(text: str) -> str:
    source = (PROJECT / "macros" / "sql_literal.sql").read_text()
    return jinja2.Environment().from_string(source).module.sql_literal(text)


@pytest.fixture(params=["sail", "spark", "spark that substitutes"])
def engine(request):
    """An engine; the last stands for Databricks, where substitution can't be switched off."""
    if request.param == "sail":
        yield request.getfixturevalue("spark")
        return
    session = request.getfixturevalue("apache_spark")
    assert session.conf.get("spark.sql.variable.substitute") == "false"
    session.conf.set("spark.sql.variable.substitute", str(request.param != "spark").lower())
    yield session
    session.conf.set("spark.sql.variable.substitute", "false")


def test_a_literal_is_read_as_it_was_written(engine):
    query = " union all ".join(f"select {place} as place, {literal(name)} as name" for place, name in enumerate(NAMES))
    assert [row.name for row in engine.sql(f"select * from ({query}) order by place").collect()] == NAMES
