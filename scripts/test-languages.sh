#!/usr/bin/env bash
# Generates code from the proto files in seven languages, and compiles that of four, as somebody without a client of ours would.
#
#   scripts/test-languages.sh [LANGUAGE...]      of: python, go, typescript, java, csharp, php, ruby; none = all
#
# C#, PHP and Ruby are generated, and not compiled. Generators come from the languages' registries, at the versions pinned here and
# in tests/languages, into .tools/. A language whose tools are not here is named as skipped; the exit code is then 3.
# The languages are functions, which are called by name.
# shellcheck disable=SC2317
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly GO_PLUGIN=v1.36.12
readonly GO_GRPC_PLUGIN=v1.6.2
readonly MAVEN_DEPENDENCY_PLUGIN=3.8.1
readonly tools=$PWD/.tools/languages
readonly pins=tests/languages
every=(python go typescript java csharp php ruby)

for language in "$@"; do
  case " ${every[*]} " in
    *" $language "*) ;;
    *) echo "usage: scripts/test-languages.sh [LANGUAGE...], of ${every[*]}" >&2; exit 2 ;;
  esac
done

out=$(mktemp -d)
trap 'rm -rf "$out" "$out".*' EXIT

# Leaves with 3 after the line that says why.
skip() { echo "skipped: $1"; exit 3; }
have() { command -v "$1" >/dev/null 2>&1; }
fetched() { # fetched FOLDER KEY: FOLDER was completed for this key
  [ "$(cat "$1/ready" 2>/dev/null)" = "$2" ]
}
compare() { # compare PATTERN HOW-MANY: the generator wrote as many files as it should
  local found
  found=$(find "$out" -name "$1" | wc -l)
  [ "$found" -ge "$2" ] || { echo "$found files $1, expected $2 or more"; exit 1; }
}
protos() { find proto/frameway/v1 proto/frameway/admin -name '*.proto'; }
files=$(protos | wc -l)
services=$(protos | xargs grep -l '^service ' | wc -l)
messages=$(protos | xargs cat | grep -c '^message ')

generate() { # generate PLUGIN...: each a line of buf's template
  printf '%s\n' "version: v2" "inputs:" "  - directory: ." \
    "    paths: [proto/frameway/v1, proto/frameway/admin/v1beta1]" "plugins:" "$@" >"$out.template.yaml"
  scripts/buf.sh generate --template "$out.template.yaml" --output "$out"
}

# What Maven Central has: protoc, the plugin for Java, and the libraries of its code.
java_tools() {
  local platform key
  case $(uname -s)-$(uname -m) in
    Linux-x86_64) platform=linux-x86_64 ;;
    Linux-aarch64 | Linux-arm64) platform=linux-aarch_64 ;;
    Darwin-x86_64) platform=osx-x86_64 ;;
    Darwin-arm64) platform=osx-aarch_64 ;;
    *) skip "$1: Maven Central has no protoc for $(uname -s) on $(uname -m)" ;;
  esac
  key="$platform $(cksum <"$pins"/java/pom.xml)"
  if ! fetched "$tools/java" "$key"; then
    have mvn || skip "$1: there is no Maven (mvn) to fetch protoc with"
    rm -rf "$tools/java"
    mkdir -p "$tools/java"
    mvn --quiet --batch-mode --file "$pins"/java/pom.xml -Dplatform="$platform" -DoutputDirectory="$tools/java" \
      "org.apache.maven.plugins:maven-dependency-plugin:$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" >"$out/log" 2>&1 \
      || { tail -n 5 "$out/log"; skip "$1: Maven could not fetch protoc and gRPC for Java"; }
    chmod +x "$tools"/java/*.exe
    echo "$key" >"$tools/java/ready"
  fi
}

builtin() { # builtin LANGUAGE PATTERN HOW-MANY: a generator that protoc has in it
  java_tools "$1"
  generate "  - {protoc_builtin: $1, protoc_path: $(echo "$tools"/java/protoc-[0-9]*.exe), out: .}"
  compare "$2" "$3"
}

# --- The languages. ---

# Imports every module that the generator of grpcio-tools writes.
in_python() {
  scripts/gen-clients.sh --check >"$out/log" 2>&1 || { local code=$?; tail -n 5 "$out/log"; exit "$code"; }
  local interpreter
  interpreter=$(scripts/python-client-venv.sh) || exit $?
  PYTHONPATH=clients/python/src "$interpreter" - "$files" "$services" <<'PY'
import importlib, pathlib, sys
from frameway import v1
from frameway.admin import v1beta1

root = pathlib.Path("clients/python/src")
modules = sorted(root.glob("frameway/**/*_pb2*.py"))
for module in modules:
    importlib.import_module(".".join(module.relative_to(root).with_suffix("").parts))
