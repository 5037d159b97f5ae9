"""What stands around the ingestion job: settings, storage, the two servers, the sync, a run, and its inspection.

Imports go one way, held by import-linter (see pyproject.toml): errors and settings, storage, engine and postgres, the
ingestion job, sync, run, inspect and databricks, the command line.
"""
