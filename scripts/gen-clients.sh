#!/usr/bin/env bash
# Writes the generated code of the Python client, and its copy of the service config, from proto/.
#
#   scripts/gen-clients.sh [--check]      --check changes nothing and fails if the code is stale
#
# Exit code 3: a tool could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

mode=${1:-write}
case $mode in write | --check) ;; *) echo "usage: scripts/gen-clients.sh [--check]" >&2; exit 2 ;; esac
python=$(scripts/tool.sh python)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

protos=() with_services=()
while IFS= read -r file; do
  protos+=("${file#proto/}")
  if grep -q '^service ' "$file"; then with_services+=("${file#proto/}"); fi
done < <(find proto/frameway/v1 proto/frameway/admin -name '*.proto' | LC_ALL=C sort)
# Generate from a descriptor set: it keeps the JSON names in the generated code.
protoc() { "$python" -m grpc_tools.protoc "$@"; }
protoc -I proto --include_imports --include_source_info --descriptor_set_out="$out/api.binpb" "${protos[@]}"
protoc --descriptor_set_in="$out/api.binpb" --python_out="$out" --pyi_out="$out" "${protos[@]}"
protoc --descriptor_set_in="$out/api.binpb" --grpc_python_out="$out" "${with_services[@]}"
"$python" scripts/python_packages.py "$out"
cp proto/frameway_v1_service_config.json "$out/frameway/v1/service_config.json"

for folder in frameway/v1 frameway/admin; do
  committed=clients/python/src/$folder
  if [ "$mode" = --check ]; then
    diff -ru --exclude=__pycache__ "$committed" "$out/$folder" || { echo "$committed is stale: run scripts/gen-clients.sh" >&2; exit 1; }
  else
    rm -rf "$committed"
    cp -R "$out/$folder" "$committed"
  fi
done
