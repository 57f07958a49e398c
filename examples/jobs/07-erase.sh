#!/usr/bin/env bash
# Job 7: the pictures of camera 1 of a stretch of time must go, at once and for good.
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for each
# camera.
set -euo pipefail

for camera in cams/*; do
  frameway streams register "${camera##*/}"
done
begin=$(date --utc --date='1 second ago' +%FT%TZ)
for camera in cams/*; do
  frameway submit "$camera"
done
end=$(date --utc --date='2 seconds' +%FT%TZ)
frames=$(find cams/cam-01 -type f | wc -l)
frameway subscribe cam-01 --from earliest --count "$frames" --save before

# What would go, and then the erasure with its reason, which the audit log keeps.
frameway streams erase cam-01 --from-time "$begin" --to-time "$end" --dry-run
frameway streams erase cam-01 --from-time "$begin" --to-time "$end" --reason "request 4711"

# Nobody can read them: each is a tombstone.
last=$(frameway streams show cam-01 --json | jq .status.accepted_sequence)
frameway streams erase cam-01 --from 1 --to "$last" --json |
  jq --exit-status --argjson frames "$frames" \
    '.erased_processed_frames == 0 and .already_erased_frames == $frames' > /dev/null
frameway queues --json | jq --exit-status '.total.account.processed_frames > 0' > /dev/null
echo "$frames frames of cam-01 were erased; the other cameras keep theirs"
