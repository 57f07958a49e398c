#!/usr/bin/env bash
# Runs the Python client's sample against a running server, in a virtual environment of its own.
#
#   scripts/test-python-client.sh HOST:PORT
#
# The versions here are the ones tried; clients/python/pyproject.toml says which others will do.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

address=${1:?usage: scripts/test-python-client.sh HOST:PORT}
packages=(grpcio==1.85.1 protobuf==7.36.2)
sample=clients/python/samples/submit_and_subscribe.py

if ! command -v python3 >/dev/null; then
  echo "skipped: Python client: there is no python3"
  exit 3
fi

# A new set of versions, or another Python, gets an environment of its own.
key=$(printf '%s\n' "$(python3 --version)" "${packages[@]}" | cksum | cut -d ' ' -f 1)
venv=.tools/python-client-$key
if [ ! -e "$venv/ready" ]; then
  echo "installing ${packages[*]} into $venv (once)"
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: "${packages[@]}"
  touch "$venv/ready"
fi

PYTHONPATH=clients/python/src "$venv/bin/python" "$sample" --address "$address" --stream "python-$$" --timeout-seconds 60
echo "Python client: $sample ran against $address"
