"""The next dbt, whose parser is stricter than dbt 1's, reads the project without a complaint."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.isolation import no_settings
from support.project import copied

VERSION = "2.0.0a4"
PROFILE = {
    "type": "databricks",
    "host": "nowhere.example",
    "http_path": "/sql/none",
    "token": "none",
    "catalog": "main",
}


@pytest.mark.long
def test_the_parser_of_dbt_2_finds_nothing_wrong(tmp_path):
    """It takes 140 MB from PyPI into an environment of its own, and parses without a connection."""
    uv, folder = str(Path(sys.prefix) / "bin" / "uv"), tmp_path / "dbt"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", f"dbt-core=={VERSION}"]
    subprocess.run(install, check=True)
    project = copied(tmp_path / "project")
    settings = yaml.safe_load((project / "dbt_project.yml").read_text())
    # This version takes query tags as a mapping; dbt-databricks reads them as text.
    for kind in ("models", "snapshots", "seeds", "data_tests"):
        del settings[kind]["crypto"]["+query_tags"]
        settings[kind] = settings[kind] if settings[kind]["crypto"] else {}
    (project / "dbt_project.yml").write_text(yaml.safe_dump(settings))
    outputs = {"databricks": PROFILE | {"schema": "default"}}
    profiles = {"crypto": {"target": "databricks", "outputs": outputs}}
    (project / "profiles.yml").write_text(yaml.safe_dump(profiles))
    done = subprocess.run(
        [folder / "bin" / "dbt", "parse"],
        cwd=project,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "DO_NOT_TRACK": "1"} | no_settings(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0 and "error" not in said.lower() and "warn" not in said.lower(), said
    assert "Finished 'parse'" in said
