"""The Databricks bundle: its resources fit the published models, and everything it names exists."""

import copy
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import import_module, metadata
from pathlib import Path

import pytest
import yaml
from databricks.bundles.alerts import Alert
from databricks.bundles.clusters import Cluster
from databricks.bundles.dashboards import Dashboard
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.secret_scopes import SecretScope
from databricks.bundles.sql_warehouses import SqlWarehouse
from databricks.bundles.volumes import Volume
from databricks.sdk.service.postgres import ProjectSpec
from dbt.cli.main import cli
from support.metric_view import definition, expanded
from support.project import PROJECT

from lakehouse.settings import LAYERS

MODELS = {
    "alerts": Alert,
    "clusters": Cluster,
    "dashboards": Dashboard,
    "jobs": Job,
    "schemas": Schema,
    "secret_scopes": SecretScope,
    "sql_warehouses": SqlWarehouse,
    "volumes": Volume,
}
BUNDLE = yaml.safe_load((PROJECT / "databricks.yml").read_text())
INCLUDED = [path for pattern in BUNDLE["include"] for path in sorted(PROJECT.glob(pattern))]
DASHBOARD = json.loads((PROJECT / "resources/crypto.lvdash.json").read_text())
# The metric view, which only Databricks has, is written out; other queries stay as they are.
DATASETS = {dataset["name"]: expanded("".join(dataset["queryLines"])) for dataset in DASHBOARD["datasets"]}


def merged(base, over):
    """Lay a target's mapping over the bundle's, as deploying does: tasks by their key."""
    if isinstance(base, list) and base and isinstance(base[0], dict) and "task_key" in base[0]:
        given = {task["task_key"]: task for task in over}
        return [merged(task, given.get(task["task_key"], {})) for task in base]
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    return {key: merged(base.get(key), over[key]) if key in over else base[key] for key in {**base, **over}}


def resources(target):
    found = {}
    for path in INCLUDED:
        found = merged(found, yaml.safe_load(path.read_text())["resources"])
    return merged(found, BUNDLE["targets"][target].get("resources", {}))


def strings(value):
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, str):
        yield value
    elif not isinstance(value, (int, float, type(None))):
        for item in value:
            yield from strings(item)


def tasks(target):
    return [task for job in resources(target)["jobs"].values() for task in job["tasks"]]


TARGETS = list(BUNDLE["targets"])


@pytest.mark.parametrize("target", TARGETS)
def test_every_resource_fits_its_published_model(target):
    for kind, named in resources(target).items():
        for name, given in named.items():
            known = MODELS[kind].from_dict(copy.deepcopy(given)).as_dict()
            assert known.keys() >= given.keys(), (kind, name)


def test_lakebase_fits_its_published_model():
    """The bundles' own models have no projects yet: a resource is an id and the spec of the SDK's project."""
    optional = yaml.safe_load((PROJECT / "resources/optional/lakebase.yml").read_text())["resources"]
    (given,) = optional["postgres_projects"].values()
    spec = {key: value for key, value in given.items() if key != "project_id"}
    assert ProjectSpec.from_dict(copy.deepcopy(spec)).as_dict() == spec
    assert 172_800 <= int(spec["history_retention_duration"].rstrip("s")) <= 3_024_000
    for target in TARGETS:
        assert re.fullmatch(r"[a-z][a-z0-9-]{0,62}", given["project_id"].replace("${bundle.target}", target))


def test_the_published_models_refuse_what_they_do_not_know():
    job = resources("dev")["jobs"]["crypto"]
    with pytest.raises(ValueError, match="max_retrys"):
        Job.from_dict(job | {"tasks": [job["tasks"][0] | {"max_retrys": 1}]})
    with pytest.raises(ValueError, match="DAILY"):
        Job.from_dict(job | {"performance_target": "DAILY"})


@pytest.mark.parametrize("target", TARGETS)
def test_every_reference_leads_somewhere(target):
    found = resources(target)
    given = [*strings(found), *strings(BUNDLE["targets"][target])]
    references = set(re.findall(r"\$\{([^}]+)\}", "\n".join(given)))
    for reference in references:
        first, *rest = reference.split(".")
        if first == "resources":
            assert rest[1] in found[rest[0]], reference
        elif first == "var":
            assert rest[0] in BUNDLE["variables"], reference
        else:
            assert first in ("workspace", "bundle"), reference


def test_every_variable_is_used_and_described():
    text = "\n".join(path.read_text() for path in [PROJECT / "databricks.yml", *INCLUDED])
    for name, variable in BUNDLE["variables"].items():
        assert f"${{var.{name}}}" in text and variable["description"].endswith("."), name


