"""What `deploy/` says to engines that need not be here: the image, compose, systemd, Helm. It is linted, rendered and held
against schemas; the program that is named in it is asked whether it knows the roles and settings."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

from harness import installing, places, processes

DEPLOY = places.ROOT / "deploy"
CHART = DEPLOY / "helm" / "baton"
LINTERS = places.E2E / "linters"
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
# The oldest that the chart names, and a newer one.
KUBERNETES = ("1.30", "1.36")
# systemd's measure of what a unit could do, 0 to 10 times ten; unlimited units have 96.
EXPOSURE_MAX = 15
SECRET_NAMES = re.compile(r"PASSWORD|TOKEN|SECRET|DATABASE_URL")


def run(_, results):
    """Cases that need no server."""
    python = installing.python_environment("linters", LINTERS / "requirements.txt") / "bin"
    with results.case("manifests: the image's recipe is sound"):
        check_image(python)
    with results.case("manifests: the image's sources are in its context"):
        check_context()
    with results.case("manifests: compose has the whole topology, and publishes it to this machine only"):
        check_compose(python)
    with results.case("manifests: Grafana finds its datasource and dashboards"):
        check_grafana(python)
    units(results)
    chart(python, results)


def said(*words, environment=None, failing=False):
    """What a program says; it must succeed, or fail."""
    done = subprocess.run(
        [str(word) for word in words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env={**processes.own_environment(), **(environment or {})}, cwd=places.ROOT)
    assert (done.returncode != 0) == failing, f"{words[0]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr if failing else done.stdout


def read(python, kind, path, *versions):
    return json.loads(said(python / "python", LINTERS / "read.py", kind, path, *versions))


def check_process(where, words, environment):
    """The binary knows the role, and every setting that the environment makes."""
    assert words and not words[0].startswith("-"), f"{where}: no role in {words}"
    said(places.baton(), *words, "--help")
    ours = {name: str(value) for name, value in environment.items() if name.startswith("BATON_")}
    ours = {name: re.sub(r"\$\{[^}]*\}", "letters", value) for name, value in ours.items()}
    ours.pop("BATON_CONFIG", None)
    shown = json.loads(said(places.baton(), "config", "show", "--output", "json", environment=ours))
    known = {setting["variable"] for setting in shown if setting["origin"].startswith("environment")}
    assert known == set(ours), f"{where}: unknown settings {set(ours) - known}"


def check_image(python):
    recipe = places.ROOT / "Dockerfile"
    said(python / "hadolint", recipe)
    last = recipe.read_text().rsplit("\nFROM ", 1)[1]
    user = re.search(r"^USER (\d+)", last, re.MULTILINE)
    assert user and int(user[1]) > 0, "it does not say which user that is not root it runs as"
    [check] = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", last, re.MULTILINE)
    [entry] = re.findall(r"^ENTRYPOINT (\[.*\])$", last, re.MULTILINE)
    [program] = json.loads(entry)
    program_of_check, *words = json.loads(check)
    assert program_of_check == program
    [role] = json.loads(re.search(r"^CMD (\[.*\])$", last, re.MULTILINE)[1])
    environment = dict(pair.split("=") for line in re.findall(r"^ENV (.*)$", last, re.MULTILINE) for pair in line.split())
    for one in (words, [role]):
        check_process("Dockerfile", one, environment)


def check_context():
    """What .dockerignore lets through is a workspace, and has every file that the code includes."""
    kept = re.findall(r"^!(\S+)$", (places.ROOT / ".dockerignore").read_text(), re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        context = pathlib.Path(folder)
        for name in kept:
            path = places.ROOT / name
            if path.is_dir():
                shutil.copytree(path, context / name)
            else:
                shutil.copy(path, context / name)
        said("cargo", "metadata", "--locked", "--offline", "--format-version", "1", "--no-deps",
             "--manifest-path", context / "Cargo.toml")
        for source in context.glob("crates/*/src/**/*.rs"):
            for name in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
                assert (source.parent / name).exists(), f"{source.relative_to(context)} includes {name}"


def check_compose(python):
    path = DEPLOY / "compose.yaml"
    [whole] = read(python, "compose", path)
    services = whole["services"]
    roles = sorted(service["command"][0] for service in services.values() if "build" in service)
    assert roles == ["executor", "executor", "gateway", "gateway", "migrate"], roles
    assert {"postgres", "prometheus", "grafana"} < services.keys()
    for name, service in services.items():
        environment = service.get("environment", {})
        for variable, value in environment.items():
            assert not SECRET_NAMES.search(variable) or "${" in value, f"{name}: {variable} is written down"
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in whole["volumes"] or (DEPLOY / source).exists(), f"{name}: no {source}"
        if "build" in service:
            check_process(f"compose {name}", service["command"], environment)
            assert (DEPLOY / service["build"]["context"] / "Dockerfile").exists()
            assert service["read_only"] and service["cap_drop"] == ["ALL"], f"{name} may write or has privileges"
            assert service["stop_grace_period"] == "30s"
    targets = [target for job in read(python, "yaml", DEPLOY / "prometheus" / "prometheus.yaml")[0]["scrape_configs"]
               for one in job["static_configs"] for target in one["targets"]]
    assert {target.split(":")[0] for target in targets} == {name for name in services if name[-2:] in ("-1", "-2")}, targets


def check_grafana(python):
    folder = DEPLOY / "grafana"
    [sources] = read(python, "yaml", folder / "provisioning" / "datasources" / "prometheus.yaml")
    [source] = sources["datasources"]
    [providers] = read(python, "yaml", folder / "provisioning" / "dashboards" / "baton.yaml")
    [compose] = read(python, "yaml", DEPLOY / "compose.yaml")
    mounts = dict(volume.split(":")[1::-1] for volume in compose["services"]["grafana"]["volumes"])
    assert mounts[providers["providers"][0]["options"]["path"]] == "./grafana/dashboards"
    boards = [json.loads(path.read_text()) for path in sorted((folder / "dashboards").glob("*.json"))]
    assert len(boards) == 4 and len({board["uid"] for board in boards}) == 4, "four dashboards with ids of their own"
    said("python3", places.ROOT / "tools" / "dashboards.py", "--check")
    for board in boards:
        for panel in board["panels"]:
            assert panel["datasource"]["type"] == source["type"], f"{board['title']}: {panel['title']}"


def units(results):
    """systemd's own word on each unit."""
    found = sorted((DEPLOY / "systemd").glob("*.service"))
    if not shutil.which("systemd-analyze"):
        return results.skip("manifests: systemd units", "systemd-analyze is not installed")
    with results.case(f"manifests: {len(found)} systemd units are sound and may do little"):
        assert len(found) == 3
        for unit in found:
            check_unit(unit)


