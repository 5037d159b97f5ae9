"""One run from the landing zone to Postgres, dbt within it, what it shows, and the record of past runs."""
