#!/usr/bin/env bash
# Runs the Python client's sample against a running server, and its tests, which start servers of their own.
#
#   scripts/test-python-client.sh HOST:PORT
#
# FRAMEWAY names another binary than target/debug/frameway.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

address=${1:?usage: scripts/test-python-client.sh HOST:PORT}
sample=clients/python/samples/submit_and_subscribe.py

python=$(scripts/python-client-venv.sh) || exit $?
export PYTHONPATH=$PWD/clients/python/src
"$python" "$sample" --address "$address" --stream "python-$$" --register --timeout-seconds 60
echo "Python client: $sample ran against $address"
if "$python" "$sample" --address "$address" --stream "python-$$-other" --timeout-seconds 60 2>/dev/null; then
  echo "the sample registered a stream unasked" >&2
  exit 1
fi
cd clients/python/tests
"$python" -m unittest
