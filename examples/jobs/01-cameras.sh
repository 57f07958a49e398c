#!/usr/bin/env bash
# Job 1: the pictures of many cameras come in, from folders, a video and a live stream. A camera that
# stops is noticed, and sends no old pictures when it goes on.
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for each
# camera. The video and the live stream also need ffmpeg.
set -euo pipefail

# Each folder is a camera. They take turns, at 20 frames per second each.
frameway submit cams --register --fps 20 --capture-time now --json > submitted.json
jq -r '"\(.accepted) frames of \(.streams | length) cameras"' submitted.json

if command -v ffmpeg > /dev/null; then
  ffmpeg -v error -f lavfi -i testsrc=size=320x180:rate=25:duration=4 -c:v mpeg4 road.mp4
  frameway submit road.mp4 --register --fps 5 --json > video.json

  # A real camera is `-rtsp_transport tcp -i rtsp://USER:PASSWORD@HOST/live` instead of ffmpeg's test
  # picture: `-re -f lavfi -i ...`.
  ffmpeg -v error -re -f lavfi -i testsrc2=size=320x180:rate=10:duration=2 -f mjpeg -q:v 3 - |
    frameway submit - --stream north-gate --register --capture-time now --json > live.json
  echo "$(jq .accepted video.json) pictures of a video, $(jq .accepted live.json) of a live camera"
fi

# A simulated camera, which is stopped and goes on.
state() { frameway streams show cam-01 --json | jq -r .status.state; }
frameway streams update cam-01 --stall-timeout 1s
frameway submit cams/cam-01 --fps 10 --repeat forever --capture-time now &
camera=$!
trap 'kill -CONT "$camera" && kill "$camera" || true' EXIT
until [ "$(state)" = LIVE ]; do sleep 0.05; done
kill -STOP "$camera"
until [ "$(state)" = STALLED ]; do sleep 0.05; done
frameway streams list
kill -CONT "$camera"
until [ "$(state)" = LIVE ]; do sleep 0.05; done
kill -INT "$camera"
wait "$camera"
trap - EXIT
echo "the stopped camera was noticed, and goes on at its pace"
