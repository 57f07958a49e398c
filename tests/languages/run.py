#!/usr/bin/env python3
"""Generates code from the proto files in languages that have no client in clients/.

    tests/languages/run.py [LANGUAGE...]     csharp, php, ruby; default: all

The code is not compiled. The compiler is downloaded from Maven Central into .tools/, at the version
that java/pom.xml pins. If it cannot be had, the languages are reported as skipped, and the exit code
is 3.
"""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / ".tools/languages"
PROTOS = [file for folder in ("v1", "admin") for file in (ROOT / "proto/frameway" / folder).rglob("*.proto")]


def occurrences(start: str) -> int:
    """Returns how many lines of the proto files begin with a word."""
    return sum(len(re.findall(f"^{start} ", file.read_text(), re.MULTILINE)) for file in PROTOS)


FILES, MESSAGES = len(PROTOS), occurrences("message")


class Skipped(Exception):
    """The toolchain is not installed, or its packages could not be downloaded."""


class Failed(Exception):
    """The code is not generated."""


def run(*command: object, otherwise: type[Exception] = Failed, cwd: pathlib.Path = ROOT, **environment: object) -> str:
    """Runs a command and returns what it prints."""
    env = {**os.environ, **{name: str(value) for name, value in environment.items()}}
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, text=True, capture_output=True)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-30:]
        raise otherwise("\n".join([f"`{command[0]}` exited with {done.returncode}:", *said]))
    return done.stdout.strip()


def need(program: str, what: str) -> None:
    if shutil.which(program) is None:
        raise Skipped(f"there is no {what} ({program})")


def tool(name: str) -> str:
    return run(ROOT / "scripts/tool.sh", name, otherwise=Skipped)


def fetch(name: str, key: str, fill: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """Returns a folder that was filled for this key."""
    folder = TOOLS / name
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != key:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        fill(folder)
        ready.write_text(key)
    return folder


def generate(out: pathlib.Path, pattern: str, files: int, *plugins: str) -> None:
    """Generates code with plugins, each a line of buf's template, and counts the files."""
    template = "version: v2\ninputs: [{directory: ., paths: [proto/frameway/v1, proto/frameway/admin/v1beta1]}]\nplugins:\n"
    template += "".join(f"  - {{{plugin}}}\n" for plugin in plugins)
    run(tool("buf"), "generate", "--template", template, "--output", out)
    found = len(list(out.rglob(pattern)))
    if found < files:
        raise Failed(f"{found} files {pattern}, expected {files} or more")


def maven() -> pathlib.Path:
    """Returns a folder with protoc, its plugin for Java, and libraries, all from Maven Central."""
    systems = {"Linux": "linux", "Darwin": "osx"}
    processors = {"x86_64": "x86_64", "aarch64": "aarch_64", "arm64": "aarch_64"}
    here = f"{systems.get(platform.system())}-{processors.get(platform.machine())}"
    if "None" in here:
        raise Skipped(f"Maven Central has no protoc for {platform.system()} on {platform.machine()}")
    pom = HERE / "java/pom.xml"

    def fill(folder: pathlib.Path) -> None:
        need("mvn", "Maven to fetch protoc with")
        options = ("--quiet", "--batch-mode", "--file", pom, f"-Dplatform={here}", f"-DoutputDirectory={folder}")
        run("mvn", *options, MAVEN_COPY, otherwise=Skipped)
        for program in folder.glob("*.exe"):
            program.chmod(0o755)

    return fetch("java", f"{here} {pom.read_text()}", fill)


def builtin(language: str, tools: pathlib.Path) -> str:
    [protoc] = tools.glob("protoc-[0-9]*.exe")
    return f"protoc_builtin: {language}, protoc_path: {protoc}, out: ."


LANGUAGES: dict[str, Callable[[pathlib.Path], None]] = {
    "csharp": lambda out: generate(out, "*.cs", FILES, builtin("csharp", maven())),
    "php": lambda out: generate(out, "*.php", MESSAGES, builtin("php", maven())),
    "ruby": lambda out: generate(out, "*_pb.rb", FILES, builtin("ruby", maven())),
}


def main() -> int:
    wanted = sys.argv[1:] or list(LANGUAGES)
    if not set(wanted) <= set(LANGUAGES):
        print(f"usage: tests/languages/run.py [LANGUAGE...], of {', '.join(LANGUAGES)}", file=sys.stderr)
        return 2
    code = 0
    for language in wanted:
        begin = time.monotonic()
        try:
            with tempfile.TemporaryDirectory() as out:
                LANGUAGES[language](pathlib.Path(out))
            print(f"ok     {language} ({time.monotonic() - begin:.0f} s)", flush=True)
        except Skipped as why:
            print(f"skipped: {language}: {why}", flush=True)
            code = code or 3
        except Failed as why:
            print(f"FAILED {language}: {why}", flush=True)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
