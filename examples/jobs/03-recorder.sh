#!/usr/bin/env bash
# Job 3: a recorder saves the submitted pictures of all cameras, is killed, and misses nothing. Then:
# one picture of each camera for a dashboard, and a recording with a bound.
#
# Needs a server at $FRAMEWAY_ADDRESS, and a folder `cams` with a folder of pictures for each camera.
set -euo pipefail

for camera in cams/*; do
  frameway streams register "${camera##*/}" --keep-original
done

template='rec/{stream}/{date}/{hour}/{time}-{sequence}.{ext}'
record() {
  exec frameway subscribe 'cam-*' --from earliest --pictures original --cursor-file recorder.json \
    --save "$template" --lines > lines.txt
}
saved() { find rec -name '*.jpg' 2> /dev/null | wc -l; }

record &
recorder=$!
trap 'kill "$recorder" 2> /dev/null || true' EXIT
frameway submit cams --fps 10 --repeat 5 &
submitter=$!
until [ "$(saved)" -gt 10 ]; do sleep 0.05; done
kill -KILL "$recorder"
wait "$submitter"

record &
recorder=$!
frames=$(($(find cams -name '*.jpg' | wc -l) * 5))
until [ "$(saved)" -eq "$frames" ]; do sleep 0.05; done
kill -INT "$recorder"
wait "$recorder"
# The saved bytes are the submitted ones.
digests() { find "$1" -name '*.jpg' -exec cksum {} + | cut -d' ' -f1,2 | sort -u; }
diff <(digests cams) <(digests rec)
echo "all $frames frames are saved, although the recorder was killed; the first three:"
find rec -name '*.jpg' | sort | sed -n 1,3p

# The newest picture of each camera, in a file that is replaced.
frameway subscribe 'cam-*' --from earliest --latest-only --count 3 --pictures thumbnail \
  --save-latest wall --lines
echo "one picture for each of $(find wall -name '*.jpg' | wc -l) cameras"

# Only the newest pictures stay, also of those that were saved before.
frameway subscribe 'cam-*' --from earliest --count 1 --pictures original --save "$template" \
  --keep-bytes 100kB --lines
bytes=$(find rec -name '*.jpg' -exec cat {} + | wc -c)
[ "$bytes" -le 100000 ]
echo "$(saved) files stay: $bytes bytes, at most 100000 bytes"
