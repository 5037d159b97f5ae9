"""The house rules of the dbt project, read from its manifest and its files.

``python -m tools.house_rules`` parses the project and prints what breaks a rule, one line each.
"""

import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import yaml

MAY_READ = {
    # layer: what its models may read
    "silver": {"bronze", "silver", "seeds"},
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
CALLED_BY_DBT = {"create_schema", "generate_schema_name", "py_script_comment"}
# Rejected rows are no failure of a run, even if what rejects them is a mistake.
MAY_WARN = {"assert_no_trade_id_spans_two_markets"}
# The log of the sync tells which invocation asked for it.
MAY_NAME_THE_INVOCATION = {"postgres_sync", "py_script_comment"}

CLOCK = re.compile(
    r"\b(?:now|getdate|curdate|sysdate|today|rand|randn|randstr|random|uuid|shuffle|monotonically_increasing_id"
    r"|any_value|current_timestamp|current_date|localtimestamp)\s*\("
    r"|\b(?:current_timestamp|current_date|localtimestamp|tablesample|run_started_at|invocation_id)\b"
    r"|\bunix_timestamp\s*\(\s*\)|\bmodules\.datetime|\btime\.time\b|\bimport (?:random|datetime|time|uuid)\b",
    re.IGNORECASE,
)
STAR = re.compile(r"(?:\bselect\s+(?:distinct\s+)?|,\s*|\b\w+\.)\*", re.IGNORECASE)
BARE_STAR = re.compile(r"\bselect\s+\*(?!\s*(?:,|except\b))", re.IGNORECASE)
FROM_RELATION = re.compile(r"\bfrom\s+\{\{\s*(?:ref|source)\b", re.IGNORECASE)
JOIN_RELATION = re.compile(r"\bjoin\s+\{\{\s*(?:ref|source)\b", re.IGNORECASE)
# What Sail lacks or computes otherwise (docs/engines.md), and what to write instead.
NOT_ON_SAIL = {
    re.compile(r"\*\s*except\b", re.IGNORECASE): "`* except`; name the columns",
    re.compile(r"\bqualify\b", re.IGNORECASE): "`qualify`; filter in a CTE that reads the one with the window",
    re.compile(r"\bgroup\s+by\s+all\b", re.IGNORECASE): "`group by all`; name the columns",
    re.compile(r"\b(?:avg|stddev\w*|var\w*|corr)\s*\([^()]*\)\s*over\s*\([^()]*\brows\s+between\b", re.IGNORECASE): (
        "a sliding mean or deviation, inexact after a large value; use a macro of macros/indicators/"
    ),
    re.compile(r"\bas\s+(?:double|float|real)\s*\)|\b(?:double|float)\s*\(|::\s*(?:double|float|real)\b", re.I): (
        "a cast to a double, which can be off by the last bit; use `as_double`"
    ),
}
# Where the macros that go by text convert it themselves.
NUMBERS = "macros/numbers/"
GRAIN = re.compile(r"(?:--|#) Grain: (one row per .+\.)")


@dataclass(frozen=True)
class Broken:
    """One thing that breaks one rule."""

    rule: str
    where: str
    why: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where} {self.why}"


