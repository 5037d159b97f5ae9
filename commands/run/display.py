"""What ``crypto run`` shows while it works: a live display on a terminal, else plain lines; nothing with ``--json``."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from commands.run.nodes import Node

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# The live display lists this many running nodes.
SHOWN_RUNNING = 8


@dataclass
class Stage:
    """One stage of a run: when it began and ended (in ``time.monotonic``), its latest message, its progress."""

    name: str
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    message: str = ""
    nodes: int = 0
    done: int = 0

    @property
    def seconds(self) -> float:
        """How long the stage has taken so far."""
        return (self.ended or time.monotonic()) - self.began


class Display:
    """A display that shows nothing; the base of the other ones."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def say(self, text: str) -> None:
        """Show a line of text."""

    def stage(self, name: str) -> None:
        """Begin the next stage of the run."""

    def file_read(self, path: str, rows: int) -> None:
        """Show that a file of the batch has been read."""

    def expect_nodes(self, count: int) -> None:
        """Show how many nodes the build has."""

    def start(self, node: Node) -> None:
        """Show that a node has started."""

    def finish(self, node: Node) -> None:
        """Show the outcome of a node."""

    def end(self) -> None:
        """Stop updating the screen."""


class LineDisplay(Display):
    """A display that prints a line when a model is built, and when any node fails or warns."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Show a line of text."""
        self.console.print(text, markup=False)

    def finish(self, node: Node) -> None:
        """Show the outcome of a node, unless it is a test that passed or was skipped."""
        if node.needs_attention:
            self.say(f"  {'WARNING' if node.status == 'warn' else 'FAILED'} {node.kind} {node.name}: {node.message}")
        elif node.kind != "test" and node.status != "skipped":
            self.say(f"  {node.name} {node.seconds:.1f} s")


class LiveDisplay(LineDisplay):
    """A display of lines for the nodes that have finished and, below them, the running nodes, continuously updated."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Screen

        super().__init__(console)
        self.stages: list[Stage] = []
        self.running: dict[tuple[str, str], float] = {}
        self.tests = {"passed": 0, "warned": 0, "failed": 0}
        self.files = self.rows = 0
        self.screen = Screen(console=console, get_renderable=self.render, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self.screen.start()
        return self

    def stage(self, name: str) -> None:
        """Begin the next stage of the run."""
        self._close()
        self.stages.append(Stage(name))

    def file_read(self, path: str, rows: int) -> None:
        """Count a file that has been read."""
        self.files, self.rows = self.files + 1, self.rows + rows
        self._current().message = f"{self.files:,} files, {self.rows:,} rows, {path}"

    def expect_nodes(self, count: int) -> None:
        """Show how many nodes the build has."""
        self._current().nodes = count

    def start(self, node: Node) -> None:
        """Add a node to the running ones."""
        self.running[node.kind, node.name] = time.monotonic()

    def finish(self, node: Node) -> None:
        """Remove a node from the running ones and print its outcome, unless it is a test that passed or was skipped."""
        self.running.pop((node.kind, node.name), None)
        self._current().done += 1
        if node.kind == "test" and node.status != "skipped":
            self.tests["passed" if not node.needs_attention else "warned" if node.status == "warn" else "failed"] += 1
        mark, tone = "✓", "green"
        if node.needs_attention:
            mark, tone = ("!", "yellow") if node.status == "warn" else ("✗", "red")
            self._line(mark, tone, f"{node.kind} {node.name}", f"{node.message}")
        elif node.kind != "test" and node.status != "skipped":
            self._line(mark, tone, node.name, f"{node.seconds:.1f} s")

    def end(self) -> None:
        """Print the last stage's line and stop updating the screen."""
        if self.screen.is_started:
            self._close()
            self.screen.stop()

    def render(self) -> RenderableType:
        """Return the current stage and the running nodes as rich shows them."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        if not self.stages:
            return Text("")
        stage = self._current()
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=stage.nodes, completed=stage.done, width=28) if stage.nodes else Text("")
        progress = f"{stage.done} of {stage.nodes}" if stage.nodes else stage.message
        counts = [f"{number:,} {name}" for name, number in self.tests.items() if number]
        head.add_row(
            Spinner("dots", style="cyan"),
            Text(stage.name, style="bold"),
            bar,
            Text(progress),
            Text(f"{stage.seconds:.0f} s", style="dim"),
            Text(f"tests: {', '.join(counts)}" if counts else "", style="dim"),
        )
        running = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for (kind, name), began in sorted(self.running.items(), key=lambda item: item[1])[:SHOWN_RUNNING]:
            running.add_row("   ", Text(kind, style="dim"), Text(name), Text(f"{now - began:.1f} s", style="cyan"))
        return Group(head, running) if self.running else head

    def _current(self) -> Stage:
        if not self.stages:
            self.stages.append(Stage(""))
        return self.stages[-1]

    def _line(self, mark: str, tone: str, name: str, detail: str) -> None:
        from rich.text import Text

        self.console.print(Text.assemble("  ", (mark, tone), f" {name} ", (detail, "dim")))

    def _close(self) -> None:
        if self.stages and self._current().ended is None:
            self._current().ended = time.monotonic()
            self.running.clear()
            self._line("●", "cyan", self._current().name, f"{self._current().seconds:.1f} s")


def choose_display(*, as_json: bool = False, console: Any = None) -> Display:
    """Return the display that suits the output: silent for JSON, live on a terminal, else lines."""
    from rich.console import Console

    if as_json:
        return Display()
    console = console or Console(highlight=False, soft_wrap=True)
    return LiveDisplay(console) if console.is_terminal else LineDisplay(console)
