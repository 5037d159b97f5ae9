"""What ``crypto run`` shows while it works: a live view on a terminal, lines elsewhere, nothing for machines."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

SHOWN_AT_WORK = 8


@dataclass
class Node:
    """One node of a build: its kind, its name as a person knows it, and, once it is done, how it went."""

    kind: str
    name: str
    status: str = ""
    seconds: float = 0.0
    message: str = ""

    @property
    def troubled(self) -> bool:
        """Whether somebody should look at it."""
        return self.status not in ("success", "pass", "skipped", "no-op")


@dataclass
class Stage:
    """One part of a run: when it began and ended (monotonic seconds), and what it has to say."""

    name: str
    began: float = field(default_factory=time.monotonic)
    ended: float | None = None
    said: str = ""
    nodes: int = 0
    done: int = 0

    @property
    def seconds(self) -> float:
        """How long it has taken."""
        return (self.ended or time.monotonic()) - self.began


class Quiet:
    """Shows nothing; the base of what does."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def say(self, text: str) -> None:
        """Say something once."""

    def stage(self, name: str) -> None:
        """Begin the next part of the run."""

    def file(self, path: str, rows: int) -> None:
        """Tell that a file has been read, to land with the rest of its batch."""

    def nodes(self, count: int) -> None:
        """Tell how many nodes a build has."""

    def start(self, node: Node) -> None:
        """Tell that a node is at work."""

    def finish(self, node: Node) -> None:
        """Tell how a node went."""

    def end(self) -> None:
        """Leave the screen as it is."""


class Lines(Quiet):
    """A line for each model as it is done, and for each node that fails or warns."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def say(self, text: str) -> None:
        """Say something once."""
        self.console.print(text, markup=False)

    def finish(self, node: Node) -> None:
        """Say how a node went, unless it is a test that passed or was skipped."""
        if node.troubled:
            self.say(f"  {'WARNING' if node.status == 'warn' else 'FAILED'} {node.kind} {node.name}: {node.message}")
        elif node.kind != "test" and node.status != "skipped":
            self.say(f"  {node.name} {node.seconds:.1f} s")


class Live(Lines):
    """Lines for what is done, and below them what is at work, kept up to date."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as Screen

        super().__init__(console)
        self.stages: list[Stage] = []
        self.at_work: dict[tuple[str, str], float] = {}
        self.tests = {"passed": 0, "warned": 0, "failed": 0}
        self.files = self.rows = 0
        self.screen = Screen(console=console, get_renderable=self.render, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self.screen.start()
        return self

    def stage(self, name: str) -> None:
        """Begin the next part of the run."""
        self._close()
        self.stages.append(Stage(name))

    def file(self, path: str, rows: int) -> None:
        """Count a file that has been read."""
        self.files, self.rows = self.files + 1, self.rows + rows
        self._now().said = f"{self.files:,} files, {self.rows:,} rows, {path}"

    def nodes(self, count: int) -> None:
        """Tell how many nodes a build has."""
        self._now().nodes = count

    def start(self, node: Node) -> None:
        """Show a node at work."""
        self.at_work[node.kind, node.name] = time.monotonic()

    def finish(self, node: Node) -> None:
        """Take a node off the screen; what is not a test that passed leaves a line."""
        self.at_work.pop((node.kind, node.name), None)
        self._now().done += 1
        if node.kind == "test" and node.status != "skipped":
            self.tests["passed" if not node.troubled else "warned" if node.status == "warn" else "failed"] += 1
        mark, tone = "✓", "green"
        if node.troubled:
            mark, tone = ("!", "yellow") if node.status == "warn" else ("✗", "red")
            self._line(mark, tone, f"{node.kind} {node.name}", f"{node.message}")
        elif node.kind != "test" and node.status != "skipped":
            self._line(mark, tone, node.name, f"{node.seconds:.1f} s")

    def end(self) -> None:
        """Leave one line for each part of the run."""
        if self.screen.is_started:
            self._close()
            self.screen.stop()

    def render(self) -> RenderableType:
        """Return what is at work now."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        if not self.stages:
            return Text("")
        stage = self._now()
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(total=stage.nodes, completed=stage.done, width=28) if stage.nodes else Text("")
        told = f"{stage.done} of {stage.nodes}" if stage.nodes else stage.said
        counts = [f"{number:,} {name}" for name, number in self.tests.items() if number]
        head.add_row(
            Spinner("dots", style="cyan"),
            Text(stage.name, style="bold"),
            bar,
            Text(told),
            Text(f"{stage.seconds:.0f} s", style="dim"),
            Text(f"tests: {', '.join(counts)}" if counts else "", style="dim"),
        )
        work = Table.grid(padding=(0, 1))
        now = time.monotonic()
        for (kind, name), began in sorted(self.at_work.items(), key=lambda item: item[1])[:SHOWN_AT_WORK]:
            work.add_row("   ", Text(kind, style="dim"), Text(name), Text(f"{now - began:.1f} s", style="cyan"))
        return Group(head, work) if self.at_work else head

    def _now(self) -> Stage:
        if not self.stages:
            self.stages.append(Stage(""))
        return self.stages[-1]

    def _line(self, mark: str, tone: str, name: str, told: str) -> None:
        from rich.text import Text

        self.console.print(Text.assemble("  ", (mark, tone), f" {name} ", (told, "dim")))

    def _close(self) -> None:
        if self.stages and self._now().ended is None:
            self._now().ended = time.monotonic()
            self.at_work.clear()
            self._line("●", "cyan", self._now().name, f"{self._now().seconds:.1f} s")


def of(*, as_json: bool = False, console: Any = None) -> Quiet:
    """Return the view that fits where the output goes."""
    from rich.console import Console

    if as_json:
        return Quiet()
    console = console or Console(highlight=False, soft_wrap=True)
    return Live(console) if console.is_terminal else Lines(console)
