#!/usr/bin/env python3
"""Generates code from the proto files in seven languages, and compiles that of four.

    tests/languages/run.py [LANGUAGE...]     python, go, typescript, java, csharp, php, ruby; default: all

C#, PHP and Ruby are generated, and not compiled. The generators are downloaded from the languages'
registries into .tools/, at the versions that are pinned here and in the folders beside this file. A
language whose tools are not installed is reported as skipped; if nothing fails, the exit code is
then 3.
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

GO_PLUGINS = (
    "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
)
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOLS = ROOT / ".tools/languages"
PROTOS = [file for folder in ("v1", "admin") for file in (ROOT / "proto/frameway" / folder).rglob("*.proto")]


def occurrences(start: str) -> int:
    """Returns how many lines of the proto files begin with a word."""
    return sum(len(re.findall(f"^{start} ", file.read_text(), re.MULTILINE)) for file in PROTOS)


FILES, SERVICES, MESSAGES = len(PROTOS), occurrences("service"), occurrences("message")


class Skipped(Exception):
    """The toolchain is not installed, or its packages could not be downloaded."""


class Failed(Exception):
    """The code is not generated, or does not compile."""


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


def python(_out: pathlib.Path) -> None:
    """Imports every module of the committed code; `make proto` checks that it is up to date."""
    source = ROOT / "clients/python/src"
    modules = [str(file.relative_to(source).with_suffix("")).replace("/", ".") for file in source.rglob("*_pb2*.py")]
    if len(modules) != FILES + SERVICES:
        raise Failed(f"{len(modules)} modules, expected {FILES + SERVICES}")
    imports = [*(f"import {module}" for module in modules), "from frameway.v1 import *", "from frameway.admin.v1beta1 import *"]
    run(tool("python"), "-c", "\n".join(imports), PYTHONPATH=source)


def go(out: pathlib.Path) -> None:
    need("go", "Go toolchain")

    def fill(folder: pathlib.Path) -> None:
        for plugin in GO_PLUGINS:
            run("go", "install", plugin, otherwise=Skipped, GOBIN=folder, GOFLAGS="-mod=mod")

    plugins = fetch("go", " ".join(GO_PLUGINS), fill)
    # The Go module of go_package: a path of its own, without a repository yet.
    options = "out: ., opt: module=frameway.example/gen"
    names = ("protoc-gen-go", "protoc-gen-go-grpc")
    generate(out, "*.pb.go", FILES + SERVICES, *(f"local: {plugins / name}, {options}" for name in names))
    for name in ("go.mod", "go.sum"):
        shutil.copy(HERE / "go" / name, out)
    run("go", "mod", "download", otherwise=Skipped, cwd=out)
    run("go", "build", "./...", cwd=out)


def typescript(out: pathlib.Path) -> None:
    need("npm", "Node.js with npm")
    pins = HERE / "typescript"

    def fill(folder: pathlib.Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(pins / name, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", otherwise=Skipped, cwd=folder)

    modules = fetch("typescript", (pins / "package-lock.json").read_text(), fill) / "node_modules"
    plugin = modules / "@bufbuild/protoc-gen-es/bin/protoc-gen-es"
    generate(out, "*_pb.ts", FILES, f"local: [node, {plugin}], out: gen, opt: target=ts")
    shutil.copy(pins / "tsconfig.json", out)
    (out / "node_modules").symlink_to(modules)
    run(modules / ".bin/tsc", "--project", out)


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


def java(out: pathlib.Path) -> None:
    need("javac", "JDK")
    tools = maven()
    [plugin] = tools.glob("protoc-gen-grpc-java-*.exe")
    generate(out, "*.java", MESSAGES, builtin("java", tools), f"local: {plugin}, out: ., opt: '@generated=omit'")
    sources = out / "sources"
    sources.write_text("\n".join(str(file) for file in out.rglob("*.java")))
    # Generated code has no annotations to process.
    quick = ("-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "-proc:none", "-nowarn", "-encoding", "UTF-8")
    run("javac", *quick, "-d", out / "classes", "-cp", f"{tools}/*", f"@{sources}")


def builtin(language: str, tools: pathlib.Path) -> str:
    [protoc] = tools.glob("protoc-[0-9]*.exe")
    return f"protoc_builtin: {language}, protoc_path: {protoc}, out: ."


LANGUAGES: dict[str, Callable[[pathlib.Path], None]] = {
    "python": python,
    "go": go,
    "typescript": typescript,
    "java": java,
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
