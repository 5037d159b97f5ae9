"""Code for Databricks: the tasks of the job, settings from a secret scope, and explanations of Databricks' errors."""
