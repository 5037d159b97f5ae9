"""Where the project is, and copies of it that a test may change, parse and build."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
REAL_DATA = Path(os.environ["CRYPTO_REAL_DATA"]).resolve() if os.environ.get("CRYPTO_REAL_DATA") else None
PARTS = ("models", "macros", "tests", "seeds", "snapshots", "ingestion", "lakehouse", "tools")
FILES = (
    "dbt_project.yml",
    "selectors.yml",
    "profiles.yml.example",
    "CONTRIBUTING.md",
    "pyproject.toml",
    ".sqlfluff",
    ".sqlfluffignore",
)


def copied(folder: Path) -> Path:
    """Copy into the folder what dbt, and who edits it, needs of the project."""
    folder.mkdir(parents=True)
    for part in PARTS:
        shutil.copytree(PROJECT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        if (PROJECT / file).exists():
            shutil.copy(PROJECT / file, folder / file)
    shutil.copy(PROJECT / "profiles.yml.example", folder / "profiles.yml")
    return folder


@contextmanager
def edited(folder: Path, path: str, old: str | None, new: str) -> Iterator[None]:
    """Replace the old text of a file, or write a new file, until the block ends."""
    file = folder / path
    before = file.read_text() if file.exists() else None
    if old is None:
        file.write_text(new)
    else:
        assert before is not None and before.count(old) == 1, f"{path} does not hold {old!r} once"
        file.write_text(before.replace(old, new))
    try:
        yield
    finally:
        file.unlink() if before is None else file.write_text(before)


def indicator_macros(folder: Path) -> str:
    """Return the text of the macros of indicators, and of those that they call, for a renderer other than dbt."""
    files = [path for part in ("numbers", "indicators") for path in sorted((folder / "macros" / part).glob("*.sql"))]
    return "".join(path.read_text() for path in files)
