"""The seeds hold what the models count on."""

import csv
import re

from support.project import PROJECT


def test_the_seed_lists_every_reason_in_the_order_of_the_rules():
    with (PROJECT / "seeds" / "rejection_reasons.csv").open() as file:
        rows = list(csv.DictReader(file))
    rules = re.findall(r"then '(\w+)'", (PROJECT / "macros" / "screening" / "first_broken_rule.sql").read_text())
    assert [row["reason"] for row in rows] == [*rules, "duplicate", "conflicting_duplicate"]
    assert [int(row["position"]) for row in rows] == list(range(1, len(rows) + 1))
