#!/usr/bin/env bash
# Writes the list of all dependencies of the program, with versions and licences, as a CycloneDX file:
# target/sbom/frameway.cdx.json.
#
# Exit code 3, after a line "skipped: ...": cargo-cyclonedx could not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tool=$(scripts/tool.sh cargo-cyclonedx) || exit 3
# The tool writes beside Cargo.toml, and reads the versions from Cargo.lock.
cargo metadata --locked --format-version 1 >/dev/null
"$tool" cyclonedx --format json --spec-version 1.5 --features server --override-filename frameway.cdx --quiet
mkdir -p target/sbom
# The names of the parts of this package contain the folder of the sources, which is nobody's concern.
sed "s|path+file://$PWD#|path+file:///src#|" frameway.cdx.json >target/sbom/frameway.cdx.json && rm frameway.cdx.json
# Each package of the lock file that the program uses must be in it: those are at least the direct ones.
python3 - <<'PYTHON'
import json, re
sbom = json.load(open("target/sbom/frameway.cdx.json"))
listed = {part["name"] for part in sbom["components"]}
text = open("Cargo.toml").read()
section = re.search(r"^\[dependencies\]$(.*?)^\[", text, re.M | re.S)[1]
direct = set(re.findall(r"^([\w-]+) = ", section, re.M))
assert len(direct) > 30 and direct <= listed, f"not in the list: {sorted(direct - listed)}"
without = [part["name"] for part in sbom["components"] if not part.get("licenses")]
print(f"sbom: target/sbom/frameway.cdx.json: {len(listed)} packages, {len(without)} of them without a licence")
PYTHON
