"""Receives the frames of streams, and continues after a restart where it ended.

    python samples/subscribe.py --address localhost:7400 --cursors wall.cursors 'road-*'

Prints a line for each frame and gap. Without stored cursors, it begins with the oldest frames.
"""

from __future__ import annotations

import argparse
import sys

import frameway


def main() -> int:
    parser = argparse.ArgumentParser(description="Receives the frames of streams.")
    parser.add_argument("streams", nargs="+", help="stream ids or patterns")
    parser.add_argument("--address", default="localhost:7400", help="host:port of the server (default: %(default)s)")
    parser.add_argument("--cursors", help="file for the positions; it is created if it does not exist")
    parser.add_argument("--frames", type=int, default=0, help="the number of frames to receive; 0 = no end")
    arguments = parser.parse_args()
    left = arguments.frames
    try:
        with (
            frameway.connect(arguments.address) as client,
            client.subscribe(arguments.streams, start="earliest", cursors=arguments.cursors, save_seconds=0.2) as events,
        ):
            for event in events:
                match event:
                    case frameway.Frame():
                        print(f"frame {event.stream_id} {event.sequence} {len(event.data)} bytes", flush=True)
                        left -= 1
                        if left == 0:
                            return 0
                    case frameway.Gap():
                        print(f"gap {event.stream_id} {event.from_sequence}-{event.to_sequence} {event.reasons}", flush=True)
    except frameway.Error as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
