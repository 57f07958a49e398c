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
status() { frameway groups show detectors --json; }
until [ "$(status | jq '.members | length')" = 3 ]; do sleep 0.05; done

# The third one hangs, gets frames, and is killed before it acknowledges any.
kill -STOP "${detectors[2]}"
submitters=()
for camera in cams/*; do
  frameway submit "$camera" &
  submitters+=($!)
done
until status | jq -e '.members[] | select(.member_id == "third") | .outstanding_frames > 0' > /dev/null; do
  sleep 0.05
done
kill -KILL "${detectors[2]}"
wait "${submitters[@]}"

# After the deadline the others get its frames.
frames=$(find cams -type f | wc -l)
until status | jq -e --argjson frames "$frames" '.acknowledged_frames == $frames' > /dev/null; do
  sleep 0.1
done
frameway groups show detectors
# `subscribe` prints a frame before it acknowledges it, so all of them are in these files.
handled=$(cat first.jsonl second.jsonl | jq -s 'map(select(.sequence) | [.stream_id, .sequence]) | unique | length')
echo "$handled frames were handled, $(status | jq .redelivered_frames) of them after the third detector crashed"
