#!/usr/bin/env python3
"""Runs third-party gRPC clients against a real server, and through nginx as docs/proxies.md configures it.

    tests/interop/run.py [CLIENT...]        go, sync, aio, node, grpcurl, quickstart, security, nginx; default: all

Every client has its own server and Redis. A client whose toolchain is not installed is reported as
skipped; if nothing fails, the exit code is then 3. The environment variable FRAMEWAY may name
another program than target/debug/frameway.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "clients/python/tests"))

import quickstart  # noqa: E402
import security  # noqa: E402
from processes import Server, free_port, program, redis, wait_until  # noqa: E402

CASE_SECONDS = 120.0
"""The maximum time of a case on a busy machine. A client gives up by itself after 60 s."""
HEARTBEATS_SECONDS = 30.0
"""The maximum time in which a client must notice a hung server: three heartbeats of 1 s, and a
margin for a busy machine. Without heartbeats, a client takes at least 40 s, or does not notice."""

PLAIN_CASES = ("submit-subscribe", "large-pictures", "many-calls", "cancellations", "error-details", "receive-limit", "idle")
SYNC_CASES = ("submit-frames",)
NGINX_CASES = ("submit-subscribe", "large-pictures", "many-calls", "cancellations", "error-details", "idle")


class Skipped(Exception):
    """The toolchain is not installed, or its packages cannot be downloaded."""


class Failed(Exception):
    """A case failed."""


def say(line: str) -> None:
    print(line, flush=True)


class Case:
    """A client process that runs a case."""

    def __init__(self, client: str, command: list[str], name: str, *arguments: str) -> None:
        self.what = f"{client} {name}"
        self._begin = time.monotonic()
        self._lines: list[str] = []
        self._changed = threading.Condition()
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "clients/python/src"),
            "PYTHONUNBUFFERED": "1",
            "FRAMEWAY_SERVICE_CONFIG": str(ROOT / "proto/frameway_v1_service_config.json"),
        }
        self._process = subprocess.Popen(
            [*command, name, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line.rstrip())
                self._changed.notify_all()

    def printed(self, line: str, within: float) -> bool:
        """Waits for a line. Returns False if it is not printed in time."""
        with self._changed:
            return self._changed.wait_for(lambda: line in self._lines, within)

    def wait_for(self, line: str, within: float = CASE_SECONDS) -> None:
        if not self.printed(line, within):
            raise Failed(f"{self.what}: did not print {line!r} within {within:.0f} s\n{self.output()}")

    def finish(self) -> None:
        try:
            code = self._process.wait(CASE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.what}: not done after {CASE_SECONDS:.0f} s\n{self.output()}") from None
        self._reading.join(CASE_SECONDS)
        if code != 0:
            raise Failed(f"{self.what}: exited with {code}\n{self.output()}")
        say(f"  ok    {self.what} ({time.monotonic() - self._begin:.1f} s)")

    def output(self) -> str:
        return "\n".join(f"    {line}" for line in self._lines[-30:])

    def __enter__(self) -> Case:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


# --- The toolchains. Each function returns the command that runs a client. ---


def output_of(command: list[str], what: str, **arguments) -> str:
    done = subprocess.run(command, text=True, capture_output=True, **arguments)
    if done.returncode != 0:
        raise Failed(f"{what}: {' '.join(command)} exited with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


_installing = threading.Lock()


def tool(name: str) -> str:
    """Returns the path of a tool; scripts/tool.sh installs it on first use."""
    with _installing:
        done = subprocess.run([str(ROOT / "scripts/tool.sh"), name], text=True, capture_output=True)
    if done.returncode != 0:
        raise Skipped(done.stderr.strip().splitlines()[-1].removeprefix("skipped: "))
    return done.stdout.strip()


def downloaded(command: list[str], what: str, folder: pathlib.Path) -> None:
    done = subprocess.run(command, cwd=folder, text=True, capture_output=True)
    if done.returncode != 0:
        raise Skipped(f"{what}: its packages could not be downloaded ({' '.join(command)})\n{done.stderr[-2000:]}")


def go_client() -> list[str]:
    if shutil.which("go") is None:
        raise Skipped("grpc-go: there is no Go toolchain")
    folder = HERE / "go"
    binary = ROOT / ".tools/interop-go"
    downloaded(["go", "mod", "download"], "grpc-go", folder)
    output_of(["go", "build", "-o", str(binary), "."], "grpc-go", cwd=folder)
    return [str(binary)]


def python_client(script: str) -> list[str]:
    return [tool("python-newest"), str(HERE / "python" / script)]


def node_client() -> list[str]:
    if shutil.which("node") is None or shutil.which("npm") is None:
        raise Skipped("grpc-js: there is no Node.js with npm")
    folder = ROOT / ".tools/interop-node"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "node/package-lock.json").read_bytes()
    ready = folder / "ready"
    if not ready.exists() or ready.read_bytes() != wanted:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / "node" / name, folder)
        downloaded(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], "grpc-js", folder)
        ready.write_bytes(wanted)
    return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(HERE / "node/interop.js")]


TOOLCHAINS: dict[str, Callable[[], list[str]]] = {
    "go": go_client,
    "sync": lambda: python_client("sync.py"),
    "aio": lambda: python_client("aio.py"),
    "node": node_client,
}
_preparing = {client: threading.Lock() for client in TOOLCHAINS}
_commands: dict[str, list[str]] = {}
# Both Python clients share an environment.
_preparing["aio"] = _preparing["sync"]


def command_of(client: str) -> list[str]:
    """Returns the command that runs a client. The first call builds the client."""
    with _preparing[client]:
        if client not in _commands:
            _commands[client] = TOOLCHAINS[client]()
        return _commands[client]


# --- The cases in which this script does something to the server. ---


def submit_three(server: Server, stream: str) -> None:
    """Submits three frames with the command line."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            (pathlib.Path(folder) / f"{number}.raw").write_bytes(bytes([number]) * 256)
        raw = ["--raw-format", "gray8", "--width", "16", "--height", "16"]
        command = [program(), "submit", folder, "--stream", stream, "--address", server.address, *raw]
        output_of(command, "frameway submit")


