#!/usr/bin/env bash
# Prints the path of a Python that has what the Python client needs; makes its virtual environment the first time.
#
# The versions are the ones tried; clients/python/pyproject.toml says which others will do. Leaves with 3 and a line
# "skipped: ..." where there is no python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements=clients/python/tests/requirements.txt
if ! command -v python3 >/dev/null; then
  echo "skipped: Python client: there is no python3" >&2
  exit 3
fi

# A new set of versions, or another Python, gets an environment of its own.
key=$({ python3 --version && cat "$requirements"; } | cksum | cut -d ' ' -f 1)
venv=.tools/python-client-$key
if [ ! -e "$venv/ready" ]; then
  echo "installing what $requirements names into $venv (once)" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r "$requirements" >&2
  touch "$venv/ready"
fi
echo "$PWD/$venv/bin/python"
