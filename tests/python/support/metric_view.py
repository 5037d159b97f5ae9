"""Databricks' metric view for engines that have none: its definition, and queries of it written out on its source."""

import re

import jinja2
import yaml

from support.project import PROJECT

MACROS = ("numbers/as_double", "schemas/create_market_metrics")


def definition(source: str = "gold.daily_metrics") -> dict:
    """Return the definition that the project's macro makes for a source."""
    text = "".join((PROJECT / "macros" / f"{name}.sql").read_text() for name in MACROS)
    template = jinja2.Environment(extensions=["jinja2.ext.do"]).from_string(text)
    return yaml.safe_load(template.module.market_metrics(source))


def expanded(query: str) -> str:
    """Return a query in which measures, dimensions and the view's name are written out, as Databricks computes it."""
    view = definition()
    measures = {measure["name"]: measure["expr"] for measure in view["measures"]}
    query = re.sub(r"\bmeasure\((\w+)\)", lambda found: f"({measures[found[1]]})", query)
    dimensions = ", ".join(f"{each['expr']} as {each['name']}" for each in view["dimensions"])
    # The columns of the source that measures read are there too, under their own names.
    source = view["source"]
    names = {each["name"] for each in view["dimensions"]}
    read = sorted(set(re.findall(r"[a-z_0-9]+", " ".join(measures.values()))) & COLUMNS - names)
    return query.replace("gold.market_metrics", f"(select {dimensions}, {', '.join(read)} from {source})")


COLUMNS = {"volume", "quote_volume", "trade_count", "close", "return_1d", "symbol", "symbol_name", "metric_date"}
