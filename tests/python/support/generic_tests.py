"""The project's generic dbt tests as queries."""

import re

import jinja2

from support.project import PROJECT


def rendered(test: str, model: str, **arguments) -> str:
    """The test's query, its block read as a macro, since only dbt knows test blocks."""
    text = (PROJECT / "tests" / "generic" / f"{test}.sql").read_text()
    text = re.sub(r"{% test (\w+)", r"{% macro \1", text).replace("{% endtest %}", "{% endmacro %}")
    return getattr(_template(text).module, test)(model, **arguments)


def numbers(text: str) -> str:
    """An expression that may call the macros of numbers, as dbt renders the arguments of a test."""
    return _template(text).render().strip()


def _template(text: str) -> jinja2.Template:
    macros = "".join(file.read_text() for file in sorted((PROJECT / "macros" / "numbers").glob("*.sql")))
    return jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(macros + text)
