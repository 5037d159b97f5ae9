"""Data homes in which files arrive in some order, and files made to be awkward."""

import random
import sys
from pathlib import Path

from support import trade_files
from support.commands import run_command

BIN = Path(sys.prefix) / "bin"
# The last day of such files' market moves back when its row loses to another copy: most days go, and that is right.
SHRINKS = {"CRYPTO_MAX_SHRINK": "1"}


class Home:
    """A data home of a test's own, and commands in it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.landing = place / "landing" / "trades"

    def run(self, *command: str, status: int = 0) -> str:
        """Run a command of the project; return what it said."""
        given = {"CRYPTO_HOME": str(self.place), "CRYPTO_ENGINE_MEMORY": "2g"} | SHRINKS
        done = run_command(*command[1:], program=BIN / command[0], **given)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def generate(self, trades: int, days: int, seed: int) -> None:
        """Add a file of sample trades, a fifth of them dirty."""
        given = {"trades": trades, "days": days, "files": 1, "dirt": 0.2, "seed": seed}
        self.run("crypto", "generate", *(word for name, value in given.items() for word in (f"--{name}", str(value))))

    def build(self, target: str = "local") -> None:
        """Land what is there and build silver and gold, as `crypto run` does without tests and sync."""
        self.run("crypto", "ingest", "--target", target)
        places = ("--target-path", str(self.place / "target"), "--log-path", str(self.place / "logs"))
        self.run("dbt", "run", "--select", "silver", "gold", "--target", target, *places)

    def stop(self) -> None:
        """Stop the servers."""
        self.run("crypto", "engine", "stop")
        self.run("crypto", "postgres", "stop")


def nasty() -> list[list[dict]]:
    """Three files of random rows, always the same ones."""
    draw = random.Random(7)
    moments, impossible = trade_files.MOMENTS, trade_files.IMPOSSIBLE

    def row(late: bool) -> dict:
        moment = draw.choice(moments[:9] if late else moments)
        return {
            "trade_id": draw.choice(trade_files.IDS),
            "symbol": draw.choice(trade_files.SYMBOLS),
            "price": draw.choice(trade_files.PRICES),
            "volume": draw.choice(trade_files.VOLUMES),
            "trade_type": draw.choice(["BUY", "SELL", "sell\n", "HOLD"]),
            "exchange": draw.choice(trade_files.EXCHANGES),
            "timestamp": draw.choice(
                [*[trade_files.FIRST_DAY + trade_files.timedelta(seconds=moment)] * 90, *impossible]
            ),
            "user_id": draw.choice(["u1", " ", None]),
        }

    files = [[row(late=number == 2) for _ in range(400)] for number in range(3)]
    # The same rows once more, in the same file and in others.
    return [own + draw.choices(files[0], k=40) for own in files]
