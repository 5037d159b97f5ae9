"""Commands that inspect a data home and its runs: status, costs, verify and report."""
