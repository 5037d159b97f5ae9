"""A run from the landing zone to Postgres: its steps, dbt, its display, its alerts, and the record of past runs."""
