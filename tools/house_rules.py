"""The house rules of the dbt project, read from its manifest and its files.

``python -m tools.house_rules`` parses the project and prints what breaks a rule, one line each.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml
from dbt.adapters.localspark.guard.differences import DIFFERENCES

MAY_READ = {
    # layer: what its models may read
    "silver": {"bronze", "reference", "silver", "seeds"},
    "gold": {"silver", "gold", "reference"},
    "sync": {"gold"},
    "serving": {"published", "serving"},
}
# A layer's schema has the name of its folder, but for the views in Postgres.
SCHEMAS = {"serving": "reading"}
# Reference data is small, and named where it is needed: gold shows names and categories.
REFERENCE = {"source.crypto.bronze.symbols", "source.crypto.bronze.exchanges"}
PUBLIC = {"gold", "serving"}
LONGEST_MODEL, LONGEST_MACRO = 80, 60
# Rejected rows are no failure of a run, even if what rejects them is a mistake.
MAY_WARN = {"assert_no_trade_id_spans_two_markets", "assert_no_trade_is_far_from_the_week_before"}
# The log of the sync tells which invocation asked for it.
MAY_NAME_THE_INVOCATION = {"postgres_sync", "py_script_comment"}
# Where and how a table lies may differ between targets.
DDL = ("macros/materializations/", "macros/schemas/")

CLOCK = re.compile(
    r"\b(?:now|getdate|curdate|sysdate|today|rand|randn|randstr|random|uuid|shuffle|monotonically_increasing_id"
    r"|any_value|current_timestamp|current_date|localtimestamp)\s*\("
    r"|\b(?:current_timestamp|current_date|localtimestamp|tablesample|run_started_at|invocation_id)\b"
    r"|\bunix_timestamp\s*\(\s*\)|\bmodules\.datetime|\btime\.time\b|\bimport (?:random|datetime|time|uuid)\b",
    re.IGNORECASE,
)
BARE_STAR = re.compile(r"\bselect\s+\*(?!\s*(?:,|except\b))", re.IGNORECASE)
STAR_OF_RELATION = re.compile(
    r"(?:\bselect\s+(?:distinct\s+)?|,\s*|\b\w+\.)\*(?:(?!\bselect\b).)*?\bfrom\s+\{\{\s*(?:ref|source)\b",
    re.IGNORECASE | re.DOTALL,
)
JOIN_OF_RELATION = re.compile(r"\bjoin\s+\{\{\s*(?:ref|source)\b", re.IGNORECASE)
# What no guard need refuse, and the project does without; the rest is in localspark/guard/differences.py.
NOT_ON_SAIL = {
    re.compile(r"\bas\s+(?:double|float|real)\s*\)|\b(?:double|float)\s*\(|::\s*(?:double|float|real)\b", re.I): (
        "a cast to a double, which can be off by the last bit; use `as_double`"
    ),
}
# Where the macros that go by text convert it themselves.
NUMBERS = "macros/numbers/"
GRAIN = re.compile(r"(?:--|#) Grain: (one row per .+\.)")

Found = Iterator[tuple[str, str]]


class Broken(NamedTuple):
    """One thing that breaks one rule."""

    rule: str
    where: str
    why: str


class Project:
    """What the rules look at: the manifest, and the folder that it was made from."""

    def __init__(self, folder: Path, manifest: dict) -> None:
        self.folder, self.manifest = folder, manifest
        self.nodes = [*manifest["nodes"].values(), *manifest["sources"].values()]
        self.models = self.of_type("model")
        own = [macro for macro in manifest["macros"].values() if macro["package_name"] == "crypto"]
        self.macros = [macro for macro in own if macro["path"].startswith("macros")]
        # dbt keeps them as macros.
        self.generic_tests = [macro for macro in own if macro["path"].startswith("tests")]

    def of_type(self, *types: str) -> list[dict]:
        """Return the nodes of some resource types."""
        return [node for node in self.nodes if node["resource_type"] in types]

    def tests(self, model: dict) -> list[dict]:
        """Return the data tests declared on a model."""
        return [test for test in self.of_type("test") if test.get("attached_node") == model["unique_id"]]


def layer(node: dict) -> str:
    """Return the folder below models/, or what stands for it."""
    if node["unique_id"] in REFERENCE:
        return "reference"
    if node["resource_type"] == "source":
        return "published" if node["source_name"] == "crypto" else node["source_name"]
    return node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"] + "s"


def code(node: dict) -> str:
    """Return the code of a node or macro without comments and docstrings of SQL, Jinja and Python."""
    text = node["macro_sql"] if node["resource_type"] == "macro" else node["raw_code"]
    return re.sub(r'\{#.*?#\}|/\*.*?\*/|""".*?"""|(?:--|(?<!\{)#(?!\})).*?$', "", text, flags=re.DOTALL | re.MULTILINE)


RULES: dict[str, Callable[[Project], Found]] = {}


def rule(check: Callable[[Project], Found]) -> Callable[[Project], Found]:
    """Register a rule: a function that yields what breaks it, and why."""
    RULES[check.__name__] = check
    return check


@rule
def grain(project: Project) -> Found:
    """Line 1 of a model says its grain, and its description ends with the same sentence."""
    for model in project.models:
        found = GRAIN.fullmatch(model["raw_code"].splitlines()[0])
        if not found:
            yield model["name"], "does not begin with `-- Grain: one row per ... .`"
        elif not " ".join(model["description"].split()).endswith(found[1][0].upper() + found[1][1:]):
            yield model["name"], f"has a description that does not end with its grain: {found[1]}"
    for node in project.of_type("source", "seed", "snapshot"):
        if "One row per " not in node["description"]:
            yield node["name"], "has a description that does not say `One row per ... .`"


@rule
def described(project: Project) -> Found:
    """Every column has a description, in the .yml of its model's name or in the one that its folder shares."""
    for node in project.of_type("model", "seed", "snapshot", "source"):
        if not node["columns"]:
            yield node["name"], "has no column described"
        for column in node["columns"].values():
            if not column["description"].strip():
                yield f"{node['name']}.{column['name']}", "has no description"
    for model in project.models:
        beside = Path(model["original_file_path"]).with_suffix(".yml")
        shared = beside.with_name(f"_{beside.parent.name}.yml")
        if (model["patch_path"] or "").removeprefix("crypto://") not in (str(beside), str(shared)):
            yield model["name"], f"is not described in {beside} or {shared}"


