"""The version that dbt shows for the adapter."""

version = "1.10.3"
