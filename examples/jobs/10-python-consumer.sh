#!/usr/bin/env bash
# Job 10: a consumer in Python is killed twice, and handles every frame once.
#
# Needs a server at $FRAMEWAY_ADDRESS, a folder `cams` with a folder of pictures for each camera, and
# in $PYTHON an interpreter that has the client:
#
#   python3 -m venv .venv && .venv/bin/pip install ./clients/python && export PYTHON=$PWD/.venv/bin/python
set -euo pipefail

consumer=$(dirname "${BASH_SOURCE[0]}")/consumer.py
for camera in cams/*; do
  frameway streams register "${camera##*/}"
done
frameway submit cams --fps 10 --repeat 3 &
of_each=$(($(find cams/cam-01 -type f | wc -l) * 3))
frames=$(($(find cams -type f | wc -l) * 3))

touch results.txt
handled() { wc -l < results.txt; }
consume() { # consume UNTIL: starts the consumer, and kills it when it has handled so many frames
  "${PYTHON:-python3}" "$consumer" "$FRAMEWAY_ADDRESS" results.txt &
  local running=$!
  until [ "$(handled)" -ge "$1" ]; do
    kill -0 "$running"
    sleep 0.02
  done
  kill -KILL "$running"
  wait "$running" 2> /dev/null || true
}
consume 5
consume 20
consume "$frames"
wait

# Every sequence of every stream is there, once.
diff <(for camera in cams/*; do seq -f "${camera##*/} %g" "$of_each"; done) \
  <(cut -d' ' -f1,2 results.txt | sort -k1,1 -k2,2n)
echo "all $(handled) frames were handled once, although the consumer was killed twice"