@pytest.mark.parametrize("target", TARGETS)
def test_every_path_exists(target):
    assert INCLUDED
    for job in resources(target)["jobs"].values():
        # A path in Git begins at the root; the others at the file that names them.
        start = PROJECT if "git_source" in job else PROJECT / "resources"
        for task in job["tasks"]:
            if "dbt_task" in task:
                project = (start / task["dbt_task"]["project_directory"]).resolve()
                assert project == PROJECT and (project / "dbt_project.yml").is_file()
    for dashboard in resources(target).get("dashboards", {}).values():
        assert (PROJECT / dashboard["file_path"]).is_file()


def test_every_entry_point_exists_and_takes_its_parameters(capsys, monkeypatch):
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    wheels = [task["python_wheel_task"] for target in TARGETS for task in tasks(target) if "python_wheel_task" in task]
    assert wheels
    for task in wheels:
        assert metadata.distribution(task["package_name"]).version
        module, function = scripts[task["entry_point"]].split(":")
        monkeypatch.setattr(sys, "argv", [task["entry_point"], "--help"])
        with pytest.raises(SystemExit) as ended:
            getattr(import_module(module), function)()
        help_text = capsys.readouterr().out
        assert ended.value.code in (0, None)
        assert all(f"--{name}" in help_text for name in task["named_parameters"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built as the bundle says."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    shutil.copytree(PROJECT, source, ignore=shutil.ignore_patterns(".*", "tests", "*.egg-info", "build", "dist"))
    # The environment has setuptools, pinned; a build elsewhere fetches it.
    command = BUNDLE["artifacts"]["wheel"]["build"].replace("pip wheel", "pip wheel --no-build-isolation")
    command = command.replace("python3", sys.executable)
    done = subprocess.run(command, shell=True, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("*.whl")
    return built


def test_the_wheel_has_the_tasks_under_one_name(wheel):
    assert wheel.name == BUNDLE["variables"]["wheel"]["default"].split("/")[-1]
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (points,) = [archive.read(name).decode() for name in names if name.endswith("entry_points.txt")]
    assert {task["python_wheel_task"]["entry_point"] for task in tasks("prod") if "python_wheel_task" in task} <= {
        line.split(" = ")[0] for line in points.splitlines()
    }
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"crypto_lakehouse", "dbt"}
    migrations = "crypto_lakehouse/lakehouse/postgres/migrations/"
    assert any(name.startswith(migrations) and name.endswith(".sql") for name in names)


@pytest.mark.long
@pytest.mark.parametrize("key", ["python", "dbt"])
def test_the_tasks_start_from_the_wheel_and_the_packages_that_the_job_lists(wheel, key, tmp_path):
    """In an environment of their own, from PyPI; here they end where they ask Databricks for the secrets."""
    job = resources("prod")["jobs"]["crypto"]
    (environment,) = [one["spec"] for one in job["environments"] if one["environment_key"] == key]
    packages = [text.replace("../dist/*.whl", str(wheel)) for text in environment["dependencies"]]
    uv, folder = Path(sys.prefix) / "bin" / "uv", tmp_path / "environment"
    # In the project's folder uv leaves out the package that closed networks refuse; see pyproject.toml.
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], cwd=PROJECT, check=True)
    install = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *packages]
    subprocess.run(install, cwd=PROJECT, check=True)

    def start(task, *arguments):
        command = [folder / "bin" / task["entry_point"], *arguments]
        return subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)

    wheel_tasks = [
        one["python_wheel_task"] for one in job["tasks"] if one["environment_key"] == key and "dbt_task" not in one
    ]
    assert wheel_tasks
    for task in wheel_tasks:
        assert start(task, "--help").stdout.startswith(f"usage: {task['entry_point']} ")
        given = [text for name in task["named_parameters"] for text in (f"--{name}", "1")]
        done = start(task, *given)
        assert done.returncode == 1 and done.stderr.startswith("This is a task of a job on Databricks"), done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("target", TARGETS)
def test_every_dbt_command_is_one_that_the_project_understands(target):
    known = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]
    commands = [text for task in tasks(target) for text in task.get("dbt_task", {}).get("commands", [])]
    assert commands
    for text in commands:
        program, *arguments = shlex.split(text)
        assert program == "dbt"
        given = cli.commands[arguments[0]].make_context(arguments[0], arguments[1:]).params["vars"]
        assert "schema_prefix" in given and set(given) <= set(known)


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_has_the_version_of_the_lock(target):
    locked = dict(re.findall(r"^([\w.-]+)==(\S+)", (PROJECT / "requirements/main.txt").read_text(), re.MULTILINE))
    pins = [text for text in strings(resources(target)["jobs"]) if re.fullmatch(r"[\w.\[\]-]+==.*", text)]
    assert pins
    for pin in pins:
        name, version = pin.split("==")
        assert locked[name.split("[")[0]] == version, pin


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_is_alone_has_an_end_and_tells_of_its_failure(target):
    for name, job in resources(target)["jobs"].items():
        assert job["max_concurrent_runs"] == 1, name
        if any("run_job_task" in task for task in job["tasks"]):
            continue
        assert job["email_notifications"]["on_failure"], name
        assert job["health"]["rules"][0]["value"] < job["timeout_seconds"], name
        assert all(task["timeout_seconds"] > 0 for task in job["tasks"]), name


