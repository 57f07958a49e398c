#!/usr/bin/env python3
"""Checks the Helm chart without a cluster.

    tests/chart/run.py HELM KUBECONFORM

For each file in tests/chart/values: `helm lint --strict`; the rendered objects by the schemas of
Kubernetes (those of the package kubernetes-validate); rules that no schema has; and then real
processes. Redis, the API and a worker start with the arguments, the environment and the files that
the chart gives to their containers, the probe asks for the health, and a frame goes through.
scripts/chart.sh finds the tools.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "clients/python/tests"))

from processes import DEADLINE_SECONDS, free_port, program, wait_until  # noqa: E402

CHART = ROOT / "deploy/helm/frameway"
NAMESPACE = "cameras"
KUBERNETES = ("1.30.0", "1.37.0")
"""The oldest version that the chart is for, and the newest with schemas."""
WITHOUT_SCHEMA = "Certificate,ServiceMonitor,PrometheusRule"
"""Kinds of other projects, whose schemas no registry has."""

REFUSED = {
    "tls.certManager.issuerRef": ["tls.certManager.enabled=true"],
    "set one of them": ["tls.secretName=a", "tls.certManager.enabled=true"],
    "client certificates need TLS": ["tls.clientCaSecretName=a"],
    "needs tls.clientCaSecretName": ["tls.secretName=a", "tls.requireClientCertificate=true"],
    "needs tls.probeSecretName": ["tls.secretName=a", "tls.clientCaSecretName=a", "tls.requireClientCertificate=true"],
    "name the Secret with the URL of Redis": ["redis.bundled.enabled=false"],
    "redis.urlSecretName and redis.bundled.enabled": ["redis.urlSecretName=a"],
    "the bundled Redis has no TLS": ["redis.caSecretName=a"],
    "metrics.serviceMonitor.enabled needs": ["metrics.enabled=false", "metrics.serviceMonitor.enabled=true"],
    "additional properties 'replica' not allowed": ["api.replica=3"],
    "preStopSeconds": ["api.preStopSeconds=soon"],
}
"""Values that the chart refuses, by a part of the message."""


class Failed(Exception):
    """A check failed."""


def check(holds: bool, what: str) -> None:
    if not holds:
        raise Failed(what)


def output(*command: str, text: str | None = None) -> str:
    """Runs a command that must succeed, and returns what it prints."""
    ran = subprocess.run(command, input=text, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    check(ran.returncode == 0, f"{' '.join(command)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def seconds(span: str) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(int(count) * units[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", span))


def schemas(folder: pathlib.Path, version: str) -> str:
    """Copies the schemas of a version so that kubeconform finds what they refer to. Returns its template of names."""
    package = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    copy = folder / version
    copy.mkdir()
    for file in (package / f"v{version}-local-strict").glob("*.json"):
        (copy / file.name).write_text(file.read_text().replace('"/api/_definitions.json', f'"file://{copy}/_definitions.json'))
    return f"{copy}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


class Release:
    """The objects that the chart makes of one file of values."""

    def __init__(self, helm: str, values: pathlib.Path) -> None:
        what = ("site", str(CHART), "--namespace", NAMESPACE, "--values", str(values))
        self.text = output(helm, "template", *what)
        self.notes = output(helm, "install", "--dry-run=client", *what).partition("\nNOTES:")[2]
        self.objects = [one for one in yaml.safe_load_all(self.text) if one]

    def all(self, kind: str) -> list[dict]:
        return [one for one in self.objects if one["kind"] == kind]

    def named(self, kind: str, name: str) -> dict:
        found = [one for one in self.all(kind) if one["metadata"]["name"] == name]
        check(len(found) == 1, f"{len(found)} {kind} {name}")
        return found[0]

    def pod(self, component: str) -> dict:
        kind = "StatefulSet" if component == "redis" else "Deployment"
        return self.named(kind, f"site-frameway-{component}")["spec"]["template"]

    def has(self, component: str) -> bool:
        return any(one["metadata"]["name"] == f"site-frameway-{component}" for one in self.all("StatefulSet"))


def arguments(release: Release, component: str) -> list[str]:
    return [str(word) for word in release.pod(component)["spec"]["containers"][0]["args"]]


def check_rules(release: Release) -> None:
    """Checks what no schema says."""
    for kind in ("Deployment", "StatefulSet"):
        for one in release.all(kind):
            name, template = one["metadata"]["name"], one["spec"]["template"]
            pod, selector = template["spec"], one["spec"]["selector"]["matchLabels"]
            check(selector.items() <= template["metadata"]["labels"].items(), f"{name}: selects other pods")
            check(pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault", name)
            check(pod["automountServiceAccountToken"] is False, f"{name}: has a token of the cluster")
            volumes = {volume["name"] for volume in pod.get("volumes", [])}
            volumes |= {claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])}
            for container in pod["containers"]:
                security = container["securityContext"]
                restricted = (
                    security["readOnlyRootFilesystem"]
                    and not security["allowPrivilegeEscalation"]
                    and security["capabilities"] == {"drop": ["ALL"]}
                )
                check(restricted, f"{name}: {security}")
                check("memory" in container["resources"]["limits"], f"{name}: its memory is not limited")
                check({mount["name"] for mount in container["volumeMounts"]} == volumes, f"{name}: volumes and mounts differ")
    for component in ("api", "worker"):
        pod = release.pod(component)["spec"]
        drain = next(word for word in arguments(release, component) if word.startswith("--drain-timeout="))
        before = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = seconds(drain.split("=")[1]) + before + 5
        check(pod["terminationGracePeriodSeconds"] >= needed, f"{component}: needs {needed} s to end")
    # A selector or a port that names nothing is not an error of a schema.
    pods = [one["spec"]["template"] for kind in ("Deployment", "StatefulSet") for one in release.all(kind)]
    ports = lambda pod: {port["name"] for container in pod["spec"]["containers"] for port in container.get("ports", [])}  # noqa: E731
    selected = [(one, one["spec"]["selector"], [port["targetPort"] for port in one["spec"]["ports"]]) for one in release.all("Service")]
    for one in release.all("NetworkPolicy"):
        rules = one["spec"]["ingress"]
        selected.append((one, one["spec"]["podSelector"]["matchLabels"], [port["port"] for rule in rules for port in rule["ports"]]))
    selected += [(one, one["spec"]["selector"]["matchLabels"], []) for one in release.all("PodDisruptionBudget")]
    for one, selector, named in selected:
        chosen = [pod for pod in pods if selector.items() <= pod["metadata"]["labels"].items()]
        check(chosen != [], f"{one['kind']} {one['metadata']['name']} selects no pod")
        for pod in chosen:
            check(set(named) <= ports(pod), f"{one['kind']} {one['metadata']['name']}: {named}, but the pod has {ports(pod)}")
    for one in release.all("PrometheusRule"):
        alerts = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
        check(one["spec"] == alerts, "PrometheusRule: not the rules of deploy/prometheus/alerts.yml")
    for one in release.all("ServiceMonitor"):
        wanted = one["spec"]["selector"]["matchLabels"].items()
        check(any(wanted <= service["metadata"]["labels"].items() for service in release.all("Service")), "ServiceMonitor: no Service")


def check_exposure(release: Release) -> None:
    """Checks that other pods reach the API only with TLS and an access file, or if told so."""
    words = arguments(release, "api")
    safe = any(word.startswith("--tls-cert=") for word in words) and any(word.startswith("--access-file=") for word in words)
    exposed = safe or "--insecure" in words
    check(("--listen=0.0.0.0:7400" in words) == exposed and ("--listen=127.0.0.1:7400" in words) == (not exposed), str(words))
    services = [one for one in release.all("Service") if one["metadata"]["name"] in ("site-frameway", "site-frameway-headless")]
    check(len(services) == (2 if exposed else 0), f"{len(services)} Services of the API")
    policies = [one for one in release.all("NetworkPolicy") if one["metadata"]["name"] == "site-frameway-api"]
    opened = [port["port"] for one in policies for rule in one["spec"]["ingress"] for port in rule["ports"]]
    check(("grpc" in opened) == (exposed and policies != []), f"the network policy opens {opened}")
    warned, explained = "WARNING: `insecure`" in release.notes, "--set tls.secretName=" in release.notes
    check((warned, explained) == (exposed and not safe, not exposed), f"the notes: {release.notes}")


class Site:
    """The files and processes of one release, on this machine."""

    def __init__(self, release: Release, folder: pathlib.Path) -> None:
        self.release, self.folder = release, folder
        self.port, self.redis_port = free_port(), free_port()
        self.processes: dict[str, subprocess.Popen] = {}
        self._make_secrets()

    def _make_secrets(self) -> None:
        """Makes the contents of every Secret and ConfigMap, in the folders that the containers see."""
        certify(self.folder)
        for part in ("tls", "probe", "client-ca", "redis", "access", "config"):
            (self.folder / part).mkdir()
        for part in ("tls", "probe", "client-ca", "redis"):
            for name in ("tls.crt", "tls.key", "ca.crt"):
                (self.folder / part / name).write_bytes((self.folder / name).read_bytes())
        (self.folder / "redis/password").write_text("secret of the tests\n")
        key = output(program(), "keys", "create", "--access-file", str(self.folder / "access/access.toml"), "--principal", "a", "--grant", "admin")
        (self.folder / "key").write_text(key)
        for one in self.release.all("ConfigMap"):
            for name, text in one["data"].items():
                (self.folder / "config" / name).write_text(text)

    def here(self, word: str) -> str:
        """Replaces folders, names and ports of a container by those of this machine."""
        word = word.replace("/etc/frameway/", f"{self.folder}/")
        word = re.sub(r"^--listen=.*", f"--listen=127.0.0.1:{self.port}", word)
        word = re.sub(r"(https?)://[^/]*:7400", rf"\1://localhost:{self.port}", word)
        return word.replace("site-frameway-redis:6379", f"127.0.0.1:{self.redis_port}")

    def environment(self, component: str) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if not name.startswith("FRAMEWAY")}
        for variable in self.release.pod(component)["spec"]["containers"][0].get("env", []):
            if "value" in variable:
                found[variable["name"]] = self.here(variable["value"])
            elif variable["name"] == "REDISCLI_AUTH":
                found[variable["name"]] = (self.folder / "redis/password").read_text().strip()
            else:
                check(variable["name"] == "FRAMEWAY_REDIS_URL", f"where {variable['name']} comes from")
                over_tls = any(word["name"] == "FRAMEWAY_REDIS_CA" for word in self.release.pod(component)["spec"]["containers"][0]["env"])
                found[variable["name"]] = f"{'rediss' if over_tls else 'redis'}://127.0.0.1:{self.redis_port}"
        # Several releases run on one machine. Nobody reads their metrics here.
        if "FRAMEWAY_METRICS_LISTEN" in found:
            found["FRAMEWAY_METRICS_LISTEN"] = "127.0.0.1:0"
        return found

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder
            )

    def start_redis(self) -> None:
        own = ["--port", str(self.redis_port), "--bind", "127.0.0.1"]
        data = self.folder / "data"
        data.mkdir()
        if self.release.has("redis"):
            environment = self.environment("redis")
            words = arguments(self.release, "redis")
            command = [re.sub(r"\$\((\w+)\)", lambda name: environment[name[1]], word) for word in words]
            command[command.index("/data")] = str(data)
        else:
            environment, command = dict(os.environ), ["redis-server", "--dir", str(data), "--maxmemory-policy", "noeviction"]
            if "FRAMEWAY_REDIS_CA" in self.environment("api"):
                own = ["--port", "0", "--tls-port", str(self.redis_port), "--bind", "127.0.0.1", "--tls-auth-clients", "no"]
                for flag, name in (("cert", "tls.crt"), ("key", "tls.key"), ("ca-cert", "ca.crt")):
                    own += [f"--tls-{flag}-file", str(self.folder / name)]
        self.start("redis", [*command, *own], environment)

    def start_ours(self, component: str) -> None:
        words = [self.here(word) for word in arguments(self.release, component)]
        self.start(component, [program(), *words], self.environment(component))

    def probe(self) -> bool:
        """Runs the probe of the API."""
        container = self.release.pod("api")["spec"]["containers"][0]
        check(container["readinessProbe"]["exec"] == container["startupProbe"]["exec"], "the probes differ")
        check(self.processes["api"].poll() is None, "the server has ended")
        command = [self.here(word) for word in container["readinessProbe"]["exec"]["command"]]
        check(command[0] == "frameway", str(command))
        return subprocess.run([program(), *command[1:]], capture_output=True).returncode == 0

    def connect(self) -> list[str]:
        """Returns the flags of a client."""
        words = arguments(self.release, "api")
        connect = ["--address", f"http://127.0.0.1:{self.port}"]
        if any(word.startswith("--tls-cert=") for word in words):
            connect = ["--address", f"https://localhost:{self.port}", "--ca", str(self.folder / "ca.crt")]
        if "--tls-require-client-cert" in words:
            connect += ["--cert", str(self.folder / "tls.crt"), "--key", str(self.folder / "tls.key")]
        if any(word.startswith("--access-file=") for word in words):
            connect += ["--api-key-file", str(self.folder / "key")]
        return connect

    def works(self) -> bool:
        """Tells whether a worker has taken a partition."""
        asked = subprocess.run([program(), "queues", "--json", *self.connect()], capture_output=True, text=True)
        return re.search(r'"worker_id":\s*"[^"]', asked.stdout) is not None

    def send_a_frame(self) -> None:
        connect = self.connect()
        picture = self.folder / "picture.raw"
        picture.write_bytes(bytes(range(256)) * 8)
        output(program(), "submit", str(picture), "--stream", "a", "--register", "--raw-format", "gray8", "--width", "64", "--height", "32", *connect)
        output(program(), "subscribe", "a", "--from", "earliest", "--count", "1", "--json", *connect)

    def stop(self) -> None:
        """Ends what has no store to look after first, as a cluster would."""
        for name in ("api", "worker", "redis"):
            process = self.processes.pop(name)
            process.terminate()
            check(process.wait(DEADLINE_SECONDS) == 0, f"{name}: exit code {process.returncode} after SIGTERM\n{self.log(name)}")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def __enter__(self) -> Site:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for name, process in self.processes.items():
            process.kill()
            process.wait(DEADLINE_SECONDS)
            if kind is not None:
                print(f"--- {name}\n{self.log(name)}")


def certify(folder: pathlib.Path) -> None:
    """Makes an authority, and a certificate of it that serves as that of a server and of a client."""
    openssl = lambda *words: output("openssl", *words)  # noqa: E731
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=authority", "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt")
    openssl("req", *new_key, "-subj", "/CN=frameway", "-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    signed = ("-CA", f"{folder}/ca.crt", "-CAkey", f"{folder}/ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{folder}/names")
    openssl("x509", "-req", "-in", f"{folder}/tls.csr", *signed, "-out", f"{folder}/tls.crt")


def run_release(release: Release) -> None:
    with tempfile.TemporaryDirectory() as folder, Site(release, pathlib.Path(folder)) as site:
        site.start_redis()
        site.start_ours("api")
        site.start_ours("worker")
        wait_until("the probe of the API succeeds", site.probe)
        worker = site.processes["worker"]
        wait_until("the worker works, or has ended", lambda: worker.poll() is not None or site.works())
        check(worker.poll() is None, "the worker has ended")
        site.send_a_frame()
        site.stop()


def main() -> int:
    helm, kubeconform = sys.argv[1:]
    failed = 0
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack():
        locations = [schemas(pathlib.Path(folder), version) for version in KUBERNETES]
        for values in sorted((HERE / "values").glob("*.yaml")):
            begin = time.monotonic()
            try:
                output(helm, "lint", "--strict", str(CHART), "--values", str(values))
                release = Release(helm, values)
                for location in locations:
                    output(kubeconform, "-strict", "-schema-location", location, "-skip", WITHOUT_SCHEMA, "-summary", text=release.text)
                check_rules(release)
                check_exposure(release)
                run_release(release)
            except (Failed, AssertionError, KeyError, subprocess.TimeoutExpired) as error:
                failed += 1
                print(f"  FAILED {values.stem}: {type(error).__name__}: {error}", flush=True)
            else:
                kinds = len(release.objects)
                print(f"  ok     {values.stem}: {kinds} objects, a frame went through ({time.monotonic() - begin:.1f} s)", flush=True)
    for message, flags in REFUSED.items():
        sets = [word for flag in flags for word in ("--set", flag)]
        ran = subprocess.run([helm, "template", "site", str(CHART), *sets], capture_output=True, text=True)
        if ran.returncode == 0 or message not in ran.stderr:
            failed += 1
            print(f"  FAILED {flags}: expected {message!r}, not {ran.stderr or 'success'}")
    print(f"chart: {len(REFUSED)} wrong sets of values tried; {failed} failures; no schemas for {WITHOUT_SCHEMA}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
