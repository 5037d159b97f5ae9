"""The sync of gold tables to Postgres: its source, one transaction for all tables, and the log of syncs."""

from lakehouse.sync.log import TableSync, runs
from lakehouse.sync.source import Source, Table, declared
from lakehouse.sync.transaction import sync_tables

__all__ = ["Source", "Table", "TableSync", "declared", "runs", "sync_tables"]
