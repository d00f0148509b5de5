"""What the judges share: the tools, the counting, and a chart rendered."""

import os
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/usher"
TOOLS = Path(os.environ["TOOLS"])
HELM = TOOLS / "npm/layer/helm/helm"
KUBECTL = TOOLS / "npm/layer/kubectl/kubectl"
USHER = str(Path(os.environ["USHER_BIN"]).resolve())
COMBINATIONS = sorted((CHART / "ci").glob("*.yaml"))

passed = 0
failed = 0


def check(what, problems=()):
    """Counts one check; `problems` is what speaks against it, or whether something does."""
    global passed, failed
    if not problems:
        passed += 1
        print(f"ok    {what}")
        return
    failed += 1
    print(f"FAIL  {what}")
    if problems is not True:
        for problem in problems if isinstance(problems, list) else [problems]:
            print("      " + str(problem).replace("\n", "\n      "))


def run(*command, **more):
    """The command's end: code, output, errors, all as text."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(TOOLS), "LANG": "C.UTF-8"}
    return subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600,
        env=more.pop("env", environment), **more,
    )


def helm(*arguments, **more):
    """helm without what it says of the two symbolic links, which are meant."""
    done = run(HELM, *arguments, **more)
    done.stderr = "\n".join(line for line in done.stderr.splitlines() if "found symbolic link" not in line)
    return done


def template(values=None, *flags, chart=CHART, release="usher"):
    """What helm renders, as text."""
    files = ["-f", values] if values else []
    return helm("template", release, chart, "--namespace", "usher", *files, *flags)


def documents(text):
    return [document for document in yaml.safe_load_all(text) if document]


def of_kind(objects, kind, ending=""):
    return next((one for one in objects if one["kind"] == kind and one["metadata"]["name"].endswith(ending)), None)


def settings():
    """Every setting by its key, as docs/configuration.md has them, which cargo test keeps true."""
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", (ROOT / "docs/configuration.md").read_text(), re.MULTILINE)
    return {
        key: {"key": key, "form": form, "default": re.sub("^none$|`", "", default), "about": about}
        for key, form, default, about in rows
    }
