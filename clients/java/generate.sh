#!/usr/bin/env bash
# Writes the generated Java code of the contract, and its service config, to a folder.
#
#   clients/java/generate.sh OUT_DIR
#
# The result is committed in src/generated. Exit code 3, after a line "skipped: ...": a tool is missing.
set -euo pipefail
[ $# = 1 ] || { echo "usage: clients/java/generate.sh OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly protoc_version=4.36.2 grpc_version=1.83.1
readonly copy=org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy

skip() { echo "skipped: java: $1"; exit 3; }
command -v mvn > /dev/null || skip "there is no Maven (mvn)"
case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x86_64 ;;
  Linux-aarch64) platform=linux-aarch_64 ;;
  Darwin-x86_64) platform=osx-x86_64 ;;
  Darwin-arm64) platform=osx-aarch_64 ;;
  *) skip "Maven Central has no protoc for $(uname -s) on $(uname -m)" ;;
esac
buf=$(scripts/tool.sh buf) || skip "there is no buf"

tools=$PWD/.tools/java
# Prints the path of a program from Maven Central.
program() {
  local file=$tools/$2-$3-$platform.exe
  if [ ! -x "$file" ]; then
    mvn --quiet --batch-mode "$copy" -Dartifact="$1:$2:$3:exe:$platform" -DoutputDirectory="$tools" >&2 || return 1
    chmod +x "$file"
  fi
  echo "$file"
}
protoc=$(program com.google.protobuf protoc "$protoc_version") || skip "protoc could not be downloaded"
plugin=$(program io.grpc protoc-gen-grpc-java "$grpc_version") || skip "protoc-gen-grpc-java could not be downloaded"

"$buf" generate --output "$out" --template "version: v2
inputs: [{directory: ., paths: [proto/frameway/v1, proto/frameway/admin/v1beta1]}]
plugins:
  - {protoc_builtin: java, protoc_path: $protoc, out: java}
  - {local: $plugin, out: java, opt: '@generated=omit'}
"
mkdir -p "$out/resources/example/frameway"
cp proto/frameway_v1_service_config.json "$out/resources/example/frameway/service_config.json"