def test_the_alert_asks_the_log_of_the_sync(spark, first_run):
    alert = resources("prod")["alerts"]["not_published"]
    (row,) = spark.sql(alert["query_text"].replace("${var.catalog}.", "")).collect()
    evaluation = alert["evaluation"]
    limit = evaluation["threshold"]["value"]["double_value"]
    assert 0 <= row[evaluation["source"]["name"]] < 1 and evaluation["comparison_operator"] == "GREATER_THAN"
    empty = alert["query_text"].replace(
        "${var.catalog}.sync.postgres_sync", "(select current_timestamp() as finished_at"
    )
    (row,) = spark.sql(empty + " where false)").collect()
    assert row[0] > limit
    # The same hours after which dbt's own test of the sync warns.
    assert limit == yaml.safe_load((PROJECT / "models/serving/crypto.yml").read_text())["sources"][0]["tables"][3][
        "config"]["freshness"]["warn_after"]["count"]  # fmt: skip
    assert "alerts" not in resources("dev")


def test_there_is_a_schema_for_each_layer():
    for target in TARGETS:
        assert {schema["name"] for schema in resources(target)["schemas"].values()} == set(LAYERS)


def test_the_dashboard_shows_columns_that_its_queries_have(spark, first_run):
    columns = {name: spark.sql(query).columns for name, query in DATASETS.items()}
    shown = {name: set() for name in DATASETS}
    for page in DASHBOARD["pages"]:
        for place in page["layout"]:
            fields = set()
            for query in place["widget"]["queries"]:
                named = {field["name"] for field in query["query"]["fields"] if "COUNT_IF" not in field["expression"]}
                assert named <= set(columns[query["query"]["datasetName"]]), place["widget"]["name"]
                shown[query["query"]["datasetName"]] |= named
                fields |= named
            used = set(re.findall(r'"fieldName": "(\w+)"', json.dumps(place["widget"]["spec"])))
            assert used and used <= fields, place["widget"]["name"]
    assert all(shown.values())


def test_the_dashboard_shows_what_the_tables_hold(spark, first_run):
    rows = {name: spark.sql(query).collect() for name, query in DATASETS.items()}
    (total,) = rows["conservation"]
    assert total.landed == total.counted + total.rejected == sum(row.raw_rows for row in rows["screening"]) == 100_000
    assert {row.outcome for row in rows["screening"]} == {"counts", "missing_volume"}
    assert len(rows["candles"]) == len(rows["indicators"]) == 5 * 90 and len(rows["overview"]) == 5
    assert len({row.pair for row in rows["correlations"]}) == 10 and len(rows["syncs"]) >= 2


@pytest.mark.parametrize(("days", "column"), [(1, "change_1d"), (7, "change_7d"), (30, "change_30d")])
def test_the_metric_view_has_the_numbers_of_market_overview(spark, first_run, days, column):
    query = """
        select
            symbol, measure(volume) as volume, measure(vwap) as vwap, measure(last_close) as last_close,
            measure(period_return) as period_return
        from gold.market_metrics
        where metric_date > (select date_sub(max(as_of), {days}) from gold.market_overview)
        group by symbol
    """
    found = {row.symbol: row for row in spark.sql(expanded(query.format(days=days))).collect()}
    wanted = spark.sql(f"select symbol, close, {column} as change, volume_30d from gold.market_overview").collect()
    vwap_30 = {
        row.symbol: row.vwap_30
        for row in spark.sql("""
            select symbol, vwap_30 from gold.trading_indicators
            where metric_date = (select max(as_of) from gold.market_overview)
        """).collect()
    }
    assert len(found) == len(wanted) == 5
    for row in wanted:
        one = found[row.symbol]
        assert float(one.last_close) == row.close
        assert one.period_return == pytest.approx(row.change, rel=1e-9, abs=1e-12)
        if days == 30:
            assert one.volume == row.volume_30d and one.vwap == pytest.approx(vwap_30[row.symbol], rel=1e-15)


def test_the_metric_view_says_what_its_numbers_are_and_reads_columns_that_there_are(spark, first_run):
    view = definition()
    names = [each["name"] for each in (*view["dimensions"], *view["measures"])]
    assert len(names) == len(set(names)) and all(measure["comment"] for measure in view["measures"])
    spark.sql(f"select {', '.join(each['expr'] for each in view['measures'])} from {view['source']}").collect()


def test_no_widget_of_the_dashboard_covers_another():
    for page in DASHBOARD["pages"]:
        cells = [
            (x, y)
            for place in (item["position"] for item in page["layout"])
            for x in range(place["x"], place["x"] + place["width"])
            for y in range(place["y"], place["y"] + place["height"])
        ]
        assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 6, page["name"]
