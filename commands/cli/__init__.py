"""The command line ``crypto``, one file a kind of command.

A command imports what it calls when it runs, so that ``--help`` is instant. The function of a command is named
``<command>_command``, which click shortens, so that a module such as ``status`` keeps its name inside it.
"""

from commands import process
from commands.cli import inspect, market_data, reference, runs, servers, sql  # noqa: F401  (they add their commands)
from commands.cli.group import main


def program() -> None:
    """Run the command line as a process of its own."""
    process.run(main)
