"""Judges the chart; run by ./run, which installs what this needs. The last line counts the checks."""

import json
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from pathlib import Path

import kubernetes_validate
import yaml

import generated
import kit
from kit import CHART, COMBINATIONS, HELM, KUBECTL, ROOT, TOOLS, USHER, check, documents, helm, of_kind, run, template

# Kubernetes from the oldest that Chart.yaml takes to the newest that there are schemas of.
KUBERNETES = ["1.30", "1.37"]
OTHERS = {"HTTPRoute", "ServiceMonitor", "PrometheusRule"}

# What checkov would have otherwise, and why it is not so.
NOT_FOR_US = {
    "CKV_K8S_11": "no CPU limit: being throttled is what makes the slowest calls slow",
    "CKV_K8S_43": "which image is the operator's; image.digest is there for it",
    "CKV_K8S_15": "a tag that never changes need not be pulled each time",
}
# Where values switch something off to show that it can be.
SWITCHED_OFF = {"nothing-optional": {"CKV2_K8S_6"}, "everything": {"CKV2_K8S_6"}}

SECRETS = "/run/secrets/usher/"


def name_of(values):
    return values.stem


def merged(values):
    """What `config` and the rest are, defaults and file together, as helm puts them together."""
    def over(below, above):
        if not (isinstance(below, dict) and isinstance(above, dict)):
            return above
        return {key: over(below[key], above[key]) if key in below and key in above else {**below, **above}[key]
                for key in {**below, **above}}
    return over(yaml.safe_load((CHART / "values.yaml").read_text()), yaml.safe_load(values.read_text()))


# --- What helm says ---


def judge_by_helm():
    bare = helm("lint", "--strict", CHART)
    check("helm lint --strict", bare.returncode and bare.stdout + bare.stderr)
    rendered = {}
    for values in COMBINATIONS:
        lint = helm("lint", "--strict", CHART, "-f", values, "--namespace", "usher")
        done = template(values)
        complaint = (lint.returncode and lint.stdout + lint.stderr) or (done.returncode and done.stderr)
        check(f"{name_of(values)}: helm lint --strict and helm template", complaint)
        if not done.returncode:
            rendered[values] = done.stdout
    return rendered


def judge_package(rendered):
    with tempfile.TemporaryDirectory() as folder:
        made = helm("package", CHART, "--destination", folder)
        packages = list(Path(folder).glob("*.tgz"))
        values = CHART / "ci/everything.yaml"
        same = packages and template(values, chart=packages[0]).stdout == rendered.get(values)
        check("helm package holds all that the chart does", not same and made.stderr)


def judge_the_examples():
    """The values in docs/operations.md, one after the other."""
    texts = re.findall(r"```yaml\n# (?:more )?values\.yaml\n(.*?)```", (ROOT / "docs/operations.md").read_text(), re.DOTALL)
    with tempfile.TemporaryDirectory() as folder:
        flags = []
        for number, text in enumerate(texts):
            file = Path(folder) / f"{number}.yaml"
            file.write_text(text)
            flags += ["-f", file]
        done = template(None, *flags)
        check("the examples in docs/operations.md are taken", done.returncode and done.stderr)


def judge_coverage(rendered):
    """Every template renders something, and something else where its values are."""
    whole = "".join(rendered.values())
    templates = [str(file.relative_to(CHART)) for file in (CHART / "templates").rglob("*.yaml")]
    silent = [file for file in templates if f"# Source: usher/{file}\n" not in whole]
    check("every template is rendered by some combination", silent)
    used = yaml.safe_load((CHART / "values.yaml").read_text())
    said = [yaml.safe_load(values.read_text()) for values in COMBINATIONS]
    never = [value for value in used if not any(value in one for one in said)]
    check("every value is changed by some combination", [value for value in never if value not in ("resources", "minReadySeconds")])


# --- What schemas say ---


