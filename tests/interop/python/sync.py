"""grpcio's blocking API. Uses the Python client for what it offers, and generated stubs otherwise.

    python sync.py CASE ADDRESS [ROOT-CERTIFICATE]

The exit code is 0 if the case passes. The lines for which run.py waits go to standard output.
"""

from __future__ import annotations

import queue
import sys

import grpc
from common import PATIENCE_SECONDS, SIDES, channel_options, credentials, earliest, frame, live, selection

import frameway
from frameway import v1


def connect(address: str, root: str | None) -> frameway.Client:
    return frameway.connect(address, credentials(root)) if root else frameway.connect(address)


def plain(address: str, root: str | None, **options) -> frameway.Client:
    """Returns a client over one connection with these options."""
    wanted = channel_options(**options)
    if root:
        return frameway.Client(grpc.secure_channel(address, credentials(root), wanted))
    return frameway.Client(grpc.insecure_channel(address, wanted))


def register(client: frameway.Client, stream: str) -> None:
    client.registry.RegisterStream(v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream)), timeout=PATIENCE_SECONDS)


def submit(client: frameway.Client, stream: str, side: int, first: int, last: int) -> None:
    for number in range(first, last + 1):
        client.submit([frame("sync", stream, side, number)], timeout_seconds=PATIENCE_SECONDS)


def expect(messages, first: int, last: int) -> None:
    wanted = first
    for message in messages:
        if message.WhichOneof("event") == "frame":
            assert message.frame.frame.sequence == wanted, f"frame {message.frame.frame.sequence}, not {wanted}"
            assert message.frame.frame.pictures[0].data, "no picture"
            if wanted == last:
                return
            wanted += 1
    raise AssertionError("the call ended")


def submit_and_subscribe(address: str, root: str | None, case: str) -> None:
    stream = f"sync-{case}"
    with connect(address, root) as client:
        register(client, stream)
        call = client.streaming.SubscribeFrames(selection(stream, live()), timeout=PATIENCE_SECONDS)
        assert next(call).WhichOneof("event") == "checkpoint"
        submit(client, stream, SIDES[case], 1, 3)
        expect(call, 1, 3)


def submit_frames(address: str, root: str | None, _case: str) -> None:
    """Sends more in one call than the usual request limit of a proxy, and continues after a pause."""
    stream = "sync-submit-frames"
    requests: queue.SimpleQueue[v1.SubmitFramesRequest | None] = queue.SimpleQueue()
    with connect(address, root) as client:
        register(client, stream)
        setup = v1.SubmitFramesRequest()
        setup.setup.publisher_id = "sync"
        setup.setup.heartbeat_interval.FromSeconds(1)
        requests.put(setup)
        call = client.streaming.SubmitFrames(iter(requests.get, None), timeout=PATIENCE_SECONDS)
        assert next(call).WhichOneof("event") == "ready"
        for number in range(1, 6):
            batch = v1.SubmitFramesRequest()
            batch.batch.batch_id = number
            batch.batch.frames.append(frame("sync", stream, 1024, number))
            requests.put(batch)
            answers = (answer for answer in call if answer.WhichOneof("event") == "batch_result")
            result = next(answers).batch_result
            assert result.batch_id == number and result.results[0].WhichOneof("outcome") == "accepted", result
            if number == 4:
                # Nothing is sent for three heartbeats.
                for _ in range(3):
                    assert next(call).WhichOneof("event") == "heartbeat"
        requests.put(None)
        assert all(answer.WhichOneof("event") == "heartbeat" for answer in call)
        assert call.code() == grpc.StatusCode.OK


def many_calls(address: str, root: str | None, _case: str) -> None:
    """Opens many subscriptions on one connection. Each must begin, and a unary call must succeed."""
    with plain(address, root) as client:
        register(client, "sync-many")
        request = selection("sync-many", earliest())
        calls = [client.streaming.SubscribeFrames(request, timeout=PATIENCE_SECONDS) for _ in range(300)]
        for call in calls:
            next(call)
        next(calls[0])  # none had to wait for the end of another
        client.registry.GetStream(v1.GetStreamRequest(stream_id="sync-many"), timeout=PATIENCE_SECONDS)
        for call in calls:
            call.cancel()


