"""Commands for the two servers of this machine: the engine and the embedded Postgres."""

from __future__ import annotations

import click

from commands.cli.group import load, load_for, main, target_option


@main.group()
def engine_group() -> None:
    """Start, stop or check the local engine."""


@engine_group.command("start")
@target_option
def engine_start(target: str) -> None:
    """Start the engine, for which later commands then need not wait.

    Example: crypto engine start
    """
    from lakehouse import engine

    settings = load_for(target)
    click.echo(f"The engine runs at {engine.ensure(settings).url}")


@engine_group.command("stop")
def engine_stop() -> None:
    """Stop the engine.

    Example: crypto engine stop
    """
    from lakehouse import engine

    click.echo("The engine is stopped." if engine.stop(load()) else "The engine was not running.")


@engine_group.command("status")
def engine_status() -> None:
    """Show whether the engine runs.

    Example: crypto engine status
    """
    from lakehouse import engine

    running = engine.status(load())
    click.echo(f"The engine runs at {running.url}" if running else "The engine is not running.")


@main.group()
def postgres_group() -> None:
    """Start, stop or connect to the embedded Postgres."""


@postgres_group.command("start")
def postgres_start() -> None:
    """Start the embedded server and create or migrate its tables.

    Example: crypto postgres start
    """
    from lakehouse import postgres
    from lakehouse.postgres import migrate

    settings = load()
    with postgres.connect(settings) as connection:
        migrate.migrate(connection)
    click.echo("Postgres runs; `crypto postgres url` prints its address.")


@postgres_group.command("stop")
def postgres_stop() -> None:
    """Stop the embedded server.

    Example: crypto postgres stop
    """
    from lakehouse import postgres

    postgres.stop(load())
    click.echo("Postgres is stopped.")


@postgres_group.command("url")
def postgres_url() -> None:
    """Print the address for clients, with the password in it.

    Example: crypto postgres url
    """
    from lakehouse import postgres

    settings = load()
    postgres.ensure(settings)
    click.echo(postgres.url(settings))