def judge_by_schemas(rendered):
    others = []
    for values, text in rendered.items():
        problems = []
        for one in documents(text):
            if one["kind"] in OTHERS:
                others.append((name_of(values), one))
                continue
            for version in KUBERNETES:
                try:
                    kubernetes_validate.validate(one, version, strict=True)
                except Exception as error:  # each finding has a type of its own
                    problems.append(f"{one['kind']} by {version}: {error}")
        check(f"{name_of(values)}: fits the schemas of Kubernetes {' and '.join(KUBERNETES)}, strictly", problems)
    found = [json.loads(line) for line in by_their_own(others)]
    for one in found:
        check(f"{one['from']}: {one['kind']} fits its own definition", one["problems"])
    check("there was one of each kind that others define", sorted(OTHERS - {one["kind"] for one in found}))
    wrong = json.loads(json.dumps(next((one for _, one in others if one["kind"] == "HTTPRoute"), {})))
    wrong.get("spec", {}).get("rules", [{}])[0].setdefault("timeouts", {}).update(reqest="0s", request="a while")
    noticed = by_their_own([("wrong", wrong)])
    noticed = json.loads(noticed[0])["problems"] if noticed else []
    check("a misspelled field and a wrong duration would be noticed", len(noticed) < 2)


def by_their_own(resources):
    done = run("node", ROOT / "tests/chart/others.mjs", TOOLS / "npm", input=json.dumps(resources))
    if done.returncode:
        check("the definitions of others can be asked", done.stderr)
    return done.stdout.splitlines()


def judge_by_checkov(rendered):
    with tempfile.TemporaryDirectory() as folder:
        for values, text in rendered.items():
            # The pod of `helm test` is there for seconds, and checkov wants probes of it.
            kept = [one for one in documents(text) if one["kind"] != "Pod"]
            (Path(folder) / f"{name_of(values)}.yaml").write_text(yaml.safe_dump_all(kept))
        done = run(TOOLS / "checkov/bin/python", TOOLS / "checkov/bin/checkov", "-d", folder, "--framework", "kubernetes",
                   "--compact", "--quiet", "-o", "json", "--skip-check", ",".join(NOT_FOR_US), "--skip-download")
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return check("checkov answers", done.stdout + done.stderr or True)
    for values in rendered:
        name = name_of(values)
        found = [row for row in report["results"]["failed_checks"] if row["file_path"] == f"/{name}.yaml"]
        found = [row for row in found if row["check_id"] not in SWITCHED_OFF.get(name, ())]
        check(f"{name}: checkov finds nothing", [f"{row['check_id']} {row['check_name']}: {row['resource']}" for row in found])
    check("checkov looked at something", report["summary"]["passed"] < 50 * len(rendered))


# --- What values are refused ---

