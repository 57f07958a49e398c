#!/usr/bin/env python3
"""Holds proto/frameway_v1_service_config.json, which gives gRPC clients timeouts and retries, against the services.

    scripts/buf.sh build -o -#format=json | scripts/check-service-config.py

Every method of the public services must stand in it once. It must have a retryPolicy if, and only if, the contract gives it an
idempotency_level: what may be sent again is said in one place. A call with a single answer must have a timeout, a call that
lasts none.
"""

import collections
import json
import pathlib
import sys

CONFIG = pathlib.Path(__file__).resolve().parent.parent / "proto/frameway_v1_service_config.json"


def methods(image):
    """The methods of the image: {(service, method): (it may be sent again, it lasts)}."""
    found = {}
    for file in image["file"]:
        for service in file.get("service", ()):
            for method in service["method"]:
                name = f"{file['package']}.{service['name']}", method["name"]
                level = method.get("options", {}).get("idempotencyLevel", "IDEMPOTENCY_UNKNOWN")
                lasts = method.get("clientStreaming", False) or method.get("serverStreaming", False)
                found[name] = level != "IDEMPOTENCY_UNKNOWN", lasts
    return found


def faults(config, contract):
    named = collections.Counter()
    for entry in config["methodConfig"]:
        for name in entry["name"]:
            key = name.get("service", ""), name.get("method", "")
            where = "/".join(key)
            named[key] += 1
            if key not in contract:
                yield f"{where}: there is no such method"
                continue
            again, lasts = contract[key]
            if again != ("retryPolicy" in entry):
                yield f"{where}: {'no retryPolicy, but' if again else 'a retryPolicy, but no'} idempotency_level"
            if lasts == ("timeout" in entry):
                yield f"{where}: {'a timeout on a call that lasts' if lasts else 'no timeout'}"
    for key in contract:
        if named[key] != 1:
            yield f"{'/'.join(key)}: it stands there {named[key]} times, not once"


def main():
    contract = methods(json.load(sys.stdin))
    if not contract:
        sys.exit("check-service-config: the image has no services")
    found = sorted(faults(json.loads(CONFIG.read_text(encoding="utf-8")), contract))
    for fault in found:
        print(f"{CONFIG.name}: {fault}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"{CONFIG.name}: {len(contract)} methods, each once; retries where the contract allows them")


if __name__ == "__main__":
    main()
