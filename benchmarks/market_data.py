"""How fast `crypto import` turns an archive of Binance into raw trades, and in how much memory.

Run ``python -m benchmarks.market_data`` on an otherwise idle machine. It makes a zip of a month of trades as Binance's
public archive gives them out, imports it in a new data home, and prints rows a second and peak memory, beside what
reading the same zip costs alone. ``--rows`` makes it shorter.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from benchmarks.commands import BIN, PROJECT, crypto

ROWS = 10_000_000
PIECE = 500_000
# 2024-01-01 in milliseconds, and the milliseconds of its month.
START, MONTH = 1_704_067_200_000, 31 * 86_400_000
READ_ALONE = """
import sys, zipfile
from pyarrow import csv
with zipfile.ZipFile(sys.argv[1]) as archive, archive.open(archive.namelist()[0]) as stream:
    options = csv.ReadOptions(autogenerate_column_names=True, block_size=4 << 20)
    print(sum(batch.num_rows for batch in csv.open_csv(stream, options)))
"""


def main() -> None:
    """Measure and print the table."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=ROWS)
    rows = arguments.parse_args().rows
    folder = Path(tempfile.mkdtemp(prefix="benchmark-"))
    home = folder / "home"
    try:
        archive = write_archive(folder / "BTCUSDT-trades-2024-01.zip", rows)
        alone = measured([sys.executable, "-c", READ_ALONE, archive], home)
        first = measured([BIN / "crypto", "import", archive], home)
        again = measured([BIN / "crypto", "import", archive], home)
        written = sum(file.stat().st_size for file in (home / "landing").rglob("*.parquet"))
    finally:
        crypto(home, "postgres", "stop")
        shutil.rmtree(folder)
    lines = ["| what | seconds | rows a second | processor, s | peak memory |", "|---|---:|---:|---:|---:|"]
    for what, (seconds, processor, peak) in (
        ("`crypto import` of the zip", first),
        ("again, all days there already", again),
        ("reading the zip with pyarrow alone", alone),
    ):
        lines.append(f"| {what} | {seconds:.1f} | {rows / seconds:,.0f} | {processor:.1f} | {peak / 1e6:,.0f} MB |")
    print("\n".join(lines))
    print(f"{rows:,} rows; {written / 1e6:,.0f} MB of Parquet")


def write_archive(path: Path, rows: int) -> Path:
    """Write trades of a month as Binance's archive has them: ids without gaps, prices with 8 decimals."""
    random = np.random.default_rng(1)
    price = 42_000.0
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(f"{path.stem}.csv", "w", force_zip64=True) as stream,
    ):
        for start in range(0, rows, PIECE):
            count = min(PIECE, rows - start)
            number = np.arange(start, start + count)
            prices = np.round(price + np.cumsum(random.normal(0, 0.5, count)), 2)
            volumes = np.round(random.lognormal(-5, 1.5, count), 5) + 0.00001
            price = prices[-1]
            side = pa.array(random.random(count) < 0.5).cast(pa.string())
            table = pa.table(
                {
                    "id": number + 3_300_000_000,
                    "price": fixed(prices),
                    "qty": fixed(volumes),
                    "quoteQty": fixed(prices * volumes),
                    "time": START + number * MONTH // rows,
                    "isBuyerMaker": side,
                    "isBestMatch": pa.repeat("True", count),
                }
            )
            csv.write_csv(table, stream, options)
    return path


def fixed(values: np.ndarray) -> pa.Array:
    """Return numbers as text with 8 decimals."""
    return pa.array(np.char.mod("%.8f", values))


def measured(command: list, home: Path) -> tuple[float, float, float]:
    """Run a command in a data home; return its seconds, its processor seconds and its peak memory in bytes."""
    before = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command],
        cwd=PROJECT,
        env=os.environ | {"CRYPTO_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(map(str, command))}\n{output}")
    seconds, unit = time.perf_counter() - before, 1 if sys.platform == "darwin" else 1024
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * unit


if __name__ == "__main__":
    main()
