#!/usr/bin/env bash
# Job 12: a consumer may see the cameras of site A, and nothing of site B.
#
# Needs jq, and a folder `cams` with a folder of pictures for each camera.
set -euo pipefail
umask 077

# Grants name streams by patterns of their ids, so the ids begin with the site. The consumers get a
# key each: one reads the streams of site A, the other one consumes one group.
keys=(frameway keys create --access-file access.toml)
"${keys[@]}" --principal admin --grant admin > admin.key
"${keys[@]}" --principal site-a --grant 'read:a.*' > a.key
"${keys[@]}" --principal detector-a --grant consume:detectors-a > detector.key

frameway serve --listen 127.0.0.1:0 --address-file address --metrics-listen none --log warn \
  --access-file access.toml &
server=$!
trap 'kill "$server" 2> /dev/null || true' EXIT
until [ -s address ]; do sleep 0.05; done
FRAMEWAY_ADDRESS=$(cat address)
export FRAMEWAY_ADDRESS

admin() { FRAMEWAY_API_KEY_FILE=admin.key frameway "$@"; }
for site in a b; do
  admin streams register "$site.cam-01" --label "site=$site"
  admin submit cams/cam-01 --stream "$site.cam-01"
done
# What the group gets is chosen by the label. Its members need not be told streams, and cannot choose any.
admin groups create detectors-a --label site=a --from earliest

refused() { # refused KEY COMMAND...: the command must fail for want of a permission
  local key=$1
  shift
  if FRAMEWAY_API_KEY_FILE=$key frameway "$@" 2> why; then
    echo "not refused: frameway $*" >&2
    exit 1
  fi
  tail -n 1 why
  grep -q PERMISSION_DENIED why
}

# Site A is seen.
export FRAMEWAY_API_KEY_FILE=a.key
frameway streams list
frameway subscribe a.cam-01 --from earliest --count 6 --save a
# Site B is not: not by its name, not by a pattern, not by a search, not by a query of old frames.
refused a.key subscribe b.cam-01 --from earliest --count 1
refused a.key frames list b.cam-01
refused a.key streams show b.cam-01
[ "$(frameway streams list --json | jq -r '.streams[].stream_id')" = a.cam-01 ]
frameway subscribe '*' --from earliest --count 6 --save everything
# It changes nothing and submits nothing.
refused a.key streams update a.cam-01 --quality 10
refused a.key submit cams/cam-01 --stream a.cam-01

# The member of the group gets the frames of the label, and cannot read streams by itself.
FRAMEWAY_API_KEY_FILE=detector.key frameway subscribe --group detectors-a --member one --count 6 --save detector
refused detector.key subscribe a.cam-01 --from earliest --count 1
found() { find a everything detector -name "$1.cam-01-*.jpg" | wc -l; }
[ "$(found b)" = 0 ]
echo "the consumers of site A have $(found a) pictures of it, and $(found b) of site B"
