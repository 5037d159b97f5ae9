"""What people and jobs start: the command line, dbt, a run, what inspects a data home, and the tasks of Databricks."""
