#!/usr/bin/env bash
# Job 6: a camera sends garbage. Which one is it, what is wrong, and what does it send?
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for each
# camera.
set -euo pipefail

for camera in cams/*; do
  frameway streams register "${camera##*/}" --stall-timeout 10m
  frameway submit "$camera"
done

# The link of cam-02 breaks: each of its files ends in the middle.
mkdir -p broken/cam-02
for picture in cams/cam-02/*; do
  size=$(wc -c < "$picture")
  head -c $((size / 2)) "$picture" > "broken/cam-02/${picture##*/}"
done
frameway submit broken/cam-02

# Which camera is it?
until frameway streams list --filter 'status.state = STREAM_STATE_ERROR' --json |
  jq -e '.streams | length == 1' > /dev/null; do
  sleep 0.1
done
frameway streams list --filter 'status.state = STREAM_STATE_ERROR'
frameway look --output look.png

# What is wrong with it?
until frameway dead-letters summary --json | jq -e '.groups[0].count == 6' > /dev/null; do sleep 0.1; done
frameway streams show cam-02
frameway dead-letters summary

# What does it send? The pictures and an index of them are saved for its vendor.
frameway dead-letters save evidence --all
count=$(jq -s 'map(select(.reason == "DECODE_TRUNCATED")) | length' evidence/dead-letters.jsonl)
cmp broken/cam-02/1.jpg evidence/cam-02/*7-DECODE_TRUNCATED-*.jpg

# A replay would not help, because the pictures stay broken.
frameway dead-letters replay --stream cam-02 --dry-run
frameway dead-letters discard --all --because 'sent to the vendor'
echo "cam-02 sent $count pictures that end too early; all are saved"
