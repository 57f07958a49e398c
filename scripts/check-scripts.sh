#!/usr/bin/env bash
# Checks every shell script of the repository: syntax always, shellcheck where it is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts=()
while IFS= read -r file; do scripts+=("$file"); done < <(git ls-files --cached --others --exclude-standard '*.sh' .ci/run)
for file in "${scripts[@]}"; do bash -n "$file"; done
echo "${#scripts[@]} scripts parse"

if ! command -v shellcheck >/dev/null; then
  echo "skipped: shellcheck: it is not installed; 'scripts/setup.sh test' installs it"
  exit 3
fi
shellcheck "${scripts[@]}"
echo "shellcheck is content"
