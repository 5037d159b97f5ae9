"""From raw Parquet trades to bronze, and from gold to Postgres: everything that is not a dbt model."""
