"""What a run shows: lines where nobody watches, a live view on a terminal, and Ctrl-C that ends it cleanly."""

import io

from rich.console import Console

from commands.run.view import LineView, LiveView, Node, SilentView, choose


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None, highlight=False)


def play(view):
    """Tell a view what a small run tells."""
    with view:
        view.stage("Landing")
        view.file_read("a.parquet", 1200)
        view.say("Landed 1 files with 1,200 rows as batch 1.")
        view.stage("Building")
        view.expect_nodes(4)
        for node in (
            Node("model", "gold.daily_metrics", "success", 1.25),
            Node("test", "unique_a", "pass", 0.1),
            Node("test", "late_b", "warn", 0.1, "Got 3 results"),
            Node("model", "gold.other", "error", 0.3, "The table is gone"),
        ):
            view.start(node)
            shown = view.render() if isinstance(view, LiveView) else None
            view.finish(node)
    return shown


def test_lines_tell_models_and_troubles_only():
    given = console(terminal=False)
    view = choose(console=given)
    assert type(view) is LineView
    play(view)
    assert given.file.getvalue().splitlines() == [
        "Landed 1 files with 1,200 rows as batch 1.",
        "  gold.daily_metrics 1.2 s",
        "  WARNING test late_b: Got 3 results",
        "  FAILED model gold.other: The table is gone",
    ]


def test_a_terminal_shows_what_is_at_work_and_keeps_what_is_done():
    given = console(terminal=True)
    view = choose(console=given)
    assert type(view) is LiveView
    shown = play(view)
    text = given.file.getvalue()
    for line in ("✓ gold.daily_metrics 1.2 s", "! test late_b Got 3 results", "✗ model gold.other The table is gone"):
        assert line in text
    plain = console(terminal=False)
    plain.print(shown)
    now = plain.file.getvalue()
    assert "3 of 4" in now and "gold.other" in now and "tests: 1 passed, 1 warned" in now


def test_machines_see_nothing_but_the_summary():
    assert type(choose(as_json=True, console=console(terminal=True))) is SilentView


def test_brackets_in_a_name_are_no_markup():
    given = console(terminal=False)
    choose(console=given).say("Set aside [red]x[/nothing].parquet")
    assert given.file.getvalue() == "Set aside [red]x[/nothing].parquet\n"
