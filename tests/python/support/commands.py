"""Commands of the project, run as a user runs them."""

import importlib
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from support.isolation import no_settings
from support.project import PROJECT

CRYPTO, DBT = (Path(sys.prefix) / "bin" / name for name in ("crypto", "dbt"))
# What a command imports takes longer than most commands: a server imports it once, and each command is a fork of it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "commands.dbt_command",
        "commands.cli",
        "dbt.cli.main",
        "dbt.adapters.localspark",
        "dbt.adapters.postgres",
        "deltalake",
        "duckdb",
        "pandas",
        "pyspark.sql.connect.session",
    ]
)


def run_command(
    *arguments: str, program: Path = CRYPTO, project: Path = PROJECT, timeout: float = 900, **given: str
) -> subprocess.CompletedProcess[str]:
    """Run a command in the repository, with the settings given and none of a user's."""
    command = [str(program), *map(str, arguments)]
    with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as errors:
        environment = os.environ | no_settings() | given
        child = FORKS.Process(target=_become, args=(command, project, environment, out.name, errors.name))
        child.start()
        child.join(timeout)
        if child.exitcode is None:
            child.kill()
            raise subprocess.TimeoutExpired(command, timeout)
        return subprocess.CompletedProcess(command, child.exitcode, out.read(), errors.read())


def _become(command: list[str], project: Path, environment: dict[str, str], *outputs: str) -> None:
    """Run a command in this process, and end it."""
    for number, output in enumerate(outputs, start=1):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), number)
    os.chdir(project)
    os.environ.clear()
    os.environ |= environment
    sys.argv = command
    # dbt's import has given the server a handler, which a command that does not import dbt has not.
    logging.getLogger().handlers.clear()
    process = importlib.import_module("commands.process")
    program = importlib.import_module("commands.dbt_command" if command[0] == str(DBT) else "commands.cli.group")
    process.run(program.main)


def error_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed command said, which must be one line without a trace."""
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]


def runner(home: Path):
    """Return a function that runs a shell command in a copy of the project, on a data home."""

    def run(copy: Path, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=copy,
            env=os.environ | no_settings() | {"CRYPTO_HOME": str(home), "CRYPTO_ENGINE_IDLE_MINUTES": "2"},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
