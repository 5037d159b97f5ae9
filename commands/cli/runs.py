"""Commands that build and publish: a run, and its first and last step alone."""

from __future__ import annotations

import sys

import click

from commands.cli.group import load, load_for, main, target_option


@main.command()
@target_option
def ingest_command(target: str) -> None:
    """Land new files and the reference data in bronze.

    Example: crypto ingest
    """
    from commands.run import lock, pipeline

    settings = load_for(target)
    with lock.exclusive(settings):
        pipeline.show_landed(pipeline.ingest(settings), click.echo)


@main.command()
@target_option
@click.option("--full-refresh", is_flag=True, help="Rebuild every table from bronze.")
@click.option("--all-tests", is_flag=True, help="Test whole tables.  [default: once a day]")
@click.option("--json", "as_json", is_flag=True, help="Print nothing but a summary as JSON.")
def run_command(target: str, full_refresh: bool, all_tests: bool, as_json: bool) -> None:
    """Ingest, build, test and publish everything.

    What changes in silver is tested before it is merged, whole tables once a day. A run ends with checks of what
    Postgres then has. Its exit code is 0 only if all of it succeeded.

    Example: crypto run
    """
    from commands.run import pipeline

    settings = load_for(target)
    sys.exit(pipeline.run(settings, full_refresh=full_refresh, all_tests=all_tests, as_json=as_json))


@main.command()
@click.option("--plan", is_flag=True, help="Only show what would change.")
@click.option("--force", is_flag=True, help="Compare every row, and accept that a table shrinks beyond the limit.")
@click.option("--drop-columns", is_flag=True, help="Drop columns in Postgres that gold no longer has.")
def sync_command(plan: bool, force: bool, drop_columns: bool) -> None:
    """Publish gold to Postgres without building it first.

    Example: crypto sync --plan
    """
    import uuid
    from contextlib import nullcontext

    from commands.run import lock, pipeline
    from lakehouse.sync import published_tables, sync_tables

    settings = load()
    # A plan writes nothing, so it does not need the lock.
    with nullcontext() if plan else lock.exclusive(settings, uses_engine=False):
        tables, invocation_id = published_tables(settings.project), f"crypto sync {uuid.uuid4()}"
        options = {"plan": plan, "force": force, "drop_columns": drop_columns}
        for table in sync_tables(None, settings, invocation_id, tables, **options):
            changes = pipeline.row_changes(table.rows_inserted, table.rows_updated, table.rows_deleted)
            click.echo(f"{table.table_name}: {table.rows_total:,} rows, {'would be ' if plan else ''}{changes}")
            for example in table.examples if plan else ():
                click.echo(f"  {example}")


@main.command()
@click.option("--yes", is_flag=True, help="Remove them without asking.")
def prune_command(yes: bool) -> None:
    """Remove tables of models that are gone, from the lake and from Postgres.

    Example: crypto prune
    """
    from commands.inspect import leftovers

    settings = load()
    found = leftovers.find(settings, start_postgres=True)
    for name in (*found.lake, *found.postgres):
        click.echo(name)
    if not found:
        click.echo("Every table belongs to a model.")
    elif yes or click.confirm("Remove them, with all their rows?", abort=True):
        leftovers.remove(settings, found)
        click.echo("They are removed.")
