"""``crypto-check-databricks``: the checks in Postgres as the last task of a Databricks job.

It is what `crypto run` does after a build: the views for BI are made and what was published is tested, by dbt's
target ``postgres``, with the settings of a secret scope.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ingestion import live_view, runs, secret_scope, settings
from ingestion.errors import CryptoError

NEEDED = ("dbt_project.yml", "selectors.yml", "macros", "models", "seeds", "snapshots", "tests")


def main() -> None:
    """Run the task; an error is one sentence."""
    os.environ["TZ"] = "UTC"
    given = parse(sys.argv[1:])
    try:
        from databricks.sdk.runtime import dbutils

        check(Path(given.project), secret_scope.read(dbutils, given.secret_scope))
    except CryptoError as error:
        sys.exit(str(error))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what a command line asks for."""
    parser = argparse.ArgumentParser(prog="crypto-check-databricks", description="Check what Postgres has.")
    parser.add_argument("--project", required=True, help="folder of the dbt project")
    parser.add_argument("--secret-scope", required=True, help="secret scope with the DB_ settings of Postgres")
    return parser.parse_args(arguments)


def check(project: Path, database: Mapping[str, str]) -> None:
    """Run dbt's target ``postgres`` on a copy of the project; CryptoError if a test fails."""
    with tempfile.TemporaryDirectory(prefix="crypto-checks-") as folder:
        # The deployed files are read-only, and dbt asks for a profiles.yml, which set-up makes of the example.
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
        os.environ |= {**database, "CRYPTO_HOME": folder}
        found = settings.load(project=copy)
        result = runs.dbt(found, ["build", "--target", "postgres"], live_view.of())
    if not result["ok"]:
        names = ", ".join(failure["name"] for failure in result["failed"])
        raise CryptoError(f"What Postgres has does not pass its checks: {names}.")