def check_unit(unit):
    text = unit.read_text()
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder) / unit.name
        here.write_text(text.replace("/usr/local/bin/baton", str(places.baton())))
        said("systemd-analyze", "verify", "--man=no", here)
        said("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", here)
    [start] = re.findall(r"^ExecStart=\S+ (.*)$", text, re.MULTILINE)
    environment = dict(re.findall(r"^Environment=(\w+)=(.*)$", text, re.MULTILINE))
    check_process(unit.name, start.split(), environment)
    assert "BATON_CONFIG" in environment and not SECRET_NAMES.search(" ".join(environment)), environment


def chart(python, results):
    try:
        helm = install_helm()
    except (AssertionError, OSError) as error:
        return results.skip("manifests: Helm chart", f"helm cannot be had here: {str(error)[:200]}")
    with results.case("manifests: the chart is sound, and renders what Kubernetes knows"):
        check_chart(python, helm)
    with results.case("manifests: the chart asks for a secret instead of holding one"):
        words = said(helm, "template", "baton", CHART, "--kube-version", KUBERNETES[0], failing=True)
        assert "existingSecret" in words, words
        values = read(python, "yaml", CHART / "values.yaml")[0]
        assert not values["database"]["existingSecret"] and "postgres://" not in json.dumps(values)


def install_helm():
    """Helm, built from its source; the Go toolchain keeps what it built."""
    def install(folder):
        installing.command(["env", f"GOBIN={folder}", "go", "install", HELM])

    return installing.once("helm", [pathlib.Path(__file__)], install) / "helm"


def check_chart(python, helm):
    given = ("--set", "database.existingSecret=baton-database", "--kube-version", KUBERNETES[0])
    said(helm, "lint", "--strict", CHART, *given)
    for more in ((), ("--set", "podMonitor.enabled=true"), ("--set-string", "gateway.env.BATON_EVALUATORS=4")):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as rendered:
            rendered.write(said(helm, "template", "shop", CHART, *given, *more))
            rendered.flush()
            check_rendered(read(python, "kubernetes", rendered.name, *KUBERNETES), monitored=bool(more and "Monitor" in more[1]))


def check_rendered(documents, monitored):
    kinds = sorted(document["kind"] for document in documents)
    expected = ["Deployment"] * 2 + ["Job"] + ["PodDisruptionBudget"] * 2 + ["PodMonitor"] * 2 * monitored + ["Service", "ServiceAccount"]
    assert kinds == expected, kinds
    pods = {}
    for document in documents:
        if document["kind"] in ("Deployment", "Job"):
            pods[document["metadata"]["name"]] = document["spec"]["template"]
            check_pod(document)
    for document in documents:
        if document["kind"] in ("PodDisruptionBudget", "Service"):
            selector = document["spec"]["selector"]
            selector = selector.get("matchLabels", selector).items()
            chosen = [name for name, pod in pods.items() if selector <= pod["metadata"]["labels"].items()]
            assert len(chosen) == 1, f"{document['kind']} {document['metadata']['name']} selects {chosen}"
    [job] = [document for document in documents if document["kind"] == "Job"]
    assert "pre-upgrade" in job["metadata"]["annotations"]["helm.sh/hook"]


def check_pod(document):
    spec = document["spec"]["template"]["spec"]
    [container] = spec["containers"]
    where = f"{document['kind']} {document['metadata']['name']}"
    assert spec["securityContext"]["runAsNonRoot"] and not spec["automountServiceAccountToken"], where
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"] and limits["capabilities"]["drop"] == ["ALL"], where
    plain = {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
    secret = {entry["name"] for entry in container["env"] if "valueFrom" in entry}
    assert not any(SECRET_NAMES.search(name) for name in plain), where
    check_process(where, container["args"], {**plain, **({"BATON_DATABASE_URL": "postgres://u:p@h/d"} if secret else {})})
    if document["kind"] == "Deployment":
        assert {"livenessProbe", "readinessProbe"} <= container.keys(), f"{where}: probes"
        assert spec["terminationGracePeriodSeconds"] * 1000 > int(plain["BATON_DRAIN_MS"]), where
