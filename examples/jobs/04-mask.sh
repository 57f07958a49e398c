#!/usr/bin/env bash
# Job 4: a window must not be seen by anybody, in any picture, and that is proven. The frames from
# before the mask go, too.
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, ffmpeg (to look at pixels), and a folder `cams` with a
# folder of pictures for each camera.
set -euo pipefail

# The brightness (0 to 255) of the brightest pixel in the middle of the window, x from 0.15 to 0.25 and
# y from 0.2 to 0.3 of the picture.
brightest() {
  ffmpeg -v error -i "$1" -vf "crop=iw*0.1:ih*0.1:iw*0.15:ih*0.2,format=gray" -f rawvideo - |
    od -An -v -tu1 -w1 | sort -n | tail -n 1
}

# Before: the window is seen, and frames with it are kept.
frameway streams register cam-01
frameway submit cams/cam-01
frameway subscribe cam-01 --from earliest --count 6 --pictures processed,thumbnail --save before
echo "before: $(brightest before/cam-01-000000001-processed.jpg)"
[ "$(brightest before/cam-01-000000001-processed.jpg)" -gt 40 ]

# The mask holds from now on. The update says how many kept frames do not have it, and how to erase
# them; with --erase-unmasked it erases them in the same step.
window='window=0.1,0.1;0.3,0.1;0.3,0.4;0.1,0.4'
frameway streams update cam-01 --mask "$window"
frameway streams update cam-01 --mask "$window" --erase-unmasked
frameway submit cams/cam-01

# After: every kind of picture is black there. Renditions are made on request.
frameway subscribe cam-01 --from 7 --count 6 --pictures processed,thumbnail,rendition --max-width 200 \
  --save after
for picture in after/*; do
  light=$(brightest "$picture")
  if [ "$light" -gt 24 ]; then
    echo "$picture shows something behind the mask: $light" >&2
    exit 1
  fi
done

# The submitted pictures are not there for anybody, and the old ones are gone.
if frameway streams update cam-01 --keep-original 2> refused; then
  echo "the submitted pictures would be kept" >&2
  exit 1
fi
cat refused
erased=$(frameway frames list cam-01 --json | jq '[.frames[] | select(.outcome == "ERASED")] | length')
echo "$(find after -type f | wc -l) pictures are black behind the mask; $erased frames without it are erased"
