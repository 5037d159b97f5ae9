"""``crypto-check-databricks``: the checks in Postgres as the last task of a Databricks job.

It does what `crypto run` does after a build: dbt's target ``postgres`` creates the views for BI and tests what was
published, with the settings of a secret scope.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakehouse import settings
from lakehouse.databricks import secret_scope
from lakehouse.errors import CryptoError
from lakehouse.run.dbt_runner import run_dbt
from lakehouse.run.view import SilentView

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
    """Return the arguments of a command line."""
    parser = argparse.ArgumentParser(prog="crypto-check-databricks", description="Check what Postgres has.")
    parser.add_argument("--project", required=True, help="folder of the dbt project")
    parser.add_argument("--secret-scope", required=True, help="secret scope with the DB_ settings of Postgres")
    return parser.parse_args(arguments)


def check(project: Path, database: Mapping[str, str]) -> None:
    """Run dbt's target ``postgres`` on a copy of the project; CryptoError if a test fails."""
    with tempfile.TemporaryDirectory(prefix="crypto-checks-") as folder:
        # The deployed files are read-only and hold only the example of profiles.yml, which dbt needs.
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
        result = run_dbt(found, ["build", "--target", "postgres"], SilentView())
    if not result["ok"]:
        names = ", ".join(failure["name"] for failure in result["failed"])
        raise CryptoError(f"What Postgres has does not pass its checks: {names}.")
