#!/usr/bin/env bash
# Runs the commands of docs/quickstart.md in their order against a running server, and compares the answers that stand there.
#
#   scripts/test-quickstart.sh HOST:PORT
#
# A block marked `sh` is run; the block behind it, marked `json` or `text`, is what it prints. There `...` stands for anything, and
# white space does not count. All other blocks are passed over. Leaves with 3 where there is no grpcurl.
set -euo pipefail

address=${1:?usage: scripts/test-quickstart.sh HOST:PORT}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

"$root/scripts/grpcurl.sh" --version >/dev/null 2>&1 || exec "$root/scripts/grpcurl.sh" --version # which says why it is skipped
command -v python3 >/dev/null || { echo "skipped: quick start: there is no python3"; exit 3; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Not before one that is on PATH: scripts/grpcurl.sh takes that one, too.
PATH=$PATH:$root/.tools/bin python3 - "$root/docs/quickstart.md" "$address" "$folder" <<'PY'
import pathlib, re, subprocess, sys

document, address, folder = sys.argv[1:]
text = pathlib.Path(document).read_text(encoding="utf-8")
blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
END = "--- end of block ---"


def squeezed(words):
    return re.sub(r"\s+", "", words)


def holds(expected, said):
    pattern = ".*".join(re.escape(squeezed(piece)) for piece in expected.split("..."))
    return re.fullmatch(pattern, squeezed(said), re.DOTALL) is not None


# One shell for all blocks, as a reader has.
shell = subprocess.Popen(["bash", "-u"], cwd=folder, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
ran = compared = 0
for index, (language, commands) in enumerate(blocks):
    if language != "sh":
        continue
    ran += 1
    called = re.findall(r"frameway\.[\w.]+/\w+", commands)
    what = ", ".join(name.removeprefix("frameway.v1.") for name in called) or commands.strip().splitlines()[-1]
    here = commands.replace("127.0.0.1:7400", address)
    shell.stdin.write(f"{here}code=$?; echo; echo '{END}' $code\n")
    shell.stdin.flush()
    lines = []
    for line in shell.stdout:
        if line.startswith(END):
            break
        lines.append(line)
    else:
        sys.exit(f"FAILED {what}\nthe shell ended:\n{''.join(lines)}")
    said = "".join(lines)
    if line.split()[-1] != "0":
        sys.exit(f"FAILED {what}\nexit code {line.split()[-1]}:\n{said}")
    following = blocks[index + 1] if index + 1 < len(blocks) else ("", "")
    if following[0] in ("json", "text"):
        compared += 1
        if not holds(following[1], said):
            sys.exit(f"FAILED {what}\n--- docs/quickstart.md says:\n{following[1]}--- it printed:\n{said}")
    print(f"ok     {what}", flush=True)
shell.stdin.close()
shell.wait()
if ran < 10 or compared < 10:
    sys.exit(f"FAILED docs/quickstart.md has {ran} blocks of commands and {compared} answers: fewer than it should")
print(f"quick start: {ran} blocks of commands ran, {compared} answers are those of docs/quickstart.md")
PY