@rule
def key(project: Project) -> Found:
    """A merge key is the same in the config, in the uniqueness test and in the not-null tests."""
    for model in project.models:
        if model["config"]["materialized"] != "keyed_table":
            continue
        wanted = model["config"]["unique_key"] or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        unique, not_null = [], set()
        for test in project.tests(model):
            kind, arguments = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]
            # One with a condition is of a part of the rows, and not the key's.
            if kind == "unique_combination" and not test["config"].get("where"):
                unique.append(arguments["columns"])
            elif kind == "not_null":
                not_null.add(arguments["column_name"])
            elif kind == "row_rules":
                for condition in arguments["rules"].values():
                    not_null |= set(re.findall(r"\b(\w+) is not null", condition))
        if not wanted:
            yield model["name"], "has no unique_key"
        elif unique != [wanted]:
            yield model["name"], f"has the key {wanted} but tests {unique} for uniqueness"
        elif missing := [column for column in wanted if column not in not_null]:
            yield model["name"], f"has no not-null test of its key's {', '.join(missing)}"


@rule
def tested(project: Project) -> Found:
    """Every model has a test of its own, and a test fails rather than warns (but see MAY_WARN)."""
    unit_tested = {test["model"] for test in project.manifest["unit_tests"].values()}
    for model in project.models:
        if not project.tests(model) and model["name"] not in unit_tested:
            yield model["name"], "has no test"
    for test in project.of_type("test"):
        fails = test["config"]["severity"].lower() == "error" and test["config"]["error_if"] == "!= 0"
        if not fails and test["name"] not in MAY_WARN:
            yield test["name"], "does not fail on the first row it finds"


@rule
def macro_documented(project: Project) -> Found:
    """A macro's file is named after it and begins with a header; an indicator's arguments are described."""
    for path in sorted((project.folder / "macros").rglob("*.sql")):
        text = path.read_text()
        if not text.startswith("{#"):
            yield path.name, "does not begin with a header"
        if not re.search(rf"{{%-? *(?:macro|materialization) +(?:databricks__)?{path.stem}\b", text):
            yield path.name, "holds no macro of its name"
    for macro in project.macros:
        if not macro["path"].startswith("macros/indicators/"):
            continue
        header = (project.folder / macro["original_file_path"]).read_text().split("#}")[0].lower()
        for word in ("source:", "first bar:", "zero", "flat", "null", "gap", "single row"):
            if word not in header:
                yield macro["name"], f"has a header that does not tell of {word.removesuffix(':')}"
        if not all((macro["description"], *(argument["description"] for argument in macro["arguments"]))):
            yield macro["name"], "is not described, or one of its arguments is not"


@rule
def layers(project: Project) -> Found:
    """A model reads its own layer or the one before it, and its schema is its folder."""
    known = project.manifest["nodes"] | project.manifest["sources"]
    for model in project.models:
        here = layer(model)
        if here not in MAY_READ:
            yield model["name"], f"lies in models/{here}/, which is no layer"
            continue
        for upstream in (known[name] for name in model["depends_on"]["nodes"]):
            if layer(upstream) not in MAY_READ[here]:
                yield model["name"], f"reads {layer(upstream)} ({upstream['name']}), which {here} may not"
        if model["config"]["schema"] != SCHEMAS.get(here, here):
            yield model["name"], f"is in the schema {model['config']['schema']}"


@rule
def materialized(project: Project) -> Found:
    """The folder decides how a model is kept, silver's views aside."""
    folders = yaml.safe_load((project.folder / "dbt_project.yml").read_text())["models"]["crypto"]
    for model in project.models:
        kept, usual = model["config"]["materialized"], folders[layer(model)].get("+materialized", "incremental")
        if kept != usual and (layer(model), kept) != ("silver", "view"):
            yield model["name"], f"is {kept}; its folder says {usual}"


