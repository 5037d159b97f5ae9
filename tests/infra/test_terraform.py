"""Terraform: every resource, argument, block and reference is one that the providers have.

The providers' published bindings tell what there is. They are read as text: importing them would start a Node process.
"""

import ast
import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import hcl2
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))
from lakehouse.settings import NAMES  # noqa: E402

INFRA = PROJECT / "infra"
META = {"count", "depends_on", "for_each", "lifecycle", "provider", "__start_line__", "__end_line__"}
# What every binding takes beside the resource's own arguments.
BINDING = {"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"}


def parsed(pattern):
    """Return all blocks of the files by kind, each with its labels."""
    found = {}
    for path in sorted(INFRA.glob(pattern)):
        with path.open() as file:
            for kind, blocks in hcl2.load(file).items():
                found.setdefault(kind, []).extend(blocks)
    return found


BLOCKS = parsed("*.tf")
TEXT = "\n".join(path.read_text() for path in sorted(INFRA.glob("*.tf")))
VARIABLES = {name: body for block in BLOCKS["variable"] for name, body in block.items()}
OUTPUTS = {name: body for block in BLOCKS["output"] for name, body in block.items()}
# (kind, type, name) -> body
RESOURCES = {
    (kind, of_type, name): body
    for kind in ("resource", "data")
    for block in BLOCKS[kind]
    for of_type, named in block.items()
    for name, body in named.items()
}


@cache
def binding(kind, of_type):
    """Return the classes of the module that binds a resource type; None if the provider has no such type."""
    provider, _, rest = of_type.partition("_")
    package = Path(find_spec(f"cdktf_cdktf_provider_{provider}").origin).parent
    path = package / (f"data_{of_type}" if kind == "data" else rest) / "__init__.py"
    if not path.is_file():
        return None
    return {item.name: item for item in ast.parse(path.read_text()).body if isinstance(item, ast.ClassDef)}


def method(of_class, name):
    return next(item for item in of_class.body if isinstance(item, ast.FunctionDef) and item.name == name)


def arguments(classes, name):
    """Return what a configuration takes: argument -> (required, class of a nested block or None)."""
    taken = method(classes[name], "__init__").args
    found = {}
    for argument, default in zip(taken.kwonlyargs, taken.kw_defaults, strict=True):
        names = {node.value for node in ast.walk(argument.annotation) if isinstance(node, ast.Constant)}
        names |= {node.id for node in ast.walk(argument.annotation) if isinstance(node, ast.Name)}
        nested = [one for one in names if one in classes]
        found[argument.arg] = (default is None, nested[0] if nested else None)
    return found


def configuration(classes):
    """Return the class that holds a resource's arguments."""
    return next(
        name
        for name, item in classes.items()
        if name.endswith("Config") and any(a.arg == "provisioners" for a in method(item, "__init__").args.kwonlyargs)
    )


def attributes(classes):
    """Return what can be read of a resource."""
    main = configuration(classes).removesuffix("Config")
    return {item.name for item in classes[main].body if isinstance(item, ast.FunctionDef)}


def problems(kind, of_type, body):
    """Return what the provider would not take of a resource."""
    classes = binding(kind, of_type)
    if classes is None:
        return [f"there is no {of_type}"]
    return _problems(classes, configuration(classes), body, of_type)


def _problems(classes, name, body, where):
    known = arguments(classes, name)
    given = set(body) - META
    found = [f"{where} has no argument {key}" for key in sorted(given - (set(known) - BINDING))]
    found += [f"{where} needs {key}" for key, (required, _) in known.items() if required and key not in given]
    for key in sorted(given & set(known)):
        blocks = [block for block in body[key] if isinstance(block, dict)]
        if nested := known[key][1]:
            for block in blocks:
                found += _problems(classes, nested, block, f"{where}.{key}")
    return found


def test_a_resource_has_arguments_that_its_provider_knows():
    found = {(of_type, name): problems(kind, of_type, body) for (kind, of_type, name), body in RESOURCES.items()}
    assert len(found) > 20 and {where: wrong for where, wrong in found.items() if wrong} == {}


def test_the_check_finds_what_a_provider_does_not_know():
    bucket = RESOURCES["resource", "aws_s3_bucket_lifecycle_configuration", "lake"]
    rule = bucket["rule"][0]
    assert problems("resource", "aws_s3_buckets", {}) == ["there is no aws_s3_buckets"]
    wrong = bucket | {"rules": ["x"], "rule": [rule | {"noncurrent_version_expiration": [{"days": [7]}]}]}
    assert problems("resource", "aws_s3_bucket_lifecycle_configuration", wrong) == [
        "aws_s3_bucket_lifecycle_configuration has no argument rules",
        "aws_s3_bucket_lifecycle_configuration.rule.noncurrent_version_expiration has no argument days",
        "aws_s3_bucket_lifecycle_configuration.rule.noncurrent_version_expiration needs noncurrent_days",
    ]


def test_every_reference_leads_to_something_that_can_be_read():
    pattern = r"(data\.)?\b((?:aws|databricks|time)_\w+)\.(\w+)(?:\[[^\]]*\])?(?:\.(\w+))?"
    for data, of_type, name, attribute in re.findall(pattern, TEXT):
        kind = "data" if data else "resource"
        assert (kind, of_type, name) in RESOURCES
        if attribute:
            assert attribute in attributes(binding(kind, of_type)), (of_type, attribute)


def test_every_variable_and_local_is_declared_and_used():
    assert set(re.findall(r"\bvar\.(\w+)", TEXT)) == VARIABLES.keys()
    local = {name for block in BLOCKS["locals"] for name in block if not name.startswith("__")}
    assert set(re.findall(r"\blocal\.(\w+)", TEXT)) == local


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_an_environment_gives_the_variables_that_there_are(environment):
    given = parsed(f"environments/{environment}.tfvars")
    needed = {name for name, body in VARIABLES.items() if "default" not in body}
    assert needed <= given.keys() <= VARIABLES.keys()
    assert given["environment"] == [environment]


def test_the_env_output_holds_settings_that_the_project_reads_and_the_state_no_password():
    names = re.findall(r"^\s*([A-Z_]+)=", OUTPUTS["env"]["value"][0], re.MULTILINE)
    assert names and set(names) <= set(NAMES) and "DB_PASSWORD" not in names
    assert RESOURCES["resource", "aws_db_instance", "postgres"]["manage_master_user_password"] == [True]
    assert "secret_version" not in TEXT and "random_password" not in TEXT


def test_the_policy_admits_the_cluster_of_the_bundle():
    cluster = yaml.safe_load((PROJECT / "resources/compute.yml").read_text())["resources"]["clusters"]["single_node"]
    rules = dict(re.findall(r'"([\w.]+)"\s*=\s*\{ (type = .*) \}', TEXT))
    assert f'"{cluster["node_type_id"]}"' in rules["node_type_id"]
    pattern = re.search(r'pattern = "(.*)"', rules["spark_version"])[1].replace("\\\\", "\\")
    assert re.fullmatch(pattern, cluster["spark_version"])
    assert cluster["kind"] in rules["kind"] and cluster["data_security_mode"] in rules["data_security_mode"]
    assert f"maxValue = {cluster['autotermination_minutes']}" in rules["autotermination_minutes"]
    assert cluster["custom_tags"]["project"] in rules["custom_tags.project"]