def hung_server(client: str, command: list[str], server: Server) -> None:
    with Case(client, command, "hung-server", server.address) as case:
        case.wait_for("frame 3")
        server.signal(signal.SIGSTOP)
        begin = time.monotonic()
        # The blocking client prints this when its next call has begun, and for that the server must
        # run.
        noticed = case.printed("noticed", 8.0 if client == "sync" else HEARTBEATS_SECONDS)
        server.signal(signal.SIGCONT)
        if not noticed:
            case.wait_for("noticed", max(1.0, HEARTBEATS_SECONDS - (time.monotonic() - begin)))
        submit_three(server, f"{client}-hung-server")
        case.finish()


def drain(client: str, command: list[str], server: Server) -> None:
    with Case(client, command, "drain", server.address) as case:
        case.wait_for("frame 3")
        server.signal(signal.SIGTERM)
        case.wait_for("draining")
        server.wait()
        server.start()
        submit_three(server, f"{client}-drain")
        case.finish()


def clients_against_a_server(client: str, command: list[str]) -> None:
    with redis() as (url, queue), Server("--redis-url", url, "--log", "warn") as server:
        for name in (*PLAIN_CASES, *(SYNC_CASES if client == "sync" else ())):
            with Case(client, command, name, server.address) as case:
                case.finish()
        hung_server(client, command, server)
        drain(client, command, server)
        queue.send_signal(signal.SIGSTOP)
        try:
            with Case(client, command, "deadlines", server.address) as case:
                case.finish()
        finally:
            queue.send_signal(signal.SIGCONT)


# --- grpcurl. ---


