"""The code of the Databricks job and of the sync model uses nothing that serverless compute refuses."""

import ast
from pathlib import Path

from support.project import PROJECT

# What serverless compute refuses, or does not have.
FORBIDDEN = {
    *("rdd", "sparkContext", "_sc", "_jvm", "_jsparkSession", "_jdf", "addFile", "addJar", "addPyFile"),
    *("createGlobalTempView", "createOrReplaceGlobalTempView", "parallelize", "broadcast"),
    *("cache", "persist", "unpersist", "checkpoint", "localCheckpoint"),
}


def modules_of(*names: str) -> dict[str, ast.Module]:
    """The project's modules that these import, at whatever place in them, by name."""
    found: dict[str, ast.Module] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        path = PROJECT / Path(*name.split("."))
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if name in found or not path.is_file():
            continue
        found[name] = ast.parse(path.read_text())
        for node in ast.walk(found[name]):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("ingestion", "lakehouse"):
                waiting += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
    return found


def test_nothing_that_serverless_forbids_is_used():
    modules = modules_of("commands.databricks.ingest", "lakehouse.sync", "lakehouse.secret_scope")
    assert {"ingestion.bronze", "ingestion.normalise", "lakehouse.sync.transaction"} <= modules.keys()
    assert not [name for name in modules if name.split(".")[:2] == ["lakehouse", "engine"]]
    modules["postgres_sync"] = ast.parse((PROJECT / "models" / "sync" / "postgres_sync.py").read_text())
    used = {
        (name, word)
        for name, tree in modules.items()
        for node in ast.walk(tree)
        for word in (getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None))
        if word in FORBIDDEN
    }
    assert not used
    imported = {
        name
        for tree in modules.values()
        for node in ast.walk(tree)
        for name in (
            [node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in getattr(node, "names", [])]
        )
    }
    # Delta's own Python package and the bridge to Java; deltalake is another one, without a JVM.
    assert not {name for name in imported if name and name.split(".")[0] in ("delta", "py4j")}
