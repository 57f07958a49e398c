#!/usr/bin/env bash
# Checks the Java client: format, warnings, documentation, tests, and its installation.
#
#   clients/java/check.sh [short|all]      default: short, a part of the scenarios
#
# The tests need the program that $FRAMEWAY names, by default target/debug/frameway. Exit codes: 0 ok,
# 1 failed, 3 after a line "skipped: ...": a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
mode=${1:-short}
case $mode in
  short) groups=short ;;
  all) groups= ;;
  *) echo "usage: clients/java/check.sh [short|all]" >&2; exit 2 ;;
esac

skip() { echo "skipped: java: $1"; exit 3; }
command -v mvn > /dev/null || skip "there is no Maven (mvn)"
command -v javac > /dev/null || skip "there is no JDK (javac)"
release=$(javac -version 2>&1 | sed 's/[^0-9]*\([0-9]*\).*/\1/')
[ "$release" -ge 17 ] || skip "the JDK has version $release, not 17 or newer"

export FRAMEWAY=${FRAMEWAY:-$PWD/../../target/debug/frameway}
[ -x "$FRAMEWAY" ] || { echo "there is no program $FRAMEWAY: build it, or set FRAMEWAY" >&2; exit 1; }
# Small processes, which start quickly.
export MAVEN_OPTS="${MAVEN_OPTS:--Xmx512m -XX:TieredStopAtLevel=1}"
maven() { mvn --quiet --batch-mode -Dstyle.color=never "$@"; }

grpc=$(sed -n 's:.*<grpc.version>\(.*\)</grpc.version>.*:\1:p' pom.xml)
if [ ! -d "$HOME/.m2/repository/io/grpc/grpc-netty-shaded/$grpc" ]; then
  echo "java: download libraries and tools (once)"
  maven dependency:go-offline > /dev/null || skip "the packages could not be downloaded"
fi
echo "java: format, warnings, documentation, tests ($mode)"
# Nothing is left of files that were removed.
rm -rf target/test-classes target/classes/example/frameway/*.class
goals=(spotless:check verify)
# The compiler examines the comments, too; the pages take half a minute.
[ "$mode" = short ] || goals+=(javadoc:javadoc)
maven "${goals[@]}" -Dtests.groups="$groups" || exit 1

echo "java: install into an empty repository, and use it from another project"
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
# It has the packages of others, and none of ours.
repository=$folder/repository
cp -Rl "$HOME/.m2/repository" "$repository" 2> /dev/null || { rm -rf "$repository" && cp -R "$HOME/.m2/repository" "$repository"; }
rm -rf "$repository/example"
maven --offline -Dmaven.repo.local="$repository" -Dmaven.test.skip=true install
"$FRAMEWAY" serve --listen 127.0.0.1:0 --metrics-listen none --address-file "$folder/address" > "$folder/log" 2>&1 &
server=$!
cp -R installation "$folder/project"
maven --offline -Dmaven.repo.local="$repository" --file "$folder/project" compile dependency:build-classpath -Dmdep.outputFile="$folder/classpath"
while [ ! -f "$folder/address" ]; do
  kill -0 "$server" 2> /dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.1
done
said=$(java -Xmx128m -cp "$folder/project/target/classes:$(cat "$folder/classpath")" Installed "$(cat "$folder/address")")
[ "$said" = "frame 1 of cam" ] || { echo "the installed package does not work: $said" >&2; exit 1; }
echo "java: ok"
