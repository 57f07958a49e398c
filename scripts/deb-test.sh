#!/usr/bin/env bash
# Installs the Debian package of the program in target/debug into a fresh Debian that systemd has
# started, in a container: the service runs in its sandbox, a frame goes through, and after a purge
# all files are as before.
#
#   scripts/deb-test.sh
#
# Needs root, podman, runc and debootstrap. Takes about two minutes. Nothing is left behind
# (scripts/alone.sh). Exit code 3, after a line "skipped: ...": it cannot run on this machine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
readonly what=deb
# shellcheck source=scripts/alone.sh
. scripts/alone.sh

outside() {
  need_tools dpkg-deb
  [ "$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" = $suite ] || skip "the package is for the Debian that it is built on, and this is not $suite"
  package=$(scripts/deb.sh dev) || { local verdict=$? && echo "$package" && exit $verdict; }
  export package
  make_scratch
  make_root systemd systemd-sysv dbus
  tar -C "$scratch/root" -cf "$scratch/debian.tar" . && rm -rf "$scratch/root"
  say "a Debian with systemd"
  enter
}

in_debian() { podman exec debian "$@"; }
# tree FILE: writes the kind, mode, owner and digest of each file. What apt, dpkg and systemd write of
# every package, and the copies that useradd makes of the lists of users, are left out.
tree() {
  in_debian find / -xdev '(' -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /var/lib/dpkg -o -path /var/lib/apt \
    -o -path /var/cache -o -path /var/log -o -path '/etc/*-' ')' -prune -o -printf '%y %m %u %g %p %l\n' | sort -k 5 >"$1"
  in_debian sh -c "find /etc /usr /var/lib -xdev '(' -path /var/lib/dpkg -o -path /var/lib/apt -o -path '/etc/*-' ')' -prune -o -type f -exec sha256sum {} +" | sort -k 2 >>"$1"
}
# shellcheck disable=SC2016 # dpkg-query replaces the names
packages() { in_debian dpkg-query --show --showformat '${Package} ${Status}\n' | sort >"$1"; }
property() { in_debian systemctl show --property "$2" --value "$1"; }

installed() {
  local file
  in_debian dpkg --verify frameway || fail "files differ from those in the package"
  for file in usr/share/man/man1/frameway-serve.1.gz usr/share/bash-completion/completions/frameway usr/share/zsh/vendor-completions/_frameway \
    usr/share/fish/vendor_completions.d/frameway.fish usr/share/doc/frameway/copyright; do
    in_debian test -s "/$file" || fail "the package has no /$file"
  done
  [ "$(in_debian stat --format '%a %U %G' /etc/frameway/frameway.toml)" = "640 root frameway" ] || fail "others can read the settings"
  [ "$(property frameway ActiveState) $(property frameway UnitFileState)" = "active enabled" ] || fail "the service does not run, or not after a restart"
  until_true 30 in_debian frameway health
  # The sandbox of the unit holds for the process.
  # shellcheck disable=SC2016 # the shell in the container expands it
  in_debian sh -c 'cd /proc/$(systemctl show --property MainPID --value frameway) && grep -qE "^CapEff:\s*0+$" status && grep -qE "^Seccomp:\s*2$" status &&
    [ "$(stat --format %U .)" = frameway ]' || fail "the service does not run in its sandbox"
}

inside() {
  quiet podman import "$scratch/debian.tar" localhost/debian
  rm "$scratch/debian.tar"
  quiet podman run --detach --name debian --privileged --systemd=always --network none localhost/debian /sbin/init
  # shellcheck disable=SC2016 # the same
  until_true 30 in_debian sh -c '[ "$(systemctl is-system-running)" = running ]'
  tree "$scratch/before"
  packages "$scratch/packages-before"
  say "systemd runs"

  quiet podman cp "$package" debian:/opt/frameway.deb
  quiet in_debian apt-get install -qq -y --no-install-recommends /opt/frameway.deb
  installed
  in_debian sh -c 'head -c 4800 /dev/urandom >/opt/picture.raw'
  quiet in_debian frameway submit --stream a --register --raw-format gray8 --width 80 --height 60 /opt/picture.raw
  quiet in_debian timeout 30 frameway subscribe a --from earliest --count 1 --json
  # A worker has no Redis here. That is an error of the settings, after which systemd does not try again.
  if in_debian systemctl start frameway-worker@1 2>/dev/null; then until_true 30 in_debian systemctl is-failed frameway-worker@1; fi
  [ "$(property frameway-worker@1 ExecMainStatus) $(property frameway-worker@1 NRestarts)" = "2 0" ] || fail "a worker without Redis is started again and again"
  in_debian systemctl reset-failed frameway-worker@1
  quiet in_debian systemctl stop frameway
  [ "$(property frameway Result) $(property frameway ExecMainStatus)" = "success 0" ] || fail "the service does not stop cleanly"
  quiet in_debian systemctl start frameway
  say "installed, in its sandbox, a frame went through, stopped and started"

  # A key that somebody put there is removed with the folder, and so is a worker that somebody enabled.
  quiet in_debian systemctl enable frameway-worker@1
  in_debian sh -c 'rm /opt/frameway.deb /opt/picture.raw && echo secret >/etc/frameway/server.key'
  quiet in_debian apt-get purge -qq -y --autoremove frameway
  if in_debian sh -c 'grep -qx frameway /proc/[0-9]*/comm' || in_debian systemctl cat frameway >/dev/null 2>&1; then fail "the service is still there"; fi
  tree "$scratch/after"
  diff "$scratch/before" "$scratch/after" >&2 || fail "the purge left the traces above"
  packages "$scratch/packages-after"
  diff "$scratch/packages-before" "$scratch/packages-after" >&2 || fail "the purge left the packages above"
  say "purged without a trace"
}

main "$@"
