"""The workflows of GitHub Actions: well-formed, pinned, without secrets for strangers, and all they call exists."""

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
    assert set(TEXTS) == {"pull-request", "nightly", "main", "release"}


def test_every_action_is_pinned_to_a_commit_and_says_its_version():
    for name, text in TEXTS.items():
        uses = re.findall(r"uses: (.*)", text)
        assert uses and all(re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) for one in uses), name
    pins = {tuple(re.split("[@ ]", one)[:2]) for text in TEXTS.values() for one in re.findall(r"uses: (.*)", text)}
    assert len(pins) == len({action for action, _ in pins})


@pytest.mark.parametrize("name", TEXTS)
def test_every_make_target_and_file_that_is_called_exists(name):
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for command in commands(name):
        assert set(re.findall(r"\bmake ([\w-]+)", command)) <= targets
        assert all((PROJECT / path).is_dir() for path in re.findall(r"-chdir=(\S+)", command))
        assert all((PROJECT / path).is_file() for path in re.findall(r"\bbash (\S+)", command))
        assert all(target in BUNDLE["targets"] for target in re.findall(r"--target (\S+)", command))


def test_a_pull_request_gets_no_credentials():
    assert "secrets." not in TEXTS["pull-request"] and "id-token" not in TEXTS["pull-request"]
    assert yaml.safe_load(TEXTS["pull-request"])["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in TEXTS["pull-request"]
    assert {"make lint", "make test", "make check-infra"} <= set(commands("pull-request"))
    assert "make test-all" in commands("nightly")


@pytest.mark.parametrize(("name", "target"), [("main", "dev"), ("release", "prod")])
def test_a_deployment_waits_for_its_environment_and_gives_every_variable(name, target):
    (job,) = jobs(name).values()
    assert job["environment"] == target
    assert "secrets." not in TEXTS[name] and job["env"]["DATABRICKS_AUTH_TYPE"] == "github-oidc"
    given = {one.removeprefix("BUNDLE_VAR_") for one in job["env"] if one.startswith("BUNDLE_VAR_")}
    variables = BUNDLE["variables"]
    assert given <= set(variables)
    known = {one for one in variables if "default" in variables[one]} | set(BUNDLE["targets"][target]["variables"])
    assert set(variables) <= given | known
    assert commands(name)[:2] == [f"databricks bundle {verb} --target {target}" for verb in ("validate", "deploy")]


def test_after_a_deployment_to_dev_the_job_runs_once_and_its_result_is_shown():
    (job,) = jobs("main").values()
    last = job["steps"][-1]
    # GitHub's own `bash` stops at a failure before the pipe too; its default shell does not.
    assert last["shell"] == "bash" and last["run"].startswith("databricks bundle run --target dev crypto ")
    assert last["run"].endswith('| tee -a "$GITHUB_STEP_SUMMARY"') and len(commands("main")) == 3
    resource = yaml.safe_load((PROJECT / "resources/crypto.job.yml").read_text())["resources"]["jobs"]["crypto"]
    assert job["timeout-minutes"] * 60 > resource["timeout_seconds"]
    assert len(commands("release")) == 2


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


def test_the_page_on_deployment_names_the_workflows_variables_and_files_that_there_are():
    page = (PROJECT / "docs/deploy.md").read_text()
    table = page.split("## 6. From GitHub")[1].split("## 7.")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)) == set(TEXTS)
    for name in ("main", "release"):
        (job,) = jobs(name).values()
        used = set(re.findall(r"vars\.(\w+)", str(job["env"])))
        assert all(f"`{variable}`" in table for variable in used)
    assert set(re.findall(r"BUNDLE_VAR_(\w+)", page)) <= set(BUNDLE["variables"])
    files = re.findall(r"`((?:infra|tests|resources|docs)/[\w/.-]+)`", page)
    assert files and all((PROJECT / path).exists() for path in files)