@rule
def owned(project: Project) -> Found:
    """A model belongs to a group with an owner; gold has contracts; only gold and serving are public."""
    owners = {group["name"]: group["owner"] for group in project.manifest["groups"].values()}
    for model in project.models:
        if not (owners.get(model["config"]["group"]) or {}).get("name"):
            yield model["name"], "has no group with an owner"
        if layer(model) == "gold" and not model["config"]["contract"]["enforced"]:
            yield model["name"], "has no enforced contract"
        if (model["access"] == "public") != (layer(model) in PUBLIC):
            yield model["name"], f"is {model['access']}"


@rule
def exposed(project: Project) -> Found:
    """What Postgres receives, and what reads it, is part of an exposure."""
    syncs = {model["unique_id"] for model in project.models if layer(model) == "sync"}
    upstreams = [set(exposure["depends_on"]["nodes"]) for exposure in project.manifest["exposures"].values()]
    listed = set().union(*(upstream for upstream in upstreams if upstream & syncs))
    received = {model["unique_id"] for model in project.models if layer(model) in ("sync", "serving")}
    received |= {name for model in project.models if layer(model) == "sync" for name in model["depends_on"]["nodes"]}
    for name in sorted(received - listed):
        yield name.rsplit(".", 1)[1], "reaches Postgres but is part of no exposure"


@rule
def no_clock(project: Project) -> Found:
    """No clock and no randomness in a model, nor in a macro it may use."""
    for node in [*project.models, *project.macros]:
        found = CLOCK.search(code(node))
        if found and not (node["name"] in MAY_NAME_THE_INVOCATION and found[0] == "invocation_id"):
            yield node["name"], f"depends on a clock or on chance: {found[0].strip()}"


@rule
def one_text(project: Project) -> Found:
    """A model is one SQL text on every target; only where and how a table lies may differ."""
    for node in [*project.models, *project.macros]:
        found = re.search(r"adapter\.dispatch|\btarget\.(?:type|name)\b", code(node))
        if found and not node["path"].startswith(DDL):
            yield node["name"], f"asks for {found[0]}"


@rule
def engines(project: Project) -> Found:
    """Nothing that one of the engines lacks or computes otherwise, in models, macros, tests and their arguments."""
    for node in [*project.models, *project.macros, *project.of_type("test"), *project.generic_tests]:
        text = code(node) + json.dumps((node.get("test_metadata") or {}).get("kwargs"))
        for name, found in DIFFERENCES.items():
            if found.lint and re.search(found.lint, text, re.IGNORECASE):
                yield node["name"], f"uses `{name}` ({found.difference}); write {found.instead}"
        for pattern, why in NOT_ON_SAIL.items():
            if pattern.search(text) and not node["path"].startswith(NUMBERS):
                yield node["name"], f"uses {why}"


@rule
def star(project: Project) -> Found:
    """Import CTEs name their columns; a bare `select *` is the last line and nothing else."""
    for model in project.models:
        if model["language"] != "sql":
            continue
        text = code(model).strip()
        if not re.fullmatch(r"select \* from \w+", text.splitlines()[-1]):
            yield model["name"], "does not end with `select * from <cte>`"
        if len(BARE_STAR.findall(text)) > 1:
            yield model["name"], "has a bare `select *` before its last line"
        if STAR_OF_RELATION.search(text):
            yield model["name"], "reads a model or source with `*`; name the columns"
        if JOIN_OF_RELATION.search(text):
            yield model["name"], "joins a model or source itself; import it first, in a CTE"


@rule
def short(project: Project) -> Found:
    """A model fits 80 lines, a macro 60."""
    texts = [(model["name"], model["raw_code"], LONGEST_MODEL) for model in project.models]
    texts += [(macro["name"], macro["macro_sql"], LONGEST_MACRO) for macro in project.macros]
    for name, text, longest in texts:
        if (lines := len(text.splitlines())) > longest:
            yield name, f"has {lines} lines, more than {longest}"


def check(folder: Path, target: Path) -> list[Broken]:
    """Parse the project in a folder, into a target folder, and return all that breaks a rule.

    ValueError if dbt can't parse it, or warns of something.
    """
    from dbt.cli.main import dbtRunner

    places = {"--project-dir": folder, "--profiles-dir": folder, "--target-path": target, "--log-path": target}
    arguments = [str(word) for place in places.items() for word in place]
    result = dbtRunner().invoke(["--quiet", "--warn-error", "parse", *arguments])
    if not result.success:
        raise ValueError(f"dbt can't parse {folder}: {result.exception}")
    project = Project(folder, json.loads((target / "manifest.json").read_text()))
    return [Broken(name, where, why) for name, rule in RULES.items() for where, why in rule(project)]


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as target:
        problems = check(here, Path(target))
    for problem in problems:
        print(f"{problem.rule}: {problem.where} {problem.why}")
    sys.exit(bool(problems))
