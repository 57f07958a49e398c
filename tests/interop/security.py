"""Runs the commands of docs/security.md in their order: from nothing to a server with TLS, keys and certificates.

Only the port is adapted. A block that begins with `frameway serve` and is not expected to fail is
run in the background, and ends the server of the block before it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import pathlib
import random
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from page import Shell, blocks_of
from processes import wait_until

MIN_BLOCKS = 15
"""The minimum number of blocks. With fewer, this script has misread the page."""
IN_FORCE_SECONDS = 15.0
"""The maximum time from a change of the access file to its effect, as the page promises."""
PORTS = range(20_000, 32_000)
"""Ports that Linux gives to nobody who asks for any free one, so that one is still free for a second server."""
START = re.compile(r"frameway serve ")


def run(document: pathlib.Path, program: pathlib.Path, grpcurl: pathlib.Path) -> Iterator[str]:
    """Runs each block, checks its output, and yields its first line."""
    port = quiet_port()
    blocks = blocks_of(document)
    assert len(blocks) >= MIN_BLOCKS, f"{document.name} has {len(blocks)} blocks of commands only"
    # All levels of the server's log, because no line of it may contain a secret.
    with Shell(program.parent, grpcurl.parent, FRAMEWAY_LOG="trace") as shell:
        for block in blocks:
            block = replace(block, commands=block.commands.replace(":7400", f":{port}"))
            if block.answer is not None:
                block = replace(block, answer=block.answer.replace(":7400", f":{port}"))
            what = block.commands.splitlines()[0]
            if START.match(block.commands) and not block.fails:
                start(shell, block.commands, port)
                wrong = ""
            elif block.fails:
                # A change of the access file may not be in force yet.
                wrong = within(IN_FORCE_SECONDS, lambda: shell.check(block))
            else:
                wrong = shell.check(block)
            assert not wrong, f"{document.name}: {wrong}\n{log_of(shell)[-4000:]}"
            yield what
        use_tables(document, shell)
        yield "the tables of tokens and quotas"
        check_log(shell)
        yield "no secret is in the server's log"


def quiet_port() -> int:
    """Returns a free port of PORTS."""
    for port in random.sample(PORTS, 100):
        with contextlib.suppress(OSError), socket.create_server(("0.0.0.0", port)):
            return port
    raise AssertionError(f"no free port in {PORTS}")


def within(seconds: float, wrong: Callable[[], str]) -> str:
    """Tries until nothing is wrong; returns what is wrong in the end."""
    deadline = time.monotonic() + seconds
    while (found := wrong()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def start(shell: Shell, command: str, port: int) -> None:
    """Starts a server in the background, instead of one that runs, and waits until it listens."""
    shell.run('[ -z "${server:-}" ] || { kill $server; wait $server; }')
    code, said = shell.run(f"{command.rstrip()} >> server.log 2>&1 &\nserver=$!")
    assert code == 0, said

    def listens() -> bool:
        ended, _ = shell.run("kill -0 $server")
        assert ended == 0, f"the server ended: {command}{log_of(shell)}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until("the server listens", listens)


def use_tables(document: pathlib.Path, shell: Shell) -> None:
    """Adds the tables of the page to the access file, and calls with a token of the issuer that they name."""
    tables = [block.commands for block in blocks_of(document, "toml")]
    [tokens] = [table for table in tables if "[tokens]" in table]
    issuer, audience = (re.search(f'^{name} = "(.+)"', tokens, re.MULTILINE) for name in ("issuer", "audience"))
    [(claim, value)] = re.findall(r'claims = { (\w+) = "(.+?)" }', tokens)
    assert issuer and audience
    claims = {"iss": issuer[1], "aud": audience[1], "exp": int(time.time()) + 600, claim: value}
    (shell.folder / "detectors.jwt").write_text(signed(shell.folder, claims))
    with (shell.folder / "access.toml").open("a") as file:
        file.write("\n".join(["", *tables]))
    code, said = shell.run("frameway config check --tls-cert server.pem --tls-key server.key --access-file access.toml")
    assert code == 0, said

    def call() -> str:
        code, said = shell.run("frameway groups list --json --token-file detectors.jwt --cert gateway-7.pem --key gateway-7.key")
        return "" if code == 0 else said

    wrong = within(IN_FORCE_SECONDS, call)
    assert not wrong, f"{wrong}\n{log_of(shell)[-4000:]}"


def signed(folder: pathlib.Path, claims: dict[str, object]) -> str:
    """Makes the key of an identity provider and its JWK set; returns a token with these claims."""

    def openssl(*arguments: str, text: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=folder, input=text, capture_output=True, check=True).stdout

    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    openssl("genrsa", "-out", "provider.key", "2048")
    modulus = openssl("rsa", "-in", "provider.key", "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
    jwk = {"kty": "RSA", "kid": "1", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}
    (folder / "jwks.json").write_text(json.dumps({"keys": [jwk]}))
    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "1"}, claims)]
    signature = openssl("dgst", "-sha256", "-sign", "provider.key", text=".".join(parts).encode())
    return ".".join([*parts, encoded(signature)])


def log_of(shell: Shell) -> str:
    file = shell.folder / "server.log"
    return file.read_text(errors="replace") if file.exists() else ""


def check_log(shell: Shell) -> None:
    """Checks that the log has no API key, no token and no private key."""
    log = log_of(shell)
    assert "the access file has changed and is in force" in log, log[-4000:]
    secrets = []
    for file in [*shell.folder.glob("*.key"), *shell.folder.glob("*.jwt")]:
        lines = [line for line in file.read_text().splitlines() if not line.startswith("-----")]
        assert lines, file
        secrets += [line.rsplit("_", 1)[-1] if line.startswith("fwk_") else line for line in lines]
    for secret in secrets:
        found = [line for line in log.splitlines() if secret in line]
        assert not found, f"the server's log contains a secret: {found[0]}"
