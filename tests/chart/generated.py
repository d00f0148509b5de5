"""What is made from other files: the settings in values.schema.json, and deploy/kubernetes."""

import json
import re

from kit import CHART, ROOT, settings, template

SCHEMA = CHART / "values.schema.json"
MANIFEST = ROOT / "deploy/kubernetes/usher.yaml"
VALUES = CHART / "ci/minimal.yaml"

# The chart says these itself, by what else it writes.
OWN = {"server.listen", "server.admin_listen", "server.drain_after", "cluster.listen", "cluster.advertise"}

UNIT = {
    "duration": {"type": "string", "pattern": r"^\d+ ?(ms|s|min|m|h|d)$"},
    "size": {"type": "string", "pattern": r"^\d+ ?(B|KiB|MiB|GiB)$"},
    "whole number": {"type": "integer", "minimum": 0},
    "true or false": {"type": "boolean"},
    "number from 0 to 1": {"type": "number", "minimum": 0, "maximum": 1},
}
TEXTS = {"type": ["string", "array"], "items": {"type": "string"}}


def form(setting):
    """A setting's form, from the words that usher has for it, to JSON Schema."""
    words = setting["form"]
    for unit, schema in UNIT.items():
        if words.split(",")[0] == unit:
            return dict(schema)
    if words.startswith(("list of", "scopes")):
        return dict(TEXTS)
    if setting["key"] == "server.public_url":
        return {"type": "string", "pattern": "^(https?://.+)?$"}
    choices = re.fullmatch(r"(\w+(?:, \w+)*) or (\w+)", words)
    if choices:
        return {"type": "string", "enum": [*choices[1].split(", "), choices[2]]}
    return {"type": "string"}


def described(setting):
    default = f" Default {setting['default']}." if setting["default"] else ""
    return {"description": setting["about"] + default, **form(setting)}


def is_bare_secret(key, known):
    """A secret's text where its file would do: not for a ConfigMap."""
    return f"{key}_file" in known


def section_schemas(known):
    """Sections of `config` and of `secrets`."""
    config, secrets = {}, {}
    for key, setting in known.items():
        section, name = key.split(".", 1)
        if key in OWN or is_bare_secret(key, known):
            continue
        config.setdefault(section, {})[name] = described(setting)
        if name.endswith("_file"):
            about = {"description": setting["about"], "$ref": "#/definitions/secret"}
            secrets.setdefault(section, {})[name] = about
    config["policy"]["rules"] = {
        "description": "Rules of who may use what; docs/policy.md.",
        "type": "array",
        "items": {"type": "object"},
    }
    return config, secrets


def closed(properties, about):
    return {"description": about, "type": "object", "additionalProperties": False, "properties": properties}


def schema():
    """values.schema.json with the settings as they are; the rest of it is written by hand."""
    whole = json.loads(SCHEMA.read_text())
    config, secrets = section_schemas(settings())
    sections = {name: closed(properties, f"[{name}]") for name, properties in config.items()}
    issuer = dict(sections["issuer"], description="[[issuers]]")
    sections["issuers"] = {"description": "Further issuers.", "type": "array", "items": issuer}
    whole["properties"]["config"] = closed(sections, "usher.toml, by section.")
    secrets = {name: closed(properties, f"[{name}]") for name, properties in secrets.items()}
    whole["properties"]["secrets"] = closed(secrets, "Secrets mounted as files, by section and setting.")
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def manifest():
    """The chart as plain manifests, for those who do not use Helm."""
    done = template(VALUES, "--set", "tests.enabled=false")
    if done.returncode:
        raise SystemExit(done.stderr)
    helms_own = re.compile(r"^ *(# Source: .*|helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: .*)\n", re.MULTILINE)
    text = helms_own.sub("", done.stdout).replace("# Written by the Helm chart.\n", "")
    text = re.sub(r"(usher\.toml: \|\n) *\n", r"\1", text)
    values = VALUES.relative_to(ROOT)
    head = f"# Written by tests/chart/run --write from deploy/helm/usher and {values}: change those, or this by kustomize.\n"
    return head + text


FILES = {SCHEMA: schema, MANIFEST: manifest}
