#!/usr/bin/env bash
# Job 8: the streams of a server with the embedded queue move to a server with Redis.
#
# Needs the old server at $FRAMEWAY_ADDRESS, the new one at $NEW_ADDRESS, jq, and a folder `cams`
# with a folder of pictures for each camera.
set -euo pipefail

# What there is on the old server: streams with settings, frames, and a recorder.
for camera in cams/*; do
  frameway streams register "${camera##*/}" --label site=north --retain-age 2h
done
frameway streams update cam-01 --mask 'window=0.1,0.1;0.3,0.1;0.3,0.4;0.1,0.4'
record=(frameway subscribe 'cam-*' --from earliest --cursor-file cursors.json --save recorded --count 18 --json)
for camera in cams/*; do frameway submit "$camera"; done
"${record[@]}" | tail -n 1

# Move the settings. Nothing is changed twice, so the second apply finds nothing to do.
frameway streams export --output streams.yaml
export_new() { frameway streams export --address "$NEW_ADDRESS"; }
frameway streams apply -f streams.yaml --address "$NEW_ADDRESS" --dry-run
frameway streams apply -f streams.yaml --address "$NEW_ADDRESS"
frameway streams apply -f streams.yaml --address "$NEW_ADDRESS"
export_new | diff - streams.yaml
echo "$(grep -c 'stream_id:' streams.yaml) streams moved with all settings"

# From now on the cameras send to the new server, and the recorder continues there. Its cursors
# belong to the old store: the new one says so, and starts at its oldest frames.
export FRAMEWAY_ADDRESS=$NEW_ADDRESS
for camera in cams/*; do frameway submit "$camera"; done
"${record[@]/recorded/recorded-new}" | tail -n 1
echo "the recorder has $(find recorded recorded-new -name '*.jpg' | wc -l) frames"
