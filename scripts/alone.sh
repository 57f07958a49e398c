# Runs containers that leave nothing behind; sourced by containers.sh and deb-test.sh.
#
# Files are in one temporary folder, $scratch. The containers run in namespaces of their own
# (processes, mounts, network), which end with the script. A script that sources this file defines
# `outside`, which prepares and then calls `enter`, and `inside`, which runs containers.
# shellcheck shell=bash
# shellcheck disable=SC2154 # the script that sources this file sets $what, the name of the check

export PATH=$PATH:/usr/sbin:/sbin
readonly suite=bookworm suite_glibc=2.36

skip() { echo "skipped: $what: $1" && exit 3; }
say() { printf '  %4ds  %s\n' $SECONDS "$1"; }
fail() { echo "FAILED: $1" >&2 && exit 1; }
show_and_fail() { tail -n 20 "$1" >&2 && fail "$2"; }
# quiet COMMAND...: keeps the output. Without systemd, podman says with each start that it cannot
# schedule health checks.
quiet() { "$@" >>"$scratch/podman.log" 2>&1 || show_and_fail "$scratch/podman.log" "$*"; }
# until_true SECONDS COMMAND...: repeats the command until it succeeds.
until_true() {
  local deadline=$((SECONDS + $1)) && shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "not in time: $*"
    sleep 0.2
  done
}

# need_tools TOOL...: skips if containers cannot run here, or another tool is missing.
need_tools() {
  [ "$(id -u)" -eq 0 ] || skip "needs root, to make base images and to run containers"
  for tool in podman runc debootstrap unshare ip "$@"; do
    command -v "$tool" >/dev/null || skip "$tool is not installed (apt-get install buildah podman runc debootstrap iptables iproute2 netavark aardvark-dns)"
  done
  program=$(realpath "${CARGO_TARGET_DIR:-target}")/debug/frameway
  [ -x "$program" ] || skip "there is no $program: run \`make build\` first"
  # The program needs at least the C library that it was linked with.
  local glibc
  glibc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
  [ "$(printf '%s\n' "$glibc" $suite_glibc | sort -V | tail -n 1)" = $suite_glibc ] ||
    skip "the C library here ($glibc) is newer than that of $suite ($suite_glibc), so the program does not run there"
}

make_scratch() {
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/frameway-$what.XXXXXX")
  # Podman makes a group of this name for its containers.
  had_group=$(find /sys/fs/cgroup -maxdepth 2 -name libpod_parent 2>/dev/null || true)
  trap 'clean_outside' EXIT
}
clean_outside() {
  local verdict=$?
  rm -rf --one-file-system "$scratch"
  if [ -z "$had_group" ]; then find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} \; 2>/dev/null || true; fi
  exit $verdict
}

# make_root PACKAGE...: makes a Debian with these packages in $scratch/root.
make_root() {
  local include
  include=$(IFS=, && echo "$*")
  debootstrap --variant=minbase --include="$include" $suite "$scratch/root" >"$scratch/debootstrap.log" 2>&1 ||
    { tail -n 3 "$scratch/debootstrap.log" >&2 && skip "debootstrap could not fetch $suite"; }
}

# enter: runs this script again, inside.
enter() {
  export program scratch
  unshare --mount --net --pid --fork --mount-proc --kill-child "$0" --inside
}

prepare_podman() {
  ip link set lo up
  mount -t tmpfs tmpfs /run
  mkdir -p /var/lib/containers && mount -t tmpfs tmpfs /var/lib/containers
  mkdir -p "$scratch"/{lower,upper,work,merged,networks,static,tmp}
  local driver=vfs
  if mount -t overlay -o "lowerdir=$scratch/lower,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$scratch/merged" 2>/dev/null; then
    umount "$scratch/merged" && driver=overlay
  fi
  printf '[storage]\ndriver = "%s"\nrunroot = "%s"\ngraphroot = "%s"\n' "$driver" "$scratch/run" "$scratch/images" >"$scratch/storage.conf"
  # The runtime and the limits are those that also work inside another container.
  cat >"$scratch/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
pids_limit = 0
[network]
network_config_dir = "$scratch/networks"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
static_dir = "$scratch/static"
tmp_dir = "$scratch/tmp"
volume_path = "$scratch/volumes"
CONF
  export CONTAINERS_STORAGE_CONF=$scratch/storage.conf CONTAINERS_CONF=$scratch/containers.conf
}

show_logs() {
  if [ "$1" -ne 0 ]; then for one in $(podman ps --all --quiet); do podman ps --all --filter "id=$one" && podman logs --tail 20 "$one"; done >&2 || true; fi
  exit "$1"
}

# main ARGUMENTS: what a script that sources this file ends with.
main() {
  case $* in
    "") outside ;;
    --inside) trap 'show_logs $?' EXIT && prepare_podman && inside ;;
    *) echo "usage: $0" >&2 && exit 2 ;;
  esac
}
