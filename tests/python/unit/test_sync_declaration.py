"""What the sync model declares is read from its text."""

import pytest

from lakehouse import sync
from lakehouse.errors import CryptoError
from lakehouse.sync import source as source_module


def test_a_declared_model_that_does_not_exist_is_named(tmp_path):
    (tmp_path / "models/sync").mkdir(parents=True)
    (tmp_path / source_module.MODEL).write_text("def tables(dbt):\n    return [dbt.ref('nothing')]\n")
    with pytest.raises(CryptoError, match=r"postgres_sync.py publishes 'nothing', but no folder of models/ has"):
        sync.published_tables(tmp_path)
