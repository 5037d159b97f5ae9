"""``crypto-check-databricks``: the checks in Postgres as the last task of a Databricks job, and the job's alerts.

As `crypto run` does after a build, it runs dbt's target ``postgres``, which creates the views for BI and tests the
published tables. Then it tells what failed or warned, in the build too, to the address in the secret scope.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from commands.databricks import build_results, dbutils
from commands.run import alerts
from commands.run.dbt_runner import run_dbt, target_folder
from commands.run.display import choose_display
from commands.run.nodes import Node
from lakehouse import secret_scope, settings
from lakehouse.errors import CryptoError
from lakehouse.settings import Settings

# The parts of the project that dbt needs.
NEEDED = ("dbt_project.yml", "selectors.yml", "macros", "models", "seeds", "snapshots", "tests")


def main() -> None:
    """Run the task; exit with a sentence if it fails."""
    os.environ["TZ"] = "UTC"
    arguments = parse(sys.argv[1:])
    try:
        given = secret_scope.read(dbutils(), arguments.secret_scope)
        from databricks.sdk import WorkspaceClient

        job = JobRun(WorkspaceClient().jobs, arguments.job_run, arguments.page) if arguments.job_run else None
        check(Path(arguments.project), given, job)
    except CryptoError as error:
        sys.exit(str(error))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser(
        prog="crypto-check-databricks", description="Check the tables published in Postgres."
    )
    parser.add_argument("--project", required=True, help="folder of the dbt project")
    parser.add_argument("--secret-scope", required=True, help="secret scope with the DB_ settings of Postgres")
    parser.add_argument("--job-run", type=int, help="id of the job run, whose build's warnings are told too")
    parser.add_argument("--page", default="", help="address of the job run, for the alert")
    return parser.parse_args(arguments)


@dataclass(frozen=True)
class JobRun:
    """The job run that this task is part of: the Jobs API, the run's id, and the address of its page."""

    jobs: Any
    id: int
    page: str


def check(project: Path, given: Mapping[str, str], job: JobRun | None = None) -> None:
    """Run dbt's target ``postgres`` on a copy of the project and send the alert; raise CryptoError if a test fails.

    ``given`` has the DB_ settings of Postgres and, for alerts, CRYPTO_WEBHOOK_URL.
    """
    with tempfile.TemporaryDirectory(prefix="crypto-checks-") as folder:
        # dbt needs a profiles.yml, but the deployed folder is read-only and has only the example.
        copy = Path(folder) / "project"
        copy.mkdir()
        for name in NEEDED:
            source = project / name
            if not source.exists():
                raise CryptoError(f"There is no {source}; name the folder of the dbt project with --project.")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("python", "infra"))
            else:
                shutil.copy(source, copy / name)
        shutil.copy(project / "profiles.yml.example", copy / "profiles.yml")
        os.environ |= {**given, "CRYPTO_HOME": folder}
        loaded = settings.load(project=copy)
        try:
            result = run_dbt(loaded, ["build", "--target", "postgres"], choose_display())
        except CryptoError as error:
            tell(loaded, {"ok": False, "seconds": 0, "error": str(error)}, [], job)
            raise
        tell(loaded, result, findings(loaded, job), job)
    if not result["ok"]:
        names = ", ".join(failure["name"] for failure in result["failed"])
        raise CryptoError(f"The tables published in Postgres fail these checks: {names}.")


def findings(loaded: Settings, job: JobRun | None) -> list[Node]:
    """Return what failed or warned in the checks, and in the job's build if there is someone to tell."""
    nodes = alerts.findings(target_folder(loaded, "postgres"), option=" --target postgres")
    if job and loaded.webhook_url:
        try:
            with tempfile.TemporaryDirectory(prefix="crypto-build-") as folder:
                build_results.download(job.jobs, job.id, Path(folder))
                nodes += alerts.findings(Path(folder), option=" --target databricks")
        except CryptoError as error:
            print(error)
    # An error's place to look would be a log file, which ends with this task.
    place = job.page if job else "the output of this task"
    return [replace(node, look=place) if node.rows is None else node for node in nodes]


def tell(loaded: Settings, result: Mapping[str, Any], nodes: list[Node], job: JobRun | None) -> None:
    """Send an alert if something failed or warned."""
    if nodes or not result["ok"]:
        summary = {"what": "job's checks", "page": job.page if job else "", "error": result.get("error")}
        summary |= {"ok": result["ok"], "seconds": result["seconds"]}
        alerts.send(loaded, alerts.message(summary, nodes), print)