def grpcurl() -> None:
    """Calls a server with grpcurl and reflection alone: without a proto file, and without our code."""
    command = [tool("grpcurl"), "-plaintext", "-max-time", "60"]

    def output(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], text=True, capture_output=True)
        return done.stdout + done.stderr

    def call(method: str, request: str, address: str) -> str:
        return output("-d", request, address, f"frameway.v1.{method}")

    def expect(what: str, words: str, said: str) -> None:
        if words not in said:
            raise Failed(f"grpcurl {what}: no {words!r} in\n{said}")
        say(f"  ok    grpcurl {what}")

    with Server("--log", "warn") as server:
        at = server.address
        expect("lists health", "grpc.health.v1.Health", output(at, "list"))
        expect("asks health", '"status": "SERVING"', output(at, "grpc.health.v1.Health/Check"))
        said = " ".join(output(at, "describe", "frameway.v1.StreamingService").split())
        for one in ("SubmitFrameBatch ( .frameway.v1.SubmitFrameBatchRequest ) returns ( .frameway.v1.SubmitFrameBatchResponse )",
                    "SubscribeFrames ( .frameway.v1.SubscribeFramesRequest ) returns ( stream .frameway.v1.SubscribeFramesResponse )",
                    "option idempotency_level = NO_SIDE_EFFECTS"):  # fmt: skip
            expect("describes the service", one, said)
        expect("registers", '"streamId": "curl"', call("StreamRegistryService/RegisterStream", '{"stream": {"stream_id": "curl"}}', at))
        said = call("StreamRegistryService/GetStream", '{"stream_id": "nobody"}', at)
        expect("shows the reason of an error", "ERROR_REASON_STREAM_NOT_FOUND", said)
        submit_three(server, "curl")
        said = call("StreamingService/SubmitFrameBatch", '{"frames": [{"stream_id": "not a stream id", "data": "/9j/"}]}', at)
        expect("shows why a frame is rejected", '"rejected": {', said)
        wanted = (
            '{"selectors": [{"streams": [{"id": "curl"}], "start": {"earliest": {}},'
            ' "pictures": {"roles": ["PICTURE_ROLE_PROCESSED", "PICTURE_ROLE_THUMBNAIL"]}}], "stop_after_frames": 3}'
        )
        said = call("StreamingService/SubscribeFrames", wanted, at)
        for words in ('"sequence": "3"', '"role": "PICTURE_ROLE_PROCESSED"', '"role": "PICTURE_ROLE_THUMBNAIL"', '"data": "/9j/', '"cursor": "'):
            expect("subscribes", words, said)
        said = call("StreamingService/GetServerInfo", "{}", at)
        for words in ('"apiVersion": "frameway.v1"', '"durability": "DURABILITY_MEMORY"'):
            expect("reads the server info", words, said)
        expect("reads the counters", '"collectTime": "', output(at, "frameway.admin.v1beta1.AdminService/GetSystemMetrics"))
        said = call("StreamRegistryService/UnregisterStream", '{"stream_id": "curl", "reason": "interop"}', at)
        for words in ('"lastSequence": "3"', '"removedOutputFrames": "3"'):
            expect("unregisters", words, said)
        said = call("StreamRegistryService/GetStream", '{"stream_id": "curl"}', at)
        expect("does not find an unregistered stream", "ERROR_REASON_STREAM_NOT_FOUND", said)


def quick_start() -> None:
    """Runs the commands of docs/quickstart.md."""
    with Server("--log", "warn") as server:
        for what in quickstart.run(ROOT / "docs/quickstart.md", server.address, pathlib.Path(tool("grpcurl")).parent):
            say(f"  ok    quick start, {what}")


def secure() -> None:
    """Runs the commands of docs/security.md."""
    if shutil.which("openssl") is None:
        raise Skipped("security: openssl is not installed; 'scripts/setup.sh test' installs it")
    for what in security.run(ROOT / "docs/security.md", pathlib.Path(program()), pathlib.Path(tool("grpcurl"))):
        say(f"  ok    security, {what}")


# --- nginx. ---


