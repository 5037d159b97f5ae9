"""The page of `dbt docs generate`: no column without a description, and one graph from landed files to dashboards."""

import json

import pytest
from support.browser import browser, page
from support.project import PROJECT

from lakehouse import postgres

POSTGRES = ("crypto", "reading")


@pytest.fixture(scope="module")
def site(user, first_run, tmp_path_factory):
    """The folder of the page, made in one file."""
    target = tmp_path_factory.mktemp("site")
    user("dbt", "docs", "generate", "--static", "--target-path", str(target))
    return target


def read(site, name):
    return json.loads((site / f"{name}.json").read_text())


def test_no_column_of_the_lake_lacks_a_description(site, spark):
    manifest, catalog = read(site, "manifest"), read(site, "catalog")
    known = {
        name: node
        for name, node in (manifest["nodes"] | manifest["sources"]).items()
        if node["resource_type"] in ("model", "seed", "snapshot", "source") and node["schema"] not in POSTGRES
    }
    found = {name: set(table["columns"]) for name, table in catalog["nodes"].items()}
    # dbt-spark's catalog has no sources; the tables themselves have.
    found |= {
        name: set(spark.table(f"bronze.{node['name']}").columns)
        for name, node in known.items()
        if name.startswith("source.")
    }
    described = {
        name: {column for column, about in node["columns"].items() if about["description"]}
        for name, node in known.items()
    }
    assert found == described


def test_no_column_of_postgres_lacks_a_description(site, engine_settings):
    manifest = read(site, "manifest")
    known = {
        (node["schema"], node["name"]): node["columns"]
        for node in (manifest["nodes"] | manifest["sources"]).values()
        if node["schema"] in POSTGRES and node["resource_type"] in ("model", "source")
    }
    with postgres.connect(engine_settings) as connection:
        found = connection.execute(
            "select table_schema, table_name, column_name from information_schema.columns "
            "where table_schema in ('crypto', 'reading')"
        ).fetchall()
    columns = {(schema, table, column) for schema, table, column in found if (schema, table) in known}
    described = {
        (*name, column)
        for name, columns_of in known.items()
        for column, about in columns_of.items()
        if about["description"]
    }
    assert columns == described


def test_lineage_is_one_graph_from_landed_files_to_dashboards(site):
    children = read(site, "manifest")["child_map"]
    reached, waiting = set(), ["source.crypto.bronze.trades"]
    while waiting:
        new = set(children.get(waiting.pop(), [])) - reached
        reached |= new
        waiting += new
    models = {name for name in children if name.startswith("model.")}
    in_postgres = {"model.crypto.daily_series", "model.crypto.latest_metrics"}
    assert models - in_postgres <= reached
    assert {"exposure.crypto.postgres_tables", "exposure.crypto.dashboard", "exposure.crypto.report"} <= reached
    for name in in_postgres:
        assert "exposure.crypto.dashboard" in children[name]


@pytest.mark.long
def test_the_page_shows_the_lineage(site, tmp_path):
    chosen = "%20".join(f"%2Bexposure:{name}" for name in ("report", "dashboard", "postgres_tables"))
    address = f"file://{site}/static_index.html#!/overview?g_v=1&g_i={chosen}"
    with browser(tmp_path / "profile") as context, page(context, address, size=(1800, 1000)) as tab:
        # The page draws on a canvas; the graph behind it says what is there.
        tab.wait_for_function("() => window.graph && window.graph.nodes && window.graph.nodes(':visible').length > 0")
        tab.wait_for_timeout(2000)
        shown = set(tab.evaluate("() => window.graph.nodes(':visible').map(node => node.id())"))
        arrows = tab.evaluate("() => window.graph.edges(':visible').length")
        picture = tab.screenshot()
    manifest = read(site, "manifest")
    wanted = {f"exposure.crypto.{name}" for name in ("report", "dashboard", "postgres_tables")}
    waiting = list(wanted)
    while waiting:
        new = set(manifest["parent_map"][waiting.pop()]) - wanted
        wanted |= new
        waiting += new
    assert shown == wanted
    assert arrows == sum(len(set(manifest["parent_map"][name])) for name in wanted)
    assert len(picture) > 50_000, "the picture is empty"
    assert (PROJECT / "docs" / "lineage.png").stat().st_size < 300_000
