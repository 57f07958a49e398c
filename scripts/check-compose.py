#!/usr/bin/env python3
"""Holds the command lines in docker-compose.yml and Dockerfile against the program.

    scripts/check-compose.py --binary target/debug/frameway

Each `serve` line is run with `--check` added: the program validates its configuration, prints it and leaves with 0, or
with 1 where it cannot reach the Redis service. For any other subcommand, every flag used must stand in its `--help`.
Nothing is started.

Standard library only, so this is no YAML parser: it reads the layout that our compose file keeps (services indented
by two, `image:` and `command:` by four, each command a list in JSON form on one line) and fails on any other.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def fail(message):
    sys.exit(f"check-compose: {message}")


def compose_commands(text):
    """The `command:` of each service that runs our image: [(where, [argument, ...])]."""
    services, section, service = {}, None, None
    for number, line in enumerate(text.splitlines(), 1):
        if "\t" in line:
            fail(f"docker-compose.yml:{number}: a tab")
        if top := re.match(r"([a-z]+):", line):
            section, service = top[1], None
        elif section == "services" and (name := re.fullmatch(r"  ([a-z-]+):\s*", line)):
            service = name[1]
            services[service] = {"line": number}
        elif service and (key := re.match(r"    (image|command):\s*(.*)", line)):
            services[service][key[1]] = (number, key[2])
    commands = []
    for name, keys in services.items():
        where = f"docker-compose.yml, service {name}"
        if "image" not in keys:
            fail(f"{where}: no image")
        if keys["image"][1].split("#")[0].strip() != "frameway":
            continue
        if "command" not in keys:
            fail(f"{where}: no command")
        commands.append((where, json_list(where, keys["command"][1])))
    return commands


def dockerfile_commands(text):
    """What the image runs by itself: CMD after ENTRYPOINT, and the health check."""
    text = re.sub(r"\\\n\s*", "", text)
    entry = cmd = None
    commands = []
    for line in text.splitlines():
        if found := re.match(r"ENTRYPOINT (.*)", line):
            entry = json_list("Dockerfile, ENTRYPOINT", found[1])
        elif found := re.match(r"CMD (.*)", line):
            cmd = json_list("Dockerfile, CMD", found[1])
        elif found := re.match(r"HEALTHCHECK .*?CMD (.*)", line):
            commands.append(("Dockerfile, HEALTHCHECK", ours(json_list("Dockerfile, HEALTHCHECK", found[1]))))
    if entry is None or cmd is None or not commands:
        fail("Dockerfile: ENTRYPOINT, CMD or HEALTHCHECK is missing")
    return commands + [("Dockerfile, CMD", ours(entry + cmd))]


def ours(words):
    if words[:1] != ["frameway"]:
        fail(f"Dockerfile: {words} does not run frameway")
    return words[1:]


def json_list(where, text):
    try:
        words = json.loads(text)
    except ValueError:
        words = None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        fail(f"{where}: not a list in JSON form: {text}")
    return words


def run(binary, arguments):
    done = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr


def check(binary, where, arguments):
    line = " ".join(["frameway", *arguments])
    if arguments[0] == "serve":
        code, output = run(binary, [*arguments, "--check"])
        # The names of the services are known inside the compose network only: 1 says that the backend was not reached there.
        elsewhere = code == 1 and "queue backend unreachable" in output
        if code != 0 and not elsewhere:
            fail(f"{where}: `{line}` is refused with {code}:\n{output}")
    else:
        words = [word for word in arguments if not word.startswith("-")]
        code, output = run(binary, [words[0], "--help"])
        if code != 0:
            fail(f"{where}: there is no `frameway {words[0]}`:\n{output}")
        for flag in (word.split("=")[0] for word in arguments if word.startswith("--")):
            if not re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", output):
                fail(f"{where}: `frameway {words[0]}` has no {flag}")
    print(f"ok     {where}: {line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="the frameway to ask")
    binary = str(pathlib.Path(parser.parse_args().binary).resolve())

    compose = compose_commands((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    roles = {word for _, words in compose for before, word in zip(words, words[1:]) if before == "--role"}
    if roles != {"api", "worker"}:
        fail(f"docker-compose.yml: found the roles {sorted(roles)}, expected an api and a worker")
    for where, arguments in compose + dockerfile_commands((ROOT / "Dockerfile").read_text(encoding="utf-8")):
        check(binary, where, arguments)


if __name__ == "__main__":
    main()
