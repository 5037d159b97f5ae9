"""The version that dbt shows for the adapter: the project's own."""

from importlib.metadata import version as installed

version = installed("crypto-lakehouse")
