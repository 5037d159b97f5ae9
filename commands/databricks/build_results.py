"""What the task ``build`` of a Databricks job left: dbt's artifacts, from where the Jobs API says they are."""

from __future__ import annotations

import io
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from lakehouse.errors import CryptoError

SECONDS = 60
TASK = "build"
ARTIFACTS = ("manifest.json", "run_results.json")


def download(jobs: Any, job_run: int, folder: Path) -> None:
    """Download the artifacts of a job run's build into a folder.

    ``jobs`` is the Jobs API of a ``databricks.sdk.WorkspaceClient``. Raise CryptoError if there are none.
    """
    try:
        attempts = [task for task in jobs.get_run(job_run).tasks or [] if task.task_key == TASK]
        last = max(attempts, key=lambda task: task.attempt_number or 0)
        output = jobs.get_run_output(last.run_id).dbt_output
        request = urllib.request.Request(output.artifacts_link, headers=output.artifacts_headers or {})
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            packed = io.BytesIO(answer.read())
        with tarfile.open(fileobj=packed) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content and Path(member.name).name in ARTIFACTS:
                    (folder / Path(member.name).name).write_bytes(content.read())
        if not all((folder / name).exists() for name in ARTIFACTS):
            raise FileNotFoundError("the artifacts are not complete")
    # The SDK has no common error class that can be imported everywhere, and the answer's form is not promised.
    except Exception as error:
        # The text of an error can contain the link, which lets anyone read the artifacts.
        raise CryptoError(
            f"The results of the task {TASK} of job run {job_run} can't be read ({type(error).__name__}), so its "
            "warnings are not told; look at that task's output."
        ) from error
