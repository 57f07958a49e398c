#!/usr/bin/env bash
# Job 9: how many cameras fit, and with which settings? The plan is made first; its settings then start
# a server, which keeps what was planned.
#
# Needs jq, and a folder `cams` with a folder of pictures for each camera.
set -euo pipefail

# The whole site: does it fit on this machine, and if not, why, and what would?
frameway plan --cameras 40 --fps 5 --bytes 200kB --keep 1h --json > site.json
jq -r '.does_not_fit[] | "does not fit: \(.what): \(.why)"' site.json
jq -r '.would_fit[] | "would fit: \(.)"' site.json

# Three of its cameras, small ones, for a trial. The mean size is that of their pictures.
cameras=$(find cams -mindepth 1 -maxdepth 1 -type d | wc -l)
pictures=$(find cams -type f | wc -l)
bytes=$(($(find cams -type f -exec cat {} + | wc -c) / pictures))
frameway plan --cameras "$cameras" --fps 20 --bytes "$bytes" --keep 1m --partitions 4 --json > trial.json
jq -e '.does_not_fit == []' trial.json > /dev/null
setting() { jq -r ".settings.$1" trial.json; }

# A server with the settings of the plan.
frameway serve --listen 127.0.0.1:0 --address-file address --metrics-listen none --log warn \
  --memory-budget "$(setting memory_budget)" --memory-split "$(setting memory_split)" --partitions "$(setting partitions)" &
server=$!
trap 'kill "$server" 2> /dev/null || true' EXIT
until [ -s address ]; do sleep 0.05; done
FRAMEWAY_ADDRESS=$(cat address)
export FRAMEWAY_ADDRESS
for camera in cams/*; do
  frameway streams register "${camera##*/}" --retain-age "$(setting retain_age_seconds)s" \
    --retain-frames "$(setting retain_frames)" --retain-bytes "$(setting retain_bytes)"
done

# The planned load. Every frame is kept.
frameway submit cams --fps 20 --repeat 5 --capture-time now
kept() { frameway streams list --json | jq '[.streams[].status.retained_frames] | add'; }
until [ "$(kept)" = $((pictures * 5)) ]; do sleep 0.1; done
frameway streams list
used=$(frameway streams list --json | jq '[.streams[].status.retained_bytes] | add')
echo "the plan's server keeps all $(kept) frames: $used bytes, planned for $(jq .kept_bytes trial.json)"