class Project:
    """What the rules look at: the manifest, and the folder that it was made from."""

    def __init__(self, folder: Path, manifest: dict) -> None:
        self.folder, self.manifest = folder, manifest

    def nodes(self, *kinds: str) -> Iterator[dict]:
        """Yield the nodes of some resource types."""
        found = (*self.manifest["nodes"].values(), *self.manifest["sources"].values())
        return (node for node in found if node["resource_type"] in kinds)

    @cached_property
    def models(self) -> list[dict]:
        """The models."""
        return list(self.nodes("model"))

    @cached_property
    def macros(self) -> list[dict]:
        """The project's own macros."""
        own = [macro for macro in self.manifest["macros"].values() if macro["package_name"] == "crypto"]
        return [macro for macro in own if macro["path"].startswith("macros")]

    @cached_property
    def generic_tests(self) -> list[dict]:
        """The project's generic tests, which dbt keeps as macros."""
        own = [macro for macro in self.manifest["macros"].values() if macro["package_name"] == "crypto"]
        return [macro for macro in own if macro["path"].startswith("tests")]

    def tests_of(self, node: dict) -> list[dict]:
        """Return the tests that read a node."""
        return [test for test in self.nodes("test") if node["unique_id"] in test["depends_on"]["nodes"]]

    def own_tests(self, node: dict) -> list[dict]:
        """Return the tests declared on a node."""
        return [test for test in self.nodes("test") if test.get("attached_node") == node["unique_id"]]

    def unit_tests(self, node: dict) -> list[dict]:
        """Return the unit tests of a model."""
        return [test for test in self.manifest["unit_tests"].values() if test["model"] == node["name"]]

    def text(self, node: dict) -> str:
        """Return the text of a node's file."""
        return (self.folder / node["original_file_path"]).read_text()


def layer(node: dict) -> str:
    """The folder below models/, or what stands for it."""
    if node["unique_id"] in REFERENCE:
        return "reference"
    if node["resource_type"] == "source":
        return "published" if node["source_name"] == "crypto" else node["source_name"]
    return node["fqn"][1] if node["resource_type"] == "model" else node["resource_type"] + "s"


def described_in(model: dict) -> Path:
    """The .yml with the model's description."""
    return Path((model["patch_path"] or "").removeprefix("crypto://"))


def without_comments(text: str) -> str:
    """The code alone: no SQL, Jinja or Python comment, no docstring."""
    return re.sub(r'\{#.*?#\}|/\*.*?\*/|""".*?"""|(?:--|(?<!\{)#(?!\})).*?$', "", text, flags=re.DOTALL | re.MULTILINE)


RULES: dict[str, Callable[[Project], Iterator[tuple[str, str]]]] = {}


def rule(check: Callable[[Project], Iterator[tuple[str, str]]]) -> Callable[[Project], Iterator[tuple[str, str]]]:
    """Register a rule: a function that yields what breaks it, and why."""
    RULES[check.__name__] = check
    return check


# --- what a model says of itself ---------------------------------------------------------------------------------


@rule
def grain(project: Project) -> Iterator[tuple[str, str]]:
    """Line 1 of a model says its grain, and its description ends with the same sentence."""
    for model in project.models:
        found = GRAIN.fullmatch(project.text(model).splitlines()[0])
        if not found:
            yield model["name"], "does not begin with `-- Grain: one row per ... .`"
        elif not " ".join(model["description"].split()).endswith(found[1][0].upper() + found[1][1:]):
            yield model["name"], f"has a description that does not end with its grain: {found[1]}"
    for node in project.nodes("source", "seed", "snapshot"):
        if "One row per " not in node["description"]:
            yield node["name"], "has a description that does not say `One row per ... .`"


@rule
def described(project: Project) -> Iterator[tuple[str, str]]:
    """Every column has a description, in the .yml of its model's name or in the one that its folder shares."""
    for node in project.nodes("model", "seed", "snapshot", "source"):
        if not node["columns"]:
            yield node["name"], "has no column described"
        for column in node["columns"].values():
            if not column["description"].strip():
                yield f"{node['name']}.{column['name']}", "has no description"
    for model in project.models:
        beside = Path(model["original_file_path"]).with_suffix(".yml")
        shared = beside.with_name(f"_{beside.parent.name}.yml")
        if described_in(model) not in (beside, shared):
            yield model["name"], f"is not described in {beside} or {shared}"


# --- keys and tests ----------------------------------------------------------------------------------------------