files, services = map(int, sys.argv[1:])
assert len(modules) == files + services, modules
for package in (v1, v1beta1):
    missing = [name for name in package.__all__ if not hasattr(package, name)]
    assert not missing, missing
PY
}

in_go() {
  have go || skip "go: there is no Go toolchain"
  local key="$GO_PLUGIN $GO_GRPC_PLUGIN"
  if ! fetched "$tools/go" "$key"; then
    mkdir -p "$tools/go"
    local plugin
    for plugin in "google.golang.org/protobuf/cmd/protoc-gen-go@$GO_PLUGIN" "google.golang.org/grpc/cmd/protoc-gen-go-grpc@$GO_GRPC_PLUGIN"; do
      GOBIN=$tools/go GOFLAGS=-mod=mod go install "$plugin" || skip "go: its generators could not be fetched and built"
    done
    echo "$key" >"$tools/go/ready"
  fi
  # The Go module of go_package: a path of its own, without a repository yet.
  generate "  - {local: $tools/go/protoc-gen-go, out: ., opt: module=frameway.example/gen}" \
    "  - {local: $tools/go/protoc-gen-go-grpc, out: ., opt: module=frameway.example/gen}"
  compare '*.pb.go' $((files + services))
  cp "$pins"/go/go.mod "$pins"/go/go.sum "$out"
  cd "$out"
  go mod download >/dev/null 2>&1 || skip "go: the libraries of the generated code could not be fetched"
  go build ./...
}

in_typescript() {
  have npm || skip "typescript: there is no Node.js with npm"
  local key
  key=$(cksum <"$pins"/typescript/package-lock.json)
  if ! fetched "$tools/typescript" "$key"; then
    rm -rf "$tools/typescript"
    mkdir -p "$tools/typescript"
    cp "$pins"/typescript/package.json "$pins"/typescript/package-lock.json "$tools/typescript"
    (cd "$tools/typescript" && npm ci --ignore-scripts --no-audit --no-fund --silent) || skip "typescript: npm could not fetch its packages"
    echo "$key" >"$tools/typescript/ready"
  fi
  generate "  - {local: [node, $tools/typescript/node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es], out: gen, opt: target=ts}"
  compare '*_pb.ts' "$files"
  cp "$pins"/typescript/tsconfig.json "$out"
  ln -s "$tools/typescript/node_modules" "$out/node_modules"
  "$tools/typescript/node_modules/.bin/tsc" --project "$out"
}

in_java() {
  have javac || skip "java: there is no JDK (javac)"
  java_tools java
  generate "  - {protoc_builtin: java, protoc_path: $(echo "$tools"/java/protoc-[0-9]*.exe), out: .}" \
    "  - {local: $(echo "$tools"/java/protoc-gen-grpc-java-*.exe), out: ., opt: '@generated=omit'}"
  compare '*.java' "$messages"
  find "$out" -name '*.java' >"$out/sources"
  # Generated code has no annotations to process.
  javac -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -proc:none -nowarn -encoding UTF-8 -d "$out/classes" -cp "$tools/java/*" "@$out/sources"
}

in_csharp() { builtin csharp '*.cs' "$files"; }
in_php() { builtin php '*.php' "$messages"; }
in_ruby() { builtin ruby '*_pb.rb' "$files"; }

verdict=0
for language in "${@:-${every[@]}}"; do
  began=$SECONDS
  rm -rf "${out:?}"/*
  code=0
  # In a shell of its own, so that `skip` ends only this language; not as a condition, so that errors end it.
  set +e
  (set -e; "in_$language") >"$out.said" 2>&1
  code=$?
  set -e
  case $code in
    0) echo "ok     $language ($((SECONDS - began)) s)" ;;
    3) grep '^skipped: ' "$out.said" || echo "skipped: $language"; [ $verdict -ne 0 ] || verdict=3 ;;
    *) echo "FAILED $language (exit code $code)"; tail -n 30 "$out.said"; verdict=1 ;;
  esac
done
exit $verdict
