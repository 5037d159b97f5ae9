"""How `crypto verify` deals the rows of files to the batches of a replay."""

import pytest

from commands.inspect import verify


@pytest.mark.parametrize("seed", range(20))
def test_every_row_is_dealt_once(seed):
    files = [f"file {number}" for number in range(seed)]
    batches = verify.deal(files, seed, 4)
    assert len(batches) == 4 and batches == verify.deal(files[::-1], seed, 4)
    dealt = [
        (piece.source_file, row)
        for batch in batches
        for piece in batch
        for row in range(12)
        if row % piece.pieces == piece.rest
    ]
    assert sorted(dealt) == sorted((file, row) for file in files for row in range(12))
