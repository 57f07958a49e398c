#!/usr/bin/env bash
# Job 2: three detectors share the frames of all cameras, and one of them crashes.
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for each
# camera.
set -euo pipefail

for camera in cams/*; do
  frameway streams register "${camera##*/}"
done
frameway groups create detectors 'cam-*' --ack-deadline 1s

# Each detector prints the frames that it acknowledged.
detectors=()
for member in first second third; do
  frameway subscribe --group detectors --member "$member" --json > "$member.jsonl" &
  detectors+=($!)
done
trap 'kill "${detectors[@]}" 2> /dev/null || true' EXIT
until [ "$(frameway groups show detectors --json | jq '.members | length')" = 3 ]; do sleep 0.05; done

for camera in cams/*; do
  frameway submit "$camera" &
  submitters+=($!)
done
kill -KILL "${detectors[2]}"
wait "${submitters[@]}"

# Wait until each frame is acknowledged.
frames=$(find cams -type f | wc -l)
until frameway groups show detectors --json |
  jq -e --argjson frames "$frames" '.acknowledged_frames >= $frames' > /dev/null; do
  sleep 0.1
done
frameway groups show detectors
echo "each of the $frames frames was handled, although one detector crashed"
