"""The workflows are well-formed, and all they call exists; `make check-infra` checks their security."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.project import PROJECT

WORKFLOWS = sorted((PROJECT / ".github/workflows").glob("*.yml"))
TEXTS = {path.stem: path.read_text() for path in WORKFLOWS}
BUNDLE = yaml.safe_load((PROJECT / "databricks.yml").read_text())


def jobs(name):
    return yaml.safe_load(TEXTS[name])["jobs"]


def commands(name):
    return [step["run"] for job in jobs(name).values() for step in job["steps"] if "run" in step]


def test_the_workflows_have_the_form_that_github_asks_for():
    done = subprocess.run(
        [Path(sys.prefix) / "bin/check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_make_target_and_file_that_is_called_exists():
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for command in (command for name in TEXTS for command in commands(name)):
        assert set(re.findall(r"\bmake ([\w-]+)", command)) <= targets
        assert all((PROJECT / path).is_dir() for path in re.findall(r"-chdir=(\S+)", command))
        assert all((PROJECT / path).is_file() for path in re.findall(r"\bbash (\S+)", command))
        bundles = re.findall(r"databricks bundle .*--target (\S+)", command)
        assert all(target in BUNDLE["targets"] for target in bundles)


@pytest.mark.parametrize(("name", "target"), [("main", "dev"), ("release", "prod")])
def test_a_deployment_waits_for_its_environment_and_gives_every_variable(name, target):
    (job,) = jobs(name).values()
    given = {one.removeprefix("BUNDLE_VAR_") for one in job["env"] if one.startswith("BUNDLE_VAR_")}
    variables = BUNDLE["variables"]
    assert given <= set(variables)
    known = {one for one in variables if "default" in variables[one]} | set(BUNDLE["targets"][target]["variables"])
    assert set(variables) <= given | known


@pytest.mark.long
def test_what_a_change_touches_is_the_changed_node_and_what_reads_it(tmp_path):
    files = subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for path in files.splitlines():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / path, tmp_path / path)
    shutil.copy(PROJECT / "profiles.yml.example", tmp_path / "profiles.yml")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "all"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True)
    model = tmp_path / "models/gold/trading_indicators.sql"
    model.write_text(model.read_text() + "\n-- changed\n")
    done = subprocess.run(
        ["bash", ".ci/touched", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    named = set(done.stdout.split())
    assert {"crypto.gold.trading_indicators", "crypto.sync.postgres_sync"} <= named
    assert "crypto.gold.correlations" not in named and "crypto.silver.trades" not in named
