#!/usr/bin/env bash
# Builds the last stage of the Dockerfile with the program in target/debug, runs it as docs/deploy.md
# says, and starts docker-compose.yml: frames go in and come out, and everything stops.
#
#   scripts/containers.sh
#
# Needs root, buildah, podman, runc and debootstrap. The base images are made with debootstrap under
# the names that the Dockerfile and the compose file use, so no image registry is needed. Takes about
# three minutes, most of them for the base images. Exit code 3, after a line "skipped: ...": it
# cannot run on this machine.
#
# Nothing is left behind (scripts/alone.sh).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly what=containers
# shellcheck source=scripts/alone.sh
. scripts/alone.sh

outside() {
  need_tools buildah iptables
  compose=$(scripts/tool.sh podman-compose) || exit 3
  export compose
  make_scratch
  make_root ca-certificates
  tar -C "$scratch/root" -cf "$scratch/debian.tar" .
  chroot "$scratch/root" apt-get install -qq -y --no-install-recommends redis-server >"$scratch/redis.log" 2>&1 ||
    { tail -n 3 "$scratch/redis.log" >&2 && skip "redis-server could not be installed in $suite"; }
  mkdir -p "$scratch/root/data" && chroot "$scratch/root" chown redis:redis /data
  # As in the official image, protected mode is off: the network of the containers is the protection.
  # shellcheck disable=SC2016 # the shell in the container expands it
  printf '#!/bin/sh\nexec "$@" --protected-mode no\n' >"$scratch/root/usr/local/bin/entry"
  chmod 755 "$scratch/root/usr/local/bin/entry"
  tar -C "$scratch/root" -cf "$scratch/redis.tar" .
  rm -rf "$scratch/root"
  say "base images"
  enter
}

build_image() {
  quiet podman import "$scratch/debian.tar" docker.io/library/debian:bookworm-slim
  quiet podman import --change 'WORKDIR /data' --change 'VOLUME /data' --change 'ENTRYPOINT ["/usr/local/bin/entry"]' \
    "$scratch/redis.tar" docker.io/library/redis:7
  rm "$scratch/debian.tar" "$scratch/redis.tar"
  # The last stage, with what the first stage would have made.
  mkdir -p "$scratch/build/out" "$scratch/build/etc/ssl/certs"
  strip --strip-debug -o "$scratch/build/out/frameway" "$program"
  cp /etc/ssl/certs/ca-certificates.crt "$scratch/build/etc/ssl/certs/"
  awk '/^FROM /{ stage++ } stage == 2' Dockerfile >"$scratch/Dockerfile"
  grep -q '^FROM debian:bookworm-slim$' "$scratch/Dockerfile" || fail "the last stage of the Dockerfile is not the one that this script knows"
  BUILDAH_ISOLATION=chroot buildah bud --format docker --file "$scratch/Dockerfile" --build-context build="$scratch/build" \
    --tag localhost/frameway . >"$scratch/bud.log" 2>&1 || show_and_fail "$scratch/bud.log" "the image cannot be built"
}

# frames_flow STREAM: submits 25 frames to port 7400 and reads them back.
frames_flow() {
  "$program" submit --stream "$1" --register --repeat 25 --json --raw-format gray8 --width 80 --height 60 "$scratch/picture.raw" \
    >"$scratch/submit.log" 2>&1 || show_and_fail "$scratch/submit.log" "$1: the frames were not accepted"
  timeout 60 "$program" subscribe "$1" --from earliest --count 25 --json >"$scratch/received" 2>&1 ||
    show_and_fail "$scratch/received" "$1: the frames were not received"
  [ "$(grep -c '"type":"frame"' "$scratch/received")" -eq 25 ] || show_and_fail "$scratch/received" "$1: not 25 frames"
}
# hardened CONTAINER: the container runs as restricted as it should.
hardened() {
  podman exec "$1" sh -c '! touch /written 2>/dev/null' || fail "$1: the root file system can be written"
  podman exec "$1" sh -c '! [ "$(id -u)" = 0 ]' || fail "$1 runs as root"
  podman exec "$1" sh -c 'grep -qE "^CapEff:\s*0+$" /proc/1/status && grep -qE "^NoNewPrivs:\s*1$" /proc/1/status' ||
    fail "$1 has capabilities, or can gain privileges"
}

one_container() {
  local refused=0 code
  podman run --rm localhost/frameway >"$scratch/refused" 2>&1 || refused=$?
  if [ $refused -ne 2 ] || ! grep -q 'set --tls-cert and --tls-key, and --access-file' "$scratch/refused"; then
    show_and_fail "$scratch/refused" "by itself, the image must refuse to be reached without TLS: exit code $refused"
  fi
  quiet podman run --detach --name alone --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    --publish 127.0.0.1:7400:7400 localhost/frameway serve --listen 0.0.0.0:7400 --insecure
  until_true 30 podman healthcheck run alone
  hardened alone
  frames_flow alone
  quiet podman stop --time 40 alone
  code=$(podman inspect --format '{{.State.ExitCode}}' alone)
  [ "$code" = 0 ] || fail "after SIGTERM, the exit code is $code"
  quiet podman rm alone
}

compose() { "$compose" --project-name frameway "$@" >"$scratch/compose.log" 2>&1 || show_and_fail "$scratch/compose.log" "compose $*"; }
of() { podman ps --quiet --filter "label=com.docker.compose.service=$1"; }
both_workers() { [ "$(of worker | wc -l)" -eq 2 ]; }
composed() {
  local one left
  compose up --detach --no-build
  until_true 60 "$program" health
  until_true 30 both_workers
  for one in $(of redis) $(of api) $(of worker); do hardened "$one"; done
  frames_flow composed
  say "compose: Redis, API and two workers, unprivileged, 25 frames"
  compose --profile demo up --detach --no-build
  until_true 60 timeout 20 "$program" subscribe 'demo-*' --count 8 --json
  say "compose, profile demo: frames of simulated cameras"
  # Docker stops what depends on Redis before Redis; podman-compose does not, and the cameras would wait for it.
  compose --profile demo stop --timeout 40 cameras
  compose --profile demo down --volumes --timeout 40
  left=$({ podman ps --all --quiet && podman volume ls --quiet; } | wc -l)
  [ "$left" -eq 0 ] || fail "after \`down\`, $left containers and volumes are left"
}

inside() {
  build_image
  say "image"
  head -c 4800 /dev/urandom >"$scratch/picture.raw"
  one_container
  say "one container: healthy, unprivileged, 25 frames, exit code 0 after SIGTERM"
  composed
  say "compose: down, nothing left"
}

main "$@"
