"""The ingestion job: raw Parquet trades and reference data land in bronze Delta tables, each file exactly once."""
