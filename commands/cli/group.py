"""The group ``crypto`` that all commands belong to, and what several of them share."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from commands import process

if TYPE_CHECKING:
    from lakehouse.settings import Settings

# The engine of each dbt target on this machine.
ENGINES = {"local": "sail", "spark": "spark"}


class Commands(click.Group):
    """A group whose commands report every error as one sentence, and as a traceback only with ``--debug``."""

    def invoke(self, context: click.Context) -> Any:
        """Run the command; print what went wrong and exit with code 1, or with 130 after Ctrl-C."""
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort, SystemExit):
            raise
        except KeyboardInterrupt as stop:
            click.echo(f"Stopped{'; ' if stop.args else ''}{stop}.", err=True)
            sys.exit(process.INTERRUPTED)
        except BaseException as error:
            if context.params.get("debug"):
                raise
            raise click.ClickException(process.sentence(error)) from error


def load() -> Settings:
    """Load the settings, put them into the environment, and set the process's time zone to UTC."""
    import os
    import time

    from lakehouse import settings

    os.environ["TZ"] = "UTC"
    time.tzset()
    loaded = settings.load()
    loaded.export()
    return loaded


def load_for(target: str) -> Settings:
    """Load the settings, with the engine of a dbt target."""
    from dataclasses import replace

    return replace(load(), engine=ENGINES[target])


def target_option(command: Any) -> Any:
    """Add the option ``--target`` to a command, which chooses the engine."""
    return click.option(
        "--target",
        type=click.Choice(list(ENGINES)),
        default="local",
        show_default=True,
        help="Engine: Sail (local) or Apache Spark (spark).",
    )(command)


def form_option(command: Any) -> Any:
    """Add the option ``--format`` to a command, which chooses how rows are printed."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(["table", "csv", "json"]),
        default="table",
        show_default=True,
        help="How rows are printed.",
    )(command)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="crypto-lakehouse")
def main(debug: bool) -> None:
    """Turn crypto trades into candles and indicators, and publish them to Postgres."""
