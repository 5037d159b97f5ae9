"""What a run shows: lines where nobody watches, a live display on a terminal, and Ctrl-C that ends it cleanly."""

import io

from rich.console import Console

from commands.run.display import Display, LineDisplay, LiveDisplay, choose_display
from commands.run.nodes import Node


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, highlight=False)


def play(display):
    """Tell a display what a small run tells."""
    with display:
        display.stage("Landing")
        display.file_read("a.parquet", 1200)
        display.say("Landed 1 files with 1,200 rows as batch 1.")
        display.stage("Building")
        display.expect_nodes(4)
        for node in (
            Node("gold.daily_metrics", "model", "success", 1.25),
            Node("unique_a", "test", "pass", 0.1),
            Node("late_b", "test", "warn", 0.1, "Got 3 results"),
            Node("gold.other", "model", "error", 0.3, "The table is gone"),
        ):
            display.start(node)
            shown = display.render() if isinstance(display, LiveDisplay) else None
            display.finish(node)
    return shown


def test_lines_tell_models_and_troubles_only():
    given = console(terminal=False)
    display = choose_display(console=given)
    assert type(display) is LineDisplay
    play(display)
    assert given.file.getvalue().splitlines() == [
        "Landed 1 files with 1,200 rows as batch 1.",
        "  gold.daily_metrics 1.2 s",
        "  WARNING test late_b: Got 3 results",
        "  FAILED model gold.other: The table is gone",
    ]


def test_a_terminal_shows_what_is_at_work_and_keeps_what_is_done():
    given = console(terminal=True)
    display = choose_display(console=given)
    assert type(display) is LiveDisplay
    shown = play(display)
    text = given.file.getvalue()
    for line in ("✓ gold.daily_metrics 1.2 s", "! test late_b Got 3 results", "✗ model gold.other The table is gone"):
        assert line in text
    plain = console(terminal=False)
    plain.print(shown)
    now = plain.file.getvalue()
    assert "3 of 4" in now and "gold.other" in now and "tests: 1 passed, 1 warned" in now


def test_machines_see_nothing_but_the_summary():
    assert type(choose_display(as_json=True, console=console(terminal=True))) is Display


def test_brackets_in_a_name_are_no_markup():
    given = console(terminal=False)
    choose_display(console=given).say("Set aside [red]x[/nothing].parquet")
    assert given.file.getvalue() == "Set aside [red]x[/nothing].parquet\n"