@rule
def key(project: Project) -> Iterator[tuple[str, str]]:
    """A merge key is the same in the config, in the uniqueness test and in the not-null tests."""
    for model in project.models:
        if model["config"]["materialized"] != "keyed_table":
            continue
        wanted = model["config"]["unique_key"] or []
        wanted = [wanted] if isinstance(wanted, str) else wanted
        unique, not_null = [], set()
        for test in project.own_tests(model):
            kind, arguments = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]
            if kind == "unique_combination":
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
def tested(project: Project) -> Iterator[tuple[str, str]]:
    """Every model has a test of its own, and a test fails rather than warns."""
    for model in project.models:
        if not project.own_tests(model) and not project.unit_tests(model):
            yield model["name"], "has no test"
    for test in project.nodes("test"):
        config = test["config"]
        if test["name"] in MAY_WARN:
            continue
        if config["severity"].lower() != "error" or not config["enabled"] or config["error_if"] != "!= 0":
            yield test["name"], "does not fail on the first row it finds"


@rule
def macro_documented(project: Project) -> Iterator[tuple[str, str]]:
    """A macro's file is named after it and begins with a header; an indicator's arguments are described."""
    for path in sorted((project.folder / "macros").rglob("*.sql")):
        if not path.read_text().startswith("{#"):
            yield path.name, "does not begin with a header"
        names = re.findall(r"{%-? *(?:macro|materialization) +(\w+)", path.read_text())
        if path.stem not in [name.removeprefix("databricks__") for name in names]:
            yield path.name, "holds no macro of its name"
    for macro in project.macros:
        if not macro["path"].startswith("macros/indicators/"):
            continue
        header = project.text(macro).split("#}")[0].lower()
        for word in ("source:", "first bar:", "zero", "flat", "null", "gap", "single row"):
            if word not in header:
                yield macro["name"], f"has a header that does not tell of {word.removesuffix(':')}"
        signature = re.search(r"macro \w+\((.*?)\) *-?%}", macro["macro_sql"], re.DOTALL)
        names = re.findall(r"(\w+)(?:=(?:'[^']*'|[^,]*))?(?:, *|$)", signature[1] if signature else "")
        described = [argument["name"] for argument in macro["arguments"] if argument["description"]]
        if not macro["description"]:
            yield macro["name"], "has no description"
        if names != described:
            yield macro["name"], f"takes {names} but describes {described}"


@rule
def macro_tested(project: Project) -> Iterator[tuple[str, str]]:
    """A macro is reached by a test: of dbt, through a model with tests, or by name in a Python test."""
    reached = {f"macro.crypto.{name}" for name in CALLED_BY_DBT}
    for node in project.nodes("test", "model"):
        if node["resource_type"] == "test" or project.tests_of(node) or project.unit_tests(node):
            reached |= set(node["depends_on"]["macros"])
            reached |= {f"macro.crypto.materialization_{node['config']['materialized']}_default"}
    waiting = list(reached)
    while waiting:
        name = waiting.pop()
        macro = project.manifest["macros"].get(name, {"depends_on": {"macros": []}})
        # What is dispatched by adapter is reached by its plain name.
        of_adapters = {
            macro["unique_id"] for macro in project.macros if macro["name"].endswith(f"__{name.split('.')[-1]}")
        }
        new = (set(macro["depends_on"]["macros"]) | of_adapters) - reached
        reached |= new
        waiting += new
    files = sorted((project.folder / "tests" / "python").rglob("test_*.py"))
    python = "".join(path.read_text() for path in files if path.name != "test_house_rules.py")
    for macro in project.macros:
        if macro["unique_id"] not in reached and not re.search(rf"\b{macro['name']}\b", python):
            yield macro["name"], "is reached by no test"


# --- layers ------------------------------------------------------------------------------------------------------


