"""``crypto-check-databricks``: the checks in Postgres as the last task of a Databricks job.

As `crypto run` does after a build, it runs dbt's target ``postgres``, which creates the views for BI and tests the
published tables. The connection settings come from a secret scope.
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
from lakehouse.run.view import choose

# The parts of the project that dbt needs.
NEEDED = ("dbt_project.yml", "selectors.yml", "macros", "models", "seeds", "snapshots", "tests")


def main() -> None:
    """Run the task; exit with a sentence if it fails."""
    os.environ["TZ"] = "UTC"
    arguments = parse(sys.argv[1:])
    try:
        from databricks.sdk.runtime import dbutils

        check(Path(arguments.project), secret_scope.read(dbutils, arguments.secret_scope))
    except CryptoError as error:
        sys.exit(str(error))


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a command line."""
    parser = argparse.ArgumentParser(
        prog="crypto-check-databricks", description="Check the tables published in Postgres."
    )
    parser.add_argument("--project", required=True, help="folder of the dbt project")
    parser.add_argument("--secret-scope", required=True, help="secret scope with the DB_ settings of Postgres")
    return parser.parse_args(arguments)


def check(project: Path, database: Mapping[str, str]) -> None:
    """Run dbt's target ``postgres`` on a copy of the project; raise CryptoError if a test fails.

    ``database`` has the DB_ settings of Postgres.
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
        os.environ |= {**database, "CRYPTO_HOME": folder}
        result = run_dbt(settings.load(project=copy), ["build", "--target", "postgres"], choose())
    if not result["ok"]:
        names = ", ".join(failure["name"] for failure in result["failed"])
        raise CryptoError(f"The tables published in Postgres fail these checks: {names}.")
