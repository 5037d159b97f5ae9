"""The command that asks the lake or Postgres a question in SQL."""

from __future__ import annotations

import click

from commands.cli.group import form_option, load_for, main, target_option


@main.command()
@click.argument("statement")
@click.option("--postgres", "in_postgres", is_flag=True, help="Ask Postgres instead of the lake.")
@form_option
@click.option("--write", "may_write", is_flag=True, help="Let the statement change something.")
@target_option
def sql_command(statement: str, in_postgres: bool, form: str, may_write: bool, target: str) -> None:
    """Run one statement of SQL and print its rows. It can only read, unless --write is given.

    Example: crypto sql "select symbol, max(high) from gold.daily_metrics group by symbol"
    """
    from commands.inspect import query

    ask = query.ask_postgres if in_postgres else query.ask_lake
    query.show(ask(load_for(target), statement, may_write=may_write), form)
