"""The seeds hold what the models count on."""

import csv

from support.project import PROJECT


def test_the_seed_lists_every_reason_in_order():
    with (PROJECT / "seeds" / "rejection_reasons.csv").open() as file:
        reasons = [row["reason"] for row in csv.DictReader(file)]
    assert reasons[0] == "withdrawn" and reasons[-2:] == ["duplicate", "conflicting_duplicate"]
    assert len(reasons) == 11