@rule
def layers(project: Project) -> Iterator[tuple[str, str]]:
    """A model reads its own layer or the one before it, and its schema is its folder."""
    known = project.manifest["nodes"] | project.manifest["sources"]
    for model in project.models:
        allowed = MAY_READ.get(layer(model))
        if allowed is None:
            yield model["name"], f"lies in models/{layer(model)}/, which is no layer"
            continue
        for upstream in (known[name] for name in model["depends_on"]["nodes"]):
            if layer(upstream) not in allowed and not (layer(upstream) == "reference" and "bronze" in allowed):
                yield model["name"], f"reads {layer(upstream)} ({upstream['name']}), which {layer(model)} may not"
        schema = SCHEMAS.get(layer(model), layer(model))
        if model["config"]["schema"] != schema:
            yield model["name"], f"is in the schema {model['config']['schema']}, not in {schema}"


@rule
def materialized(project: Project) -> Iterator[tuple[str, str]]:
    """The folder decides how a model is kept, silver's views aside. What is merged says what a new column does."""
    folders = yaml.safe_load((project.folder / "dbt_project.yml").read_text())["models"]["crypto"]
    for model in project.models:
        config, usual = model["config"], folders[layer(model)].get("+materialized", "incremental")
        special = (layer(model), config["materialized"]) == ("silver", "view")
        described = (project.folder / described_in(model)).read_text() if model["patch_path"] else ""
        said = re.search(r"\bmaterialized\b", without_comments(project.text(model)) + described)
        if config["materialized"] != usual and not special:
            yield model["name"], f"is {config['materialized']}; its folder says {usual}"
        # A Python model has to say it: dbt makes it a table, whatever its folder says.
        elif said and not special and model["language"] == "sql":
            yield model["name"], "says what its folder says already"
        if config["materialized"] in ("keyed_table", "incremental"):
            kind = config["meta"].get("returns", "all") if config["materialized"] == "keyed_table" else "incremental"
            wanted = {"all": "sync_all_columns", "changes": "fail", "incremental": "append_new_columns"}[kind]
            if config["on_schema_change"] != wanted:
                yield model["name"], f"must say on_schema_change: {wanted}"


@rule
def owned(project: Project) -> Iterator[tuple[str, str]]:
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
def exposed(project: Project) -> Iterator[tuple[str, str]]:
    """What Postgres receives, and what reads it, is an exposure with an owner."""
    syncs = {model["unique_id"] for model in project.models if layer(model) == "sync"}
    upstreams = [set(exposure["depends_on"]["nodes"]) for exposure in project.manifest["exposures"].values()]
    listed = set().union(*(upstream for upstream in upstreams if upstream & syncs))
    received = {name for model in project.models if layer(model) == "sync" for name in model["depends_on"]["nodes"]}
    received |= {model["unique_id"] for model in project.models if layer(model) in ("sync", "serving")}
    for name in sorted(received - listed):
        yield name.rsplit(".", 1)[1], "reaches Postgres but is part of no exposure"
    for source in project.nodes("source"):
        if source["freshness"] and source["freshness"]["warn_after"]["count"] and not source["loaded_at_field"]:
            yield source["name"], "has a freshness without a loaded_at_field"


@rule
def published(project: Project) -> Iterator[tuple[str, str]]:
    """A published table has, in Postgres' source, the columns of its gold model."""
    gold = {model["name"]: model for model in project.models if layer(model) == "gold"}
    for source in project.nodes("source"):
        if layer(source) == "published" and source["name"] in gold:
            wanted, found = gold[source["name"]]["columns"].keys(), source["columns"].keys()
            for name in sorted(wanted ^ found):
                missing = "models/serving/crypto.yml" if name in wanted else "models/gold/"
                yield f"{source['name']}.{name}", f"is not described in {missing}"


# --- the text ----------------------------------------------------------------------------------------------------


@rule
def no_clock(project: Project) -> Iterator[tuple[str, str]]:
    """No clock and no randomness in a model, nor in a macro it may use."""
    for node in [*project.models, *project.macros]:
        code = without_comments(project.text(node) if node["resource_type"] == "model" else node["macro_sql"])
        found = CLOCK.search(code)
        if found and not (node["name"] in MAY_NAME_THE_INVOCATION and found[0] == "invocation_id"):
            yield node["name"], f"depends on a clock or on chance: {found[0].strip()}"


