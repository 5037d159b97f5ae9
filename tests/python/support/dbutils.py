"""What stands for Databricks' ``dbutils``."""

from types import SimpleNamespace


class Secrets:
    """What ``dbutils`` offers for secrets."""

    def __init__(self, values: dict[str, str]) -> None:
        self.secrets = SimpleNamespace(get=lambda scope, key: values[f"{scope}/{key}"])
