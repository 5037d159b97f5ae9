"""The sync of gold tables to Postgres: its source, one transaction for all tables, and the log of syncs."""

from lakehouse.sync.log import TableSync, runs
from lakehouse.sync.source import Table, TableSource, published_tables
from lakehouse.sync.transaction import sync_tables

__all__ = ["Table", "TableSource", "TableSync", "published_tables", "runs", "sync_tables"]
