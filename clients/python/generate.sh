#!/usr/bin/env bash
# Writes the generated code of the Python client, and its copy of the service config, to
# OUT_DIR/frameway/v1 and OUT_DIR/frameway/admin.
#
#   clients/python/generate.sh OUT_DIR
#
# Exit code 3, after a line "skipped: ...": a tool could not be installed.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: clients/python/generate.sh OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=$(scripts/tool.sh python)
set_of_protos=$(mktemp)
trap 'rm -f "$set_of_protos"' EXIT

protos=() with_services=()
while IFS= read -r file; do
  protos+=("${file#proto/}")
  if grep -q '^service ' "$file"; then with_services+=("${file#proto/}"); fi
done < <(find proto/frameway/v1 proto/frameway/admin -name '*.proto' | LC_ALL=C sort)
# Generate from a descriptor set: it keeps the JSON names in the generated code.
protoc() { "$python" -m grpc_tools.protoc "$@"; }
protoc -I proto --include_imports --include_source_info --descriptor_set_out="$set_of_protos" "${protos[@]}"
protoc --descriptor_set_in="$set_of_protos" --python_out="$out" "${protos[@]}"
protoc --descriptor_set_in="$set_of_protos" --grpc_python_out="$out" "${with_services[@]}"
# The types, with the comments of the proto. What grpcio-tools writes lacks the stubs, and is not
# strict. The code of the plugins is of an older protobuf, of which protobuf warns.
types() {
  PYTHONWARNINGS=ignore protoc --descriptor_set_in="$set_of_protos" \
    --plugin="$(dirname "$python")/protoc-gen-$1" "--$1_out=quiet:$out" "${@:2}"
}
types mypy "${protos[@]}"
types mypy_grpc "${with_services[@]}"
"$python" scripts/python_packages.py "$out"
cp proto/frameway_v1_service_config.json "$out/frameway/v1/service_config.json"
find "$out" -name __pycache__ -prune -exec rm -rf {} +
