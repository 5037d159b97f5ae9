"""dbt's own command line, run with the project's settings in its environment.

``make setup`` puts a script that calls ``main`` into the environment as ``dbt``: dbt renders a profile before it loads
an adapter, so nothing later could give target ``postgres`` the embedded server's port and password.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from commands import process
from lakehouse.errors import CryptoError, mask

if TYPE_CHECKING:
    from lakehouse.settings import Settings

LOCAL = ("local", "spark")
WRITING = {"build", "clone", "retry", "run", "run-operation", "seed", "snapshot"}


def main() -> None:
    """Load the settings, start the embedded Postgres if the target is Postgres, then run dbt.

    A command that writes into the local lake waits for others that do.
    """
    from commands.run.dbt_runner import chosen_target, prepare_environment
    from commands.run.lock import exclusive

    arguments = sys.argv[1:]
    with ExitStack() as held:
        try:
            refuse_clone(arguments)
            settings = prepare_environment(arguments)
            write_elsewhere(settings)
            if chosen_target(arguments) in LOCAL:
                signal.signal(signal.SIGINT, _stop)
            if writes(arguments):
                held.enter_context(exclusive(settings))
        except CryptoError as error:
            sys.exit(mask(str(error)))
        run()


def run() -> None:
    """Run dbt with the process's arguments; leave with its exit code."""
    from dbt.cli.main import cli

    explainer = ErrorExplainer()
    try:
        cli(prog_name="dbt", obj={"callbacks": [explainer]})
    except SystemExit as end:
        if end.code and explainer.sentence:
            print(explainer.sentence, file=sys.stderr)
        raise


def write_elsewhere(settings: Settings) -> None:
    """Let dbt write into the data home if the project can't be written, at which it would end without a word."""
    if not os.access(settings.project, os.W_OK):
        for name in ("target", "logs"):
            variable = f"DBT_{name.removesuffix('s').upper()}_PATH"
            os.environ.setdefault(variable, str(settings.home / "dbt" / "plain" / name))


def _stop(*_: object) -> None:
    """End the process at once, where dbt would show a trace; the next command stops what still runs in the engine."""
    print("Stopped.", file=sys.stderr)
    process.leave(process.INTERRUPTED)


class ErrorExplainer:
    """Listens to dbt's events for errors that have a plain sentence."""

    def __init__(self) -> None:
        self.sentence: str | None = None

    def __call__(self, event: Any) -> None:
        """Take one event; the first that is recognised counts, later ones follow from it."""
        from commands.databricks import errors

        if self.sentence is None and event.info.level in ("warn", "error"):
            self.sentence = errors.explain(event.info.msg)


def writes(arguments: list[str]) -> bool:
    """Return whether a dbt command line writes into the local lake."""
    from commands.run.dbt_runner import chosen_target

    return chosen_target(arguments) in LOCAL and "--help" not in arguments and not WRITING.isdisjoint(arguments)


def refuse_clone(arguments: list[str]) -> None:
    """Raise CryptoError for ``dbt clone`` on a target that can't clone: dbt would replace tables by views."""
    from commands.run.dbt_runner import chosen_target

    if "clone" in arguments and "--help" not in arguments and chosen_target(arguments) != "databricks":
        raise CryptoError(
            "`dbt clone` copies schemas of Databricks only (`--target databricks`); here a data home is one "
            "environment: copy its folder and set CRYPTO_HOME to the copy."
        )


if __name__ == "__main__":
    process.run(main)
