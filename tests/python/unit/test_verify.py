"""How `crypto verify` deals the rows of files to the batches of a replay."""

import random

import pytest

from commands.inspect import verify


def rows_of(batch: list[verify.Piece], file: str, rows: int) -> list[int]:
    rests = {piece.rest for piece in batch if piece.source_file == file}
    return [row for row in range(rows) if row % batch[0].pieces in rests]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize(("files", "batches"), [(1, 2), (2, 3), (19, 4)])
def test_every_row_is_dealt_once_and_every_batch_has_rows_of_every_file(seed, files, batches):
    names = [f"file {number}" for number in range(files)]
    dealt = verify.deal(names, random.Random(seed), batches)
    assert len(dealt) == batches and dealt == verify.deal(names[::-1], random.Random(seed), batches)
    for name in names:
        # Also a file of no more rows than batches, and the first and the last rows of a long one.
        assert all(len(rows_of(batch, name, batches)) == 1 for batch in dealt)
        assert sorted(row for batch in dealt for row in rows_of(batch, name, 97)) == list(range(97))
        assert all(min(rows_of(batch, name, 97)) < batches for batch in dealt)
        assert all(len([row for row in rows_of(batch, name, 97) if row >= 97 - 2 * batches]) >= 1 for batch in dealt)


def test_a_single_batch_is_followed_by_one_in_which_the_reference_data_changes():
    dealt = verify.deal(["one"], random.Random(1), 1)
    assert len(dealt) == 2 and dealt[1] == [] and rows_of(dealt[0], "one", 9) == list(range(9))
