"""grpcio's asyncio API, with the generated stubs alone.

    python aio.py CASE ADDRESS [ROOT-CERTIFICATE]

The exit code is 0 if the case passes. The lines for which run.py waits go to standard output.
"""

from __future__ import annotations

import asyncio
import sys

import grpc
from common import PATIENCE_SECONDS, SIDES, after, channel_options, credentials, earliest, frame, live, selection

from frameway import v1


def connect(address: str, root: str | None, **options) -> grpc.aio.Channel:
    wanted = channel_options(**options)
    if root:
        return grpc.aio.secure_channel(address, credentials(root), wanted)
    return grpc.aio.insecure_channel(address, wanted)


class Stub(v1.StreamingServiceStub):
    """The RPCs of StreamingService, and in `registry` those of StreamRegistryService."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        super().__init__(channel)
        self.registry = v1.StreamRegistryServiceStub(channel)


async def register(stub: Stub, stream: str) -> None:
    """Registers a stream. Registering it again with equal settings succeeds."""
    request = v1.RegisterStreamRequest(stream=v1.Stream(stream_id=stream))
    await stub.registry.RegisterStream(request, timeout=PATIENCE_SECONDS)


async def submit(stub: Stub, stream: str, side: int, first: int, last: int, timeout=PATIENCE_SECONDS) -> None:
    for number in range(first, last + 1):
        request = v1.SubmitFrameBatchRequest(frames=[frame("aio", stream, side, number)])
        answer = await stub.SubmitFrameBatch(request, timeout=timeout)
        outcome = answer.results[0].WhichOneof("outcome")
        assert outcome in ("accepted", "duplicate"), answer


async def expect(call, first: int, last: int) -> None:
    wanted = first
    while (message := await call.read()) is not grpc.aio.EOF:
        if message.WhichOneof("event") == "frame":
            assert message.frame.frame.sequence == wanted, f"frame {message.frame.frame.sequence}, not {wanted}"
            assert message.frame.frame.pictures[0].data, "no picture"
            if wanted == last:
                return
            wanted += 1
    raise AssertionError("the call ended")


async def submit_and_subscribe(stub: Stub, case: str) -> None:
    stream = f"aio-{case}"
    await register(stub, stream)
    call = stub.SubscribeFrames(selection(stream, live()), timeout=PATIENCE_SECONDS)
    assert (await call.read()).WhichOneof("event") == "checkpoint"
    await submit(stub, stream, SIDES[case], 1, 3)
    await expect(call, 1, 3)


async def many_calls(stub: Stub, _case: str) -> None:
    """Opens many subscriptions on one connection. Each must begin, and a unary call must succeed."""
    await register(stub, "aio-many")
    request = selection("aio-many", earliest())
    calls = [stub.SubscribeFrames(request, timeout=PATIENCE_SECONDS) for _ in range(300)]
    await asyncio.gather(*(call.read() for call in calls))
    await calls[0].read()  # none had to wait for the end of another
    await stub.registry.GetStream(v1.GetStreamRequest(stream_id="aio-many"), timeout=PATIENCE_SECONDS)
    for call in calls:
        call.cancel()


async def cancellations(stub: Stub, _case: str) -> None:
    """Opens calls and cancels each at once. A subscription on the same connection must continue."""
    await register(stub, "aio-cancel")
    request = selection("aio-cancel", earliest())
    bystander = stub.SubscribeFrames(request, timeout=PATIENCE_SECONDS)
    await bystander.read()
    for number, count in enumerate((22, 50, 200), start=1):
        calls = [stub.SubscribeFrames(request, timeout=PATIENCE_SECONDS) for _ in range(count)]
        await asyncio.sleep(0.002)
        for call in calls:
            call.cancel()
        await submit(stub, "aio-cancel", 16, number, number)
        await expect(bystander, number, number)


async def resume(stub: Stub, case: str) -> None:
    """Receives six frames over any number of calls. Cancels and resumes a call without messages for three heartbeats."""
    stream = f"aio-{case}"
    await register(stub, stream)
    await submit(stub, stream, 16, 1, 3)
    start, wanted = earliest(), 1
    while wanted <= 6:
        call = stub.SubscribeFrames(selection(stream, start), timeout=PATIENCE_SECONDS)
        try:
            while wanted <= 6:
                message = await asyncio.wait_for(call.read(), timeout=3)
                event = message.WhichOneof("event")
                if event == "draining":
                    print("draining", flush=True)
                elif event == "frame":
                    assert message.frame.frame.sequence == wanted, message.frame.frame.sequence
                    print("frame", wanted, flush=True)
                    start = after(stream, message.frame.cursor)
                    wanted += 1
        except asyncio.TimeoutError:
            print("noticed", flush=True)
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise
            await asyncio.sleep(0.1)
        finally:
            call.cancel()


async def deadlines(stub: Stub, _case: str) -> None:
    """The queue backend hangs: calls must end with DEADLINE_EXCEEDED or UNAVAILABLE, never CANCELLED."""
    late = 0
    for number in range(1000, 1040):
        try:
            await submit(stub, "aio-submit-subscribe", 16, number, number, timeout=0.3)
        except grpc.RpcError as error:
            assert error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE), error
            late += error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        else:
            raise AssertionError("accepted by a queue that hangs")
    assert late > 0, "no deadline passed"


async def idle(stub: Stub, _case: str) -> None:
    """Keeps a subscription without frames open: heartbeats keep it alive, also in a proxy."""
    await register(stub, "aio-idle")
    beats = 0
    async for message in stub.SubscribeFrames(selection("aio-idle", live()), timeout=PATIENCE_SECONDS):
        beats += message.WhichOneof("event") == "heartbeat"
        if beats == 8:
            return
    raise AssertionError("the call ended")


async def receive_limit(stub: Stub, _case: str) -> None:
    await register(stub, "aio-limit")
    await submit(stub, "aio-limit", 1024, 1, 1)
    async with connect(ADDRESS, ROOT, max_receive_message_length=256 << 10) as channel:
        call = Stub(channel).SubscribeFrames(selection("aio-limit", earliest()), timeout=PATIENCE_SECONDS)
        try:
            await expect(call, 1, 1)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error
        else:
            raise AssertionError("a message over the limit was received")


async def error_details(stub: Stub, _case: str) -> None:
    try:
        await stub.registry.GetStream(v1.GetStreamRequest(stream_id="nobody"), timeout=PATIENCE_SECONDS)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        assert b"ERROR_REASON_STREAM_NOT_FOUND" in details, error
    else:
        raise AssertionError("found")


CASES = {
    "submit-subscribe": submit_and_subscribe,
    "large-pictures": submit_and_subscribe,
    "many-calls": many_calls,
    "cancellations": cancellations,
    "hung-server": resume,
    "drain": resume,
    "deadlines": deadlines,
    "error-details": error_details,
    "receive-limit": receive_limit,
    "idle": idle,
}


async def main(case: str) -> None:
    async with connect(ADDRESS, ROOT) as channel:
        await CASES[case](Stub(channel), case)


if __name__ == "__main__":
    CASE, ADDRESS, *REST = sys.argv[1:]
    ROOT = REST[0] if REST else None
    asyncio.run(main(CASE))
