"""Commands that look at what runs have made: status, costs, verify, and the report page."""