class Nginx:
    """nginx with the configuration of docs/proxies.md, on other ports and with a certificate made for the test."""

    def __init__(self, binary: str, folder: pathlib.Path, upstream: str) -> None:
        self.port = free_port()
        self.address = f"localhost:{self.port}"
        self.root = folder / "frameway.pem"
        key = folder / "frameway.key"
        openssl = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        output_of([*openssl, *subject, "-keyout", str(key), "-out", str(self.root)], "openssl")
        text = (ROOT / "docs/proxies.md").read_text()
        [documented] = re.findall(r"^```nginx\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for there, here in (
            ("127.0.0.1:7400", upstream),
            ("listen 443 ", f"listen {self.port} "),
            ("/etc/ssl/frameway.pem", str(self.root)),
            ("/etc/ssl/frameway.key", str(key)),
        ):
            if there not in documented:
                raise Failed(f"docs/proxies.md: no {there!r} in the nginx configuration")
            documented = documented.replace(there, here)
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self._log = folder / "error.log"
        configuration = folder / "nginx.conf"
        user = "user root;\n" if os.geteuid() == 0 else ""
        configuration.write_text(
            f"{user}daemon off;\nworker_processes 1;\nworker_shutdown_timeout 2s;\npid {folder}/pid;\nerror_log {self._log} warn;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{\naccess_log off;\n{temporary}{documented}}}\n"
        )
        self._process = subprocess.Popen([binary, "-c", str(configuration), "-p", str(folder)], stderr=subprocess.DEVNULL)
        wait_until("nginx listens", self._listens)

    def _listens(self) -> bool:
        if self._process.poll() is not None:
            raise Failed(f"nginx ended: {self._log.read_text()}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def reload(self) -> None:
        """Starts new workers. The old ones close their connections after `worker_shutdown_timeout`."""
        self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)


def nginx() -> None:
    binary = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))
    if binary is None or shutil.which("openssl") is None:
        raise Skipped("nginx: nginx or openssl is not installed; 'scripts/setup.sh test' installs them")
    commands: dict[str, list[str]] = {}
    for client in TOOLCHAINS:
        with contextlib.suppress(Skipped):
            commands[client] = command_of(client)
    if not commands:
        raise Skipped("nginx: no client is available for it")
    with contextlib.ExitStack() as stack:
        url, _queue = stack.enter_context(redis())
        server = stack.enter_context(Server("--redis-url", url, "--log", "warn"))
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        proxy = Nginx(binary, folder, server.address)
        stack.callback(proxy.stop)
        via = [proxy.address, str(proxy.root)]
        client, command = next(iter(commands.items()))
        cases = [(client, name) for name in NGINX_CASES]
        cases += [(other, name) for other in commands if other != client for name in ("submit-subscribe", "large-pictures")]
        cases += [(other, name) for other in commands if other == "sync" for name in SYNC_CASES]
        for other, name in cases:
            with Case(f"nginx, {other}", commands[other], name, *via) as case:
                case.finish()
        # A reload cuts the calls of the old worker, and a drained server ends its calls. The client
        # must continue after both.
        with Case(f"nginx, {client}", command, "drain", *via) as case:
            case.wait_for("frame 3")
            proxy.reload()
            server.signal(signal.SIGTERM)
            server.wait()
            server.start()
            submit_three(server, f"{client}-drain")
            case.finish()


# --- The main program. ---

OTHERS: dict[str, Callable[[], None]] = {"grpcurl": grpcurl, "quickstart": quick_start, "security": secure, "nginx": nginx}


def run(client: str) -> tuple[str, str]:
    """Runs a client. Returns the verdict, and the reason if it is not `ok`."""
    try:
        if client in OTHERS:
            OTHERS[client]()
        else:
            clients_against_a_server(client, command_of(client))
    except Skipped as why:
        return "skipped", str(why)
    except (Failed, AssertionError, OSError, subprocess.SubprocessError) as why:
        return "FAILED", str(why)
    return "ok", ""


def main() -> int:
    every = [*TOOLCHAINS, *OTHERS]
    wanted = sys.argv[1:] or every
    if not set(wanted) <= set(every):
        print(f"usage: tests/interop/run.py [CLIENT...], of {', '.join(every)}", file=sys.stderr)
        return 2
    # Go's compiler uses all cores, so run other clients at the same time.
    with ThreadPoolExecutor(max_workers=3) as pool:
        verdicts = dict(zip(wanted, pool.map(run, wanted)))
    code = 0
    for client, (verdict, why) in verdicts.items():
        if verdict == "skipped":
            say(f"skipped: {why}")
            code = code or 3
        elif verdict == "FAILED":
            say(f"FAILED: {why}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
