#!/usr/bin/env bash
# Job 8: the streams and groups of a server with the embedded queue move to a server with Redis.
#
# Needs the old server at $FRAMEWAY_ADDRESS, the new one at $NEW_ADDRESS, jq, and a folder `cams`
# with a folder of pictures for each camera.
set -euo pipefail

# What there is on the old server: streams with settings, frames, a group of detectors, and a recorder.
for camera in cams/*; do
  frameway streams register "${camera##*/}" --label site=north --retain-age 2h
done
frameway streams update cam-01 --mask 'window=0.1,0.1;0.3,0.1;0.3,0.4;0.1,0.4'
frameway groups create detectors 'cam-*' --from earliest --ack-deadline 10s --affinity stream
record=(frameway subscribe 'cam-*' --from earliest --cursor-file cursors.json --save recorded --count 18 --json)
for camera in cams/*; do frameway submit "$camera"; done
"${record[@]}" | tail -n 1

# Move the settings. Nothing is changed twice, so the second apply finds nothing to do.
frameway streams export --output settings.yaml
export_new() { frameway streams export --address "$NEW_ADDRESS"; }
frameway streams apply -f settings.yaml --address "$NEW_ADDRESS" --dry-run
frameway streams apply -f settings.yaml --address "$NEW_ADDRESS"
frameway streams apply -f settings.yaml --address "$NEW_ADDRESS"
export_new | diff - settings.yaml
echo "$(grep -c 'stream_id:' settings.yaml) streams moved with all settings"
echo "$(grep -c 'group_id:' settings.yaml) group moved with all settings"

# From now on the cameras send to the new server, and the recorder continues there. Its cursors
# belong to the old store: the new one says so, and starts at its oldest frames.
export FRAMEWAY_ADDRESS=$NEW_ADDRESS
for camera in cams/*; do frameway submit "$camera"; done
"${record[@]/recorded/recorded-new}" | tail -n 1

# The group has the settings of the old one, and starts at the oldest frames of the new server.
frameway subscribe --group detectors --member one --count 18 --json | tail -n 1
echo "the recorder has $(find recorded recorded-new -name '*.jpg' | wc -l) frames"
