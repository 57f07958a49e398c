#!/usr/bin/env bash
# Writes the generated code to a folder: clients/typescript/generate.sh OUT_DIR
#
# The committed copy is src/gen. The plugin comes from package-lock.json. Exit code 3, after a line
# "skipped: ...": a tool is missing.
set -euo pipefail
[ $# = 1 ] || { echo "usage: clients/typescript/generate.sh OUT_DIR" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."

"$here/install.sh"
buf=$(scripts/tool.sh buf) || { echo "skipped: typescript: buf is missing"; exit 3; }
plugin=$here/node_modules/@bufbuild/protoc-gen-es/bin/protoc-gen-es
"$buf" generate --output "$out" --template "
version: v2
inputs:
  - {directory: ., paths: [proto/frameway/v1, proto/frameway/admin/v1beta1]}
  - {directory: clients/typescript/proto}
plugins:
  - {local: [node, $plugin], out: ., opt: [target=ts, import_extension=js]}
"

cd "$out"
for file in frameway/v1/*_pb.ts; do
  echo "export * from \"./$(basename "$file" .ts).js\";"
done >frameway/v1/index.ts
{
  echo "// The timeouts and retries of each method: proto/frameway_v1_service_config.json."
  printf 'export const serviceConfig = '
  cat "$here/../../proto/frameway_v1_service_config.json"
  echo ' as const;'
} | sed '${/^ as const;$/d}; s/^}$/} as const;/' >service_config.ts