GIVEN = {"config.server.public_url": "https://mcp.example.com", "config.issuer.url": "https://acme.logto.app/oidc"}
REFUSED = [
    ("an unknown value", {"replicaCount": 3}, "replicaCount"),
    ("a setting that Usher does not have", {"config": {"session": {"maximum": 3}}}, "maximum"),
    ("a section that Usher does not have", {"config": {"sessions": {"max": 3}}}, "sessions"),
    ("a duration without a unit", {"config": {"session": {"idle_after": 600}}}, "idle_after"),
    ("a duration of a unit unknown", {"config": {"session": {"idle_after": "10 minutes"}}}, "idle_after"),
    ("a number as a text", {"config": {"session": {"max": "many"}}}, "max"),
    ("a choice that there is not", {"config": {"issuer": {"verification": "none"}}}, "verification"),
    ("a public URL that is none", {"config": {"server": {"public_url": "mcp.example.com"}}}, "public_url"),
    ("a secret in the configuration", {"config": {"logto": {"client_secret": "hush"}}}, "client_secret"),
    ("a secret in a variable", {"extraEnv": [{"name": "USHER_LOGTO_CLIENT_SECRET", "value": "hush"}]}, "extraEnv"),
    ("what the chart itself sets", {"config": {"server": {"drain_after": "5s"}}}, "drain_after"),
    ("half a reference to a secret", {"secrets": {"registration": {"key_file": {"name": "keys"}}}}, "key_file"),
    ("a secret both referred to and given", {"secrets": {"registration": {"key_file": {"name": "a", "key": "b", "value": "c"}}}}, "key_file"),
    ("a digest that is none", {"image": {"digest": "latest"}}, "digest"),
    ("no sleep before SIGTERM", {"shutdown": {"preStopSeconds": 0}}, "preStopSeconds"),
    ("scaling by nothing", {"autoscaling": {"sessionsPerPod": 0, "cpuPercent": 0}}, "autoscaling"),
    ("pods that share nothing", {"replicas": 2}, "config.cluster.url"),
    ("scaling pods that share nothing", {"autoscaling": {"enabled": True}}, "config.cluster.url"),
    ("a cluster without a key", {"config": {"cluster": {"url": "redis://a"}}}, "secrets.cluster.key_file"),
    ("fewer pods at most than at least", {"separateReplicas": True, "autoscaling": {"enabled": True, "maxReplicas": 1}}, "maxReplicas"),
    ("no public URL", {"config": {"server": {"public_url": ""}}}, "config.server.public_url"),
    ("no issuer", {"config": {"issuer": {"url": ""}}}, "config.issuer.url"),
    ("a secret in both places", {"config": {"registration": {"key_file": "/a"}}, "secrets": {"registration": {"key_file": {"name": "a", "key": "b"}}}}, "registration.key_file"),
    ("a route without a gateway", {"httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
]


def judge_refusals():
    given = [flag for key, value in GIVEN.items() for flag in ("--set", f"{key}={value}")]
    taken = template(None, *given)
    check("what has to be given is enough", taken.returncode and taken.stderr)
    for what, values, named in REFUSED:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(values, file)
            file.flush()
            # The file comes last, as a user's own would.
            base = CHART / "ci/minimal.yaml"
            done = template(base, "-f", file.name)
        check(f"refused: {what}", not done.returncode or (named not in done.stderr and done.stderr))


# --- What usher says ---


def container(objects):
    return of_kind(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]


def variables(objects):
    """The container's, with an address of the family that it listens on."""
    said = {one["name"]: one["value"] for one in container(objects)["env"] if "value" in one}
    address = "fd00::7" if said["USHER_SERVER_LISTEN"].startswith("[") else "10.1.2.3"
    return {name: value.replace("$(POD_IP)", address) for name, value in said.items()}


def on_this_machine(objects, folder):
    """The pod's files in `folder`, secrets as Kubernetes would mount them; the configuration with these paths."""
    text = of_kind(objects, "ConfigMap")["data"]["usher.toml"]
    for volume in of_kind(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["secret"]["items"]:
                file = folder / item["path"]
                file.write_text("5a" * 32 + "\n")
                file.chmod(volume["projected"]["defaultMode"])
    text = text.replace(SECRETS, f"{folder}/")
    file = folder / "usher.toml"
    file.write_text(text)
    return file


def judge_by_usher(rendered):
    for values, text in rendered.items():
        objects = documents(text)
        with tempfile.TemporaryDirectory() as folder:
            file = on_this_machine(objects, Path(folder))
            env = {name: value for name, value in variables(objects).items() if name.startswith("USHER_")}
            done = run(USHER, "config", "--config", file, "--json", env=env)
            check(f"{name_of(values)}: usher takes the configuration", done.returncode and done.stdout + done.stderr)
            in_force = json.loads(done.stdout or "{}")
            check(f"{name_of(values)}: it is what values say", differences(values, objects, in_force))


def differences(values, objects, in_force):
    """Where the file says something else than the values, or usher is not where the manifests look for it."""
    wanted = merged(values)
    said = tomllib.loads(of_kind(objects, "ConfigMap")["data"]["usher.toml"])
    found = []
    for section, settings in wanted["config"].items():
        settings = dict(settings) if isinstance(settings, dict) else settings
        if section == "log":
            settings.pop("format")
        if section == "issuers":
            there = said.get("issuers")
        else:
            there = {name: said.get(section, {}).get(name) for name in settings}
        settings = json.loads(json.dumps(settings), parse_float=str)
        if there != settings:
            found.append(f"{section}: {there} and not {settings}")
    for section, secrets in wanted["secrets"].items():
        found += [f"{section}.{name} is not mounted" for name in secrets
                  if said[section][name] != f"{SECRETS}{section}.{name}"]
    pod = of_kind(objects, "Deployment")["spec"]["template"]["spec"]
    ports = {port["name"]: port["containerPort"] for port in container(objects)["ports"]}
    places = [("server.listen", "http"), ("server.admin_listen", "admin")]
    if "cluster" in ports:
        places += [("cluster.listen", "cluster"), ("cluster.advertise", "cluster")]
    elif wanted["config"].get("cluster"):
        found.append("there is no port for other pods")
    for setting, port in places:
        if not in_force.get(setting, "").endswith(f":{ports[port]}"):
            found.append(f"{setting} is {in_force.get(setting)}, the container's port {ports[port]}")
    drain = int(said["server"]["drain_after"].removesuffix("s"))
    sleep = container(objects)["lifecycle"]["preStop"]["sleep"]["seconds"]
    if pod["terminationGracePeriodSeconds"] <= drain + sleep:
        found.append(f"terminationGracePeriodSeconds ends before {sleep} s and {drain} s have passed")
    if in_force.get("log.format") != wanted["config"]["log"]["format"]:
        found.append(f"log.format is {in_force.get('log.format')}")
    return found


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def status(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def judge_a_start(rendered):
    """As the pod would start it, but for the ports; its probes are asked where the manifest has them."""
    objects = documents(rendered[CHART / "ci/minimal.yaml"])
    one = container(objects)
    port, admin = free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        file = on_this_machine(objects, Path(folder))
        arguments = [str(file) if word == "/etc/usher/usher.toml" else word for word in one["args"]]
        process = subprocess.Popen(
            [USHER, *arguments, "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"],
            env=variables(objects), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        try:
            live = one["livenessProbe"]["httpGet"]["path"]
            until = time.monotonic() + 20
            while status(f"http://127.0.0.1:{admin}{live}") == 0 and time.monotonic() < until:
                time.sleep(0.05)
            check("usher serve starts with the rendered file, and the liveness probe succeeds",
                  status(f"http://127.0.0.1:{admin}{live}") != 200)
            ready = status(f"http://127.0.0.1:{admin}{one['readinessProbe']['httpGet']['path']}")
            check("the readiness probe is answered, and not before its issuer was reached", ready != 503 and f"it says {ready}")
            check("metrics are where the ServiceMonitor looks", status(f"http://127.0.0.1:{admin}/metrics") != 200)
            process.send_signal(signal.SIGTERM)
            check("SIGTERM ends it with exit code 0", process.wait(30) != 0)
        finally:
            process.kill()


# --- What has to agree ---


def judge_agreement(rendered):
    objects = documents(rendered[CHART / "ci/everything.yaml"])
    alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text())
    rules = [rule for group in alerts["groups"] for rule in group["rules"]]
    bare = documents(rendered[CHART / "ci/by-cpu.yaml"])
    check("the PrometheusRule is deploy/prometheus/alerts.yaml", of_kind(bare, "PrometheusRule")["spec"] != alerts)
    dashboard = json.loads((ROOT / "deploy/grafana/usher.json").read_text())
    theirs = of_kind(objects, "ConfigMap", "-dashboard")["data"]["usher.json"]
    check("the dashboard is deploy/grafana/usher.json", json.loads(theirs) != dashboard)
    based = [rule for group in of_kind(objects, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    base = yaml.safe_load((CHART / "ci/everything.yaml").read_text())["prometheusRule"]["runbookBase"]
    headings = re.findall(r"^#+ +(.*)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    lost = [rule["alert"] for rule in rules
            if rule["annotations"].get("runbook_url") != f"docs/operations.md#{rule['alert'].lower()}" or rule["alert"].lower() not in anchors]
    check("every alert has its section in docs/operations.md, and says so", lost)
    check("a runbook's URL begins where values say", [rule["alert"] for rule in based
          if not rule["annotations"].get("runbook_url", "").startswith(base + "docs/")])
    for values, text in rendered.items():
        check(f"{name_of(values)}: selectors find the pods, and routes the Service", strays(documents(text)))


def strays(objects):
    pod = of_kind(objects, "Deployment")["spec"]["template"]
    labels, found = pod["metadata"]["labels"], []
    for one in objects:
        spec = one.get("spec", {})
        selector = {"Service": spec.get("selector"), "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
                    "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
                    "Deployment": spec.get("selector", {}).get("matchLabels")}.get(one["kind"], {})
        if not selector.items() <= labels.items():
            found.append(f"{one['kind']} selects {selector}")
        if one["kind"] == "Pod" and of_kind(objects, "Service")["spec"]["selector"].items() <= one["metadata"]["labels"].items():
            found.append("the Service would send clients to the pod of helm test")
    services = {one["metadata"]["name"]: one["spec"]["ports"] for one in objects if one["kind"] == "Service"}
    route, ingress, monitor = (of_kind(objects, kind) for kind in ("HTTPRoute", "Ingress", "ServiceMonitor"))
    for rule in (route or {}).get("spec", {}).get("rules", []):
        for backend in rule["backendRefs"]:
            if backend["port"] not in [port["port"] for port in services.get(backend["name"], [])]:
                found.append(f"HTTPRoute leads to {backend}")
    for rule in (ingress or {}).get("spec", {}).get("rules", []):
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            if backend["port"]["name"] not in [port["name"] for port in services.get(backend["name"], [])]:
                found.append(f"Ingress leads to {backend}")
    if monitor:
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        seen = [one for one in objects if one["kind"] == "Service" and wanted <= one["metadata"]["labels"].items()]
        if [one["metadata"]["name"].rsplit("-", 1)[-1] for one in seen] != ["admin"]:
            found.append("ServiceMonitor does not look at the admin Service alone")
    return found


def judge_generated(write):
    asked = run(USHER, "config", "--keys", "--json").stdout.splitlines()
    known = {json.loads(line)["key"] for line in asked}
    check("docs/configuration.md has the settings of the usher at hand", sorted(known ^ set(kit.settings())))
    for file, made in generated.FILES.items():
        if write:
            file.write_text(made())
        stale = file.read_text() != made()
        check(f"{file.relative_to(ROOT)} is up to date", stale and "tests/chart/run --write makes it so")
    built = run(KUBECTL, "kustomize", ROOT / "deploy/kubernetes")
    check("kubectl kustomize deploy/kubernetes", built.returncode and built.stderr)
    problems = []
    for one in documents(built.stdout):
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except Exception as error:  # each finding has a type of its own
                problems.append(f"{one['kind']}: {error}")
    check("deploy/kubernetes fits the schemas of Kubernetes", problems)


def judge_dockerfile():
    done = run(TOOLS / "judges/bin/hadolint", ROOT / "Dockerfile")
    check("hadolint finds nothing in the Dockerfile", done.returncode and done.stdout + done.stderr)


def main():
    # First: helm reads the schema.
    judge_generated(write="--write" in sys.argv)
    rendered = judge_by_helm()
    judge_coverage(rendered)
    judge_package(rendered)
    judge_the_examples()
    judge_by_schemas(rendered)
    judge_refusals()
    judge_by_usher(rendered)
    judge_a_start(rendered)
    judge_agreement(rendered)
    judge_by_checkov(rendered)
    judge_dockerfile()
    print(f"{kit.passed} passed, {kit.failed} failed")
    sys.exit(1 if kit.failed else 0)


if __name__ == "__main__":
    main()
