"""The ingestion job: it lands raw Parquet trades, each file exactly once, and reference data in bronze Delta tables."""