def cancellations(address: str, root: str | None, _case: str) -> None:
    """Opens calls and cancels each at once. A subscription on the same connection must continue."""
    with plain(address, root) as client:
        register(client, "sync-cancel")
        request = selection("sync-cancel", earliest())
        bystander = client.streaming.SubscribeFrames(request, timeout=PATIENCE_SECONDS)
        next(bystander)
        for number, count in enumerate((22, 50, 200), start=1):
            calls = [client.streaming.SubscribeFrames(request, timeout=PATIENCE_SECONDS) for _ in range(count)]
            for call in calls:
                call.cancel()
            submit(client, "sync-cancel", 16, number, number)
            expect(bystander, number, number)


def resume(address: str, root: str | None, case: str) -> None:
    """Receives six frames over any number of calls."""
    stream = f"sync-{case}"
    with connect(address, root) as client:
        register(client, stream)
        submit(client, stream, 16, 1, 3)
        sequences = []
        request = selection(stream, earliest())
        request.stop_after_frames = 6
        for message in client.subscribe_messages(request, max_quiet_seconds=PATIENCE_SECONDS):
            event = message.WhichOneof("event")
            if event == "frame":
                sequences.append(message.frame.frame.sequence)
                print("frame", sequences[-1], flush=True)
            elif event == "draining":
                print("draining", flush=True)
            elif event == "checkpoint" and len(sequences) == 3:
                # The client has opened another call.
                print("noticed", flush=True)
        assert sequences == [1, 2, 3, 4, 5, 6], sequences


def deadlines(address: str, root: str | None, _case: str) -> None:
    """The queue backend hangs: calls must end with DEADLINE_EXCEEDED or UNAVAILABLE, never CANCELLED."""
    late = 0
    with connect(address, root) as client:
        for number in range(1000, 1040):
            request = v1.SubmitFrameBatchRequest(frames=[frame("sync", "sync-submit-subscribe", 16, number)])
            try:
                client.streaming.SubmitFrameBatch(request, timeout=0.3)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), error
                late += error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            else:
                raise AssertionError("accepted by a queue that hangs")
    assert late > 0, "no deadline passed"


def error_details(address: str, root: str | None, _case: str) -> None:
    with connect(address, root) as client:
        try:
            client.registry.GetStream(v1.GetStreamRequest(stream_id="nobody"), timeout=PATIENCE_SECONDS)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            assert frameway.error_reason(error) == "ERROR_REASON_STREAM_NOT_FOUND", error
        else:
            raise AssertionError("found")


def receive_limit(address: str, root: str | None, _case: str) -> None:
    with connect(address, root) as client:
        register(client, "sync-limit")
        submit(client, "sync-limit", 1024, 1, 1)
    with plain(address, root, max_receive_message_length=256 << 10) as client:
        try:
            expect(client.subscribe_messages(selection("sync-limit", earliest())), 1, 1)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        else:
            raise AssertionError("a message over the limit was received")


def idle(address: str, root: str | None, _case: str) -> None:
    """Keeps a subscription without frames open: heartbeats keep it alive, also in a proxy."""
    with connect(address, root) as client:
        register(client, "sync-idle")
        beats = 0
        for message in client.streaming.SubscribeFrames(selection("sync-idle", live()), timeout=PATIENCE_SECONDS):
            beats += message.WhichOneof("event") == "heartbeat"
            if beats == 8:
                return
        raise AssertionError("the call ended")


CASES = {
    "submit-subscribe": submit_and_subscribe,
    "large-pictures": submit_and_subscribe,
    "submit-frames": submit_frames,
    "many-calls": many_calls,
    "cancellations": cancellations,
    "hung-server": resume,
    "drain": resume,
    "deadlines": deadlines,
    "error-details": error_details,
    "receive-limit": receive_limit,
    "idle": idle,
}

if __name__ == "__main__":
    case, address, *rest = sys.argv[1:]
    CASES[case](address, rest[0] if rest else None, case)
