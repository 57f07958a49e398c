"""Publishes picture files as frames of a camera.

    python samples/publish.py --address localhost:7400 --stream road-1 *.jpg

Prints the fate of each frame. Exit code 0 means that every frame is stored. A program that is
started again under the same publisher id continues the numbering after the last stored frame.
"""

from __future__ import annotations

import argparse
import pathlib
import sys

import frameway
from frameway import v1


def main() -> int:
    parser = argparse.ArgumentParser(description="Publishes picture files as frames of a camera.")
    parser.add_argument("files", nargs="+", type=pathlib.Path, help="picture files (JPEG, PNG, WebP)")
    parser.add_argument("--address", default="localhost:7400", help="host:port of the server (default: %(default)s)")
    parser.add_argument("--stream", default="python-sample", help="stream id (default: %(default)s)")
    parser.add_argument("--publisher", default="python-publish", help="publisher id (default: %(default)s)")
    arguments = parser.parse_args()
    refused = 0

    def report(_frame: v1.Frame, fate: frameway.Fate) -> None:
        nonlocal refused
        refused += not fate.stored
        print(f"{fate.publisher_sequence}: {fate.error or f'{fate.outcome}, sequence {fate.sequence}'}", flush=True)

    try:
        with frameway.connect(arguments.address) as client, client.publisher(arguments.publisher, on_fate=report) as publisher:
            for path in arguments.files:
                publisher.publish(frameway.frame(arguments.stream, path.read_bytes()))
    except (frameway.Error, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
