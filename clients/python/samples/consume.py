"""Handles the frames of a consumer group, together with other members, until Ctrl-C.

    python samples/consume.py --address localhost:7400 --group plates --create 'road-*'

Prints the mean brightness of each frame, as the server measured it.
"""

from __future__ import annotations

import argparse
import contextlib
import sys

import grpc

import frameway
from frameway import v1


def create(client: frameway.Client, group_id: str, streams: list[str]) -> None:
    """Creates the group. One that exists keeps its settings."""
    selected = [v1.StreamMatch(glob=stream) for stream in streams]
    start = v1.StartPosition(earliest=v1.StartEarliest())
    group = v1.ConsumerGroup(group_id=group_id, streams=selected, start=start)
    try:
        client.groups.CreateConsumerGroup(v1.CreateConsumerGroupRequest(group=group), timeout=10)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.ALREADY_EXISTS:
            raise


def handle(frame: frameway.Frame) -> None:
    print(f"{frame.stream_id} {frame.sequence}: mean luma {frame.message.quality.mean_luma:.1f}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Handles the frames of a consumer group.")
    parser.add_argument("streams", nargs="*", help="patterns of the group's streams, with --create")
    parser.add_argument("--address", default="localhost:7400", help="host:port of the server (default: %(default)s)")
    parser.add_argument("--group", required=True, help="group id")
    parser.add_argument("--create", action="store_true", help="create the group if it does not exist")
    parser.add_argument("--seconds", type=float, help="how long to run (default: until Ctrl-C)")
    arguments = parser.parse_args()
    try:
        with frameway.connect(arguments.address) as client:
            if arguments.create:
                create(client, arguments.group, arguments.streams)
            with client.consume(arguments.group, handle) as consumer, contextlib.suppress(KeyboardInterrupt):
                consumer.wait(arguments.seconds)
    except (frameway.Error, grpc.RpcError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
