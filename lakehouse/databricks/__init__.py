"""What runs on Databricks: the tasks of the job, settings from a secret scope, and its errors in plain sentences."""
