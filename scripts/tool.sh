#!/usr/bin/env bash
# Prints the path of a tool at the version that is pinned here. Installs the tool into .tools/ on
# first use.
#
#   "$(scripts/tool.sh buf)" lint        or one of the others below
#
# A tool on PATH is used if it has this version; grpcurl is used at any version. `python` is an
# interpreter with the packages of clients/python/tests/requirements.txt, `python-newest` one with
# those of requirements-newest.txt beside it, and `python-chart` one with the schemas of Kubernetes.
# Exit code 3, after a line "skipped: ...": the tool could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=${1:-}
requirements=clients/python/tests/requirements${name#python}.txt
case $name in
  buf) version=1.75.0 ;;
  cargo-cyclonedx) version=0.5.9 ;;
  cargo-deb) version=3.8.0 ;;
  cargo-deny) version=0.20.2 ;;
  cargo-fuzz) version=0.13.2 ;;
  cargo-llvm-cov) version=0.9.1 ;;
  grpcurl) version=1.9.4 ;;
  helm) version=4.3.1 ;;
  kubeconform) version=0.8.0 ;;
  podman-compose) version=1.6.0 ;;
  # kubernetes-validate has the schemas, and PyYAML with it.
  python-chart) version=1.37.0 ;;
  # The version depends on the requirements and on Python: if either changes, a new environment is
  # made.
  python | python-newest) version=$({ cat "$requirements"; python3 --version || true; } 2>&1 | cksum | cut -d ' ' -f 1) ;;
  *)
    echo "usage: scripts/tool.sh buf|cargo-cyclonedx|cargo-deb|cargo-deny|cargo-fuzz|cargo-llvm-cov|grpcurl|helm|kubeconform|podman-compose|python|python-newest|python-chart" >&2
    exit 2
    ;;
esac

has_version() { [ "$name" = grpcurl ] || [[ $("$1" --version 2>/dev/null) == *"$version"* ]]; }
if on_path=$(command -v "$name") && has_version "$on_path"; then
  echo "$on_path"
  exit 0
fi

readonly home=$PWD/.tools/$name-$version
pip_install() {
  python3 -m venv "$home" && "$home/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
}
go_install() { GOBIN=$home/bin GOFLAGS=-mod=mod go install "$1"; }
install_tool() {
  case $name in
    buf) pip_install "buf-bin==$version" ;;
    # Build without optimisation: it takes a third of the time, and the tool is fast enough.
    cargo-*) cargo install "$name@$version" --locked --debug --root "$home" --target-dir "$home/target" && rm -r "$home/target" ;;
    grpcurl) go_install "github.com/fullstorydev/grpcurl/cmd/grpcurl@v$version" ;;
    helm) go_install "helm.sh/helm/v4/cmd/helm@v$version" ;;
    kubeconform) go_install "github.com/yannh/kubeconform/cmd/kubeconform@v$version" ;;
    podman-compose) pip_install "podman-compose==$version" ;;
    python-chart) pip_install "kubernetes-validate==$version" && ln -s python "$home/bin/python-chart" ;;
    python) pip_install --only-binary :all: --require-hashes -r "$requirements" ;;
    python-newest) pip_install --only-binary :all: --require-hashes -r "$requirements" && ln -s python "$home/bin/python-newest" ;;
  esac
}
if [ ! -e "$home/ready" ]; then
  echo "installing $name into .tools/ (once)" >&2
  rm -rf "$home"
  mkdir -p "$home"
  if ! install_tool >"$home/log" 2>&1; then
    tail -n 3 "$home/log" >&2
    echo "skipped: $name: it could not be installed, see $home/log" >&2
    exit 3
  fi
  touch "$home/ready"
fi
echo "$home/bin/$name"
