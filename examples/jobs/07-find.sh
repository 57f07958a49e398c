#!/usr/bin/env bash
# Job 7: what was in front of a camera at a certain moment?
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for the
# camera cam-01.
set -euo pipefail

frameway streams register cam-01
frameway submit cams/cam-01 --stream cam-01 --rate 10
frames=$(find cams/cam-01 -type f | wc -l)
until [ "$(frameway frames list cam-01 --json | jq '.kept.frame_count')" = "$frames" ]; do sleep 0.05; done

# The moment in question: here, when the third frame was received. `frames list` prints such times.
frameway frames list cam-01
moment=$(frameway frames list cam-01 --json | jq -r '.frames[2].receive_time')

# The frames before and after it, and then the nearest one with its picture.
frameway frames list cam-01 --at "$moment" --before 1 --after 2
frameway frames get cam-01 --at "$moment" --save moment.jpg
test -s moment.jpg
[ "$(frameway frames get cam-01 --at "$moment" --json | jq .sequence)" = 3 ]
echo "found the frame of the moment, and its picture"

# A day earlier nothing was there, and the answer says what is kept.
earlier=$(date -u -d "$moment - 1 day" +%Y-%m-%dT%H:%M:%SZ)
if frameway frames get cam-01 --at "$earlier" --save earlier.jpg 2> why; then
  echo "there cannot be a frame of $earlier" >&2
  exit 1
fi
cat why
grep -q "kept are 1-$frames" why
test ! -e earlier.jpg
echo "where there is no frame, the command says what is kept"
