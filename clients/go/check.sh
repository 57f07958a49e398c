#!/usr/bin/env bash
# Checks the Go client: format, lint, build, tests, and an installation into a clean folder.
#
#   clients/go/check.sh [short|all]      default: all scenarios
#
# The tests use the server program $FRAMEWAY, by default target/debug/frameway. Exit code 1: something
# failed. Exit code 3, after a line "skipped: ...": the toolchain is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

set=${1:-all}
case $set in short | all) ;; *) echo "usage: clients/go/check.sh [short|all]" >&2; exit 2 ;; esac
readonly staticcheck=v0.8.2
root=$(cd ../.. && pwd)
FRAMEWAY=$(realpath -m "${FRAMEWAY:-$root/target/debug/frameway}")
export FRAMEWAY
step() { printf '%s: %s\n' "go" "$1"; }
skip() { echo "skipped: go: $1"; exit 3; }
failed() { echo "go: FAILED: $1" >&2; exit 1; }

command -v go >/dev/null || skip "there is no Go toolchain (go)"
[ -x "$FRAMEWAY" ] || failed "there is no server program at $FRAMEWAY: build it, or set FRAMEWAY"
go mod download || skip "the modules could not be downloaded"
tools=$root/.tools/staticcheck-$staticcheck
if [ ! -x "$tools/staticcheck" ]; then
  step "installing staticcheck into .tools/ (once)"
  GOBIN=$tools GOFLAGS=-mod=mod go install "honnef.co/go/tools/cmd/staticcheck@$staticcheck" || skip "staticcheck could not be installed"
fi

step "format"
unformatted=$(gofmt -l -s .)
[ -z "$unformatted" ] || failed "gofmt -s changes $unformatted"
step "go.mod is tidy"
go mod tidy -diff >/dev/null || failed "go mod tidy changes go.mod or go.sum"
step "vet and build"
go vet ./...
go build -o /dev/null ./...
step "staticcheck"
"$tools/staticcheck" -checks all,-ST1000 ./frameway ./samples/... ./bench

options=(-count=1 -timeout 15m)
[ "$set" = all ] || options+=(-short)
# The race detector needs cgo and a C compiler.
if [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then options+=(-race); fi
step "test ${options[*]}"
go test "${options[@]}" ./...

step "install into a clean folder"
work=$(mktemp -d)
server=
clean() { [ -z "$server" ] || kill "$server"; rm -rf "$work"; }
trap clean EXIT
"$FRAMEWAY" serve --listen 127.0.0.1:0 --address-file "$work/address" >"$work/log" 2>&1 &
server=$!
mkdir "$work/program"
cp samples/submit/main.go go.sum "$work/program/"
client=$PWD
(
  cd "$work/program"
  go mod init example.com/program
  go mod edit -require frameway.example@v0.1.0 -replace "frameway.example=$client"
  go mod tidy
  go build -o submit .
) >"$work/build" 2>&1 || { cat "$work/build" >&2; failed "a program that uses the module does not build"; }
for _ in $(seq 300); do [ -e "$work/address" ] && break; sleep 0.1; done
[ -e "$work/address" ] || { cat "$work/log" >&2; failed "the server does not start"; }
# One byte of every picture is enough for a server to take it.
printf x >"$work/picture"
[[ $("$work/program/submit" -address "$(cat "$work/address")" "$work/picture") == "picture: frame 1" ]] ||
  failed "the installed program does not submit a frame"
step "ok"