@rule
def one_text(project: Project) -> Iterator[tuple[str, str]]:
    """A model is one SQL text on every target; only where and how a table lies may differ."""
    ddl = ("macros/materializations/", "macros/schemas/")
    for node in [*project.models, *(macro for macro in project.macros if not macro["path"].startswith(ddl))]:
        code = without_comments(node["raw_code"] if node["resource_type"] == "model" else node["macro_sql"])
        if found := re.search(r"adapter\.dispatch|\btarget\.(?:type|name)\b", code):
            yield node["name"], f"asks for {found[0]}"


@rule
def engines(project: Project) -> Iterator[tuple[str, str]]:
    """Nothing that one of the engines lacks or computes otherwise, in models, macros, tests and their arguments."""
    for node in [*project.models, *project.macros, *project.nodes("test"), *project.generic_tests]:
        code = node["macro_sql"] if node["resource_type"] == "macro" else node["raw_code"]
        code = without_comments(code) + json.dumps((node.get("test_metadata") or {}).get("kwargs"))
        for pattern, why in NOT_ON_SAIL.items():
            if pattern.search(code) and not node["path"].startswith(NUMBERS):
                yield node["name"], f"uses {why}"


@rule
def star(project: Project) -> Iterator[tuple[str, str]]:
    """Import CTEs name their columns; a bare `select *` is the last line and nothing else."""
    for model in project.models:
        if model["language"] != "sql":
            continue
        code = without_comments(project.text(model)).strip()
        if not re.fullmatch(r"select \* from \w+", code.splitlines()[-1]):
            yield model["name"], "does not end with `select * from <cte>`"
        if len(BARE_STAR.findall(code)) > 1:
            yield model["name"], "has a bare `select *` before its last line"
        for found in FROM_RELATION.finditer(code):
            if STAR.search(code, code[: found.start()].lower().rfind("select"), found.start()):
                yield model["name"], "reads a model or source with `*`; name the columns"
        if JOIN_RELATION.search(code):
            yield model["name"], "joins a model or source itself; import it first, in a CTE"


@rule
def short(project: Project) -> Iterator[tuple[str, str]]:
    """A model fits 80 lines, a macro 60."""
    for model in project.models:
        if (lines := len(project.text(model).splitlines())) > LONGEST_MODEL:
            yield model["name"], f"has {lines} lines, more than {LONGEST_MODEL}"
    for macro in project.macros:
        if (lines := len(macro["macro_sql"].splitlines())) > LONGEST_MACRO:
            yield macro["name"], f"has {lines} lines, more than {LONGEST_MACRO}"


def check(folder: Path, manifest: dict) -> list[Broken]:
    """All that breaks a rule."""
    project = Project(folder, manifest)
    return [Broken(name, where, why) for name, rule in RULES.items() for where, why in rule(project)]


def parsed(folder: Path, target: Path) -> dict:
    """The manifest of the project in a folder, as dbt parses it now."""
    from dbt.cli.main import dbtRunner

    places = {"--project-dir": folder, "--profiles-dir": folder, "--target-path": target, "--log-path": target}
    arguments = [str(word) for place in places.items() for word in place]
    result = dbtRunner().invoke(["--quiet", "parse", *arguments])
    if not result.success:
        raise ValueError(f"dbt can't parse {folder}: {result.exception}")
    return json.loads((target / "manifest.json").read_text())


if __name__ == "__main__":
    here = Path(__file__).resolve().parents[1]
    with tempfile.TemporaryDirectory() as target:
        problems = check(here, parsed(here, Path(target)))
    print(*problems, sep="\n", end="\n" if problems else "")
    sys.exit(bool(problems))
