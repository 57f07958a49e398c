#!/usr/bin/env bash
# Job 5: a camera's pictures must fit a line of 2 Mbit/s. The budget holds, a budget that is too small
# says so, and the size of the pictures is the other knob.
#
# Needs a server at $FRAMEWAY_ADDRESS, jq, and a folder `cams` with a folder of pictures for each
# camera.
set -euo pipefail

pictures=$(find cams/cam-01 -type f | wc -l)
# Sends the pictures of cam-01 to a stream at 16 frames per second, and saves what a subscriber gets.
watch() { # watch STREAM REPEATS
  frameway submit cams/cam-01 --stream "$1" --fps 16 --repeat "$2" > /dev/null
  frameway subscribe "$1" --from earliest --count $((pictures * $2)) --save "$1" --json 2> /dev/null |
    jq -c 'select(.type == "frame")' > "$1.jsonl"
}
# The mean of the saved files in kbit/s, over the time in which the frames were received.
kbits() {
  bytes=$(find "$1" -type f -exec cat {} + | wc -c)
  jq -s --argjson bytes "$bytes" '
    def seconds: (.[:19] + "Z" | fromdateiso8601) + ("0" + .[19:23] | tonumber);
    ((.[-1].receive_time | seconds) - (.[0].receive_time | seconds)) as $time
    | $bytes * 8 / 1000 / ([$time, 1] | max) | round' "$1.jsonl"
}

# Without a budget, the pictures are passed on.
frameway streams register free --reencode never
watch free 5
echo "without a budget: $(kbits free) kbit/s"

# With it, the quality is lowered, over any 10 seconds as far as needed.
frameway streams register line --max-bytes-per-second 2Mbit
watch line 27
echo "with 2 Mbit/s: $(kbits line) kbit/s"
[ "$(kbits line)" -le 2050 ]

# A line of 32 kbit/s is not enough for the whole size at quality 60. The pictures are sent anyway, and
# are flagged, so that somebody notices.
frameway streams register narrow --max-bytes-per-second 32kbit --min-quality 60 --min-scale 100
watch narrow 3
flagged=$(jq -s 'map(select(.over_budget)) | length' narrow.jsonl)
[ "$flagged" -gt 0 ]
frameway streams show narrow | grep 'over budget'

# The other knob is the size: half the width is a quarter of the pixels. By default, a budget may also
# scale the pictures down to a quarter of their width (--min-scale).
frameway streams update narrow --max-width 160 --max-bytes-per-second 600kbit --reset output.adaptive.min_quality
frameway submit cams/cam-01 --stream narrow > /dev/null
frameway subscribe narrow --from $((pictures * 3 + 1)) --count 1 --lines
[ "$(frameway streams show narrow --json | jq .status.over_budget_in_row)" = 0 ]
echo "2 Mbit/s held: $(kbits line) kbit/s instead of $(kbits free); $flagged frames said that 32 kbit/s do not suffice"
