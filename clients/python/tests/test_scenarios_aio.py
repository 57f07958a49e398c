"""Scenarios of clients/scenarios.md for asyncio. The logic is that of the client for threads; the calls are not."""

from __future__ import annotations

import asyncio
import collections
import gc
import os
import signal
import tempfile
import time
import unittest
from collections.abc import AsyncIterator, Iterable
from typing import Any

import grpc
import support
from processes import DEADLINE_SECONDS, Relay, Server, free_port
from support import grey_frame
from test_scenarios import LONG, Connected, certificate, create_group, grey, group_status, numbers, register, scenario_of

import frameway
import frameway.aio
from frameway import v1


def load_tests(loader: unittest.TestLoader, tests: unittest.TestSuite, _pattern: str | None) -> unittest.TestSuite:
    if os.environ.get("FRAMEWAY_SHORT") != "1":
        return tests
    return unittest.TestSuite(case for suite in tests for case in suite if scenario_of(case) not in LONG)


async def until(what: str, holds: Any) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"not in time: {what}"
        await asyncio.sleep(0.02)


async def publish_all(publisher: frameway.aio.Publisher, frames: Iterable[v1.Frame]) -> list[frameway.Fate]:
    made = [await publisher.publish(one) for one in frames]
    return list(await asyncio.wait_for(asyncio.gather(*made), DEADLINE_SECONDS))


async def read(events: AsyncIterator[frameway.Frame | frameway.Gap], count: int) -> list[frameway.Frame]:
    frames = []
    while len(frames) < count:
        event = await asyncio.wait_for(events.__anext__(), DEADLINE_SECONDS)
        assert isinstance(event, frameway.Frame), event
        frames.append(event)
    return frames


class Aio(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        # The debug mode logs every step that is slow, of which a busy machine has many.
        asyncio.get_running_loop().set_debug(False)

    async def asyncTearDown(self) -> None:
        others = lambda: [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("frameway")]
        await until("no task is left", lambda: not others())

    async def test_submit_and_subscribe(self) -> None:
        with Connected() as (server, setup):
            register(setup, "a", "b")
            async with frameway.aio.connect(server.address) as client:
                async with client.subscribe(["a", "b"]) as events, client.publisher("p", batch_seconds=0.05) as publisher:
                    fates = await publish_all(publisher, (grey("ab"[number % 2], number) for number in range(20)))
                    frames = await read(events, 20)
            self.assertEqual({fate.outcome for fate in fates}, {"accepted"})
            for stream_id in "ab":
                self.assertEqual(numbers(frames, stream_id), list(range(1, 11)))

    async def test_duplicate(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            async with frameway.aio.connect(server.address) as client:
                for outcome in ("accepted", "duplicate"):
                    async with client.publisher("camera") as publisher:
                        fates = await publish_all(publisher, (grey_frame("cam", number) for number in range(1, 6)))
                    self.assertEqual({fate.outcome for fate in fates}, {outcome})

    async def test_bounded_publisher(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            async with frameway.aio.connect(server.address) as client, client.publisher("p", max_bytes=2000) as publisher:
                await publish_all(publisher, [grey("cam", 0)])
                server.stop()
                made = []
                with self.assertRaisesRegex(frameway.BufferFull, "undecided"):
                    for number in range(100):
                        made.append(await publisher.publish(grey("cam", number), timeout_seconds=0))
                self.assertLess(len(made), 10)
                server.signal(signal.SIGCONT)
                made.append(await publisher.publish(grey("cam", 1)))
                await publisher.flush(DEADLINE_SECONDS)
                self.assertTrue(all(one.result().stored for one in made))

    async def test_server_restart_publisher(self) -> None:
        with Connected(with_redis=True) as (server, setup):
            register(setup, "cam")
            async with frameway.aio.connect(server.address) as client:
                async with client.subscribe("cam") as events, client.publisher("p", batch_frames=5) as publisher:
                    made = []
                    for number in range(100):
                        made.append(await publisher.publish(grey("cam", number)))
                        if number == 50:
                            await asyncio.wait([made[10]])
                            await asyncio.to_thread(server.kill)
                            await asyncio.to_thread(server.start)
                    fates = await asyncio.wait_for(asyncio.gather(*made), DEADLINE_SECONDS)
                    frames = await read(events, 100)
            self.assertEqual([fate.sequence for fate in fates], list(range(1, 101)))
            self.assertEqual(numbers(frames, "cam"), list(range(1, 101)))

    async def test_server_restart_consumer(self) -> None:
        with Connected(with_redis=True) as (server, setup):
            register(setup, "cam")
            create_group(setup)
            handled: collections.Counter[int] = collections.Counter()

            async def handle(one: frameway.Frame) -> None:
                handled[one.sequence] += 1
                if one.sequence == 10:
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)

            async with frameway.aio.connect(server.address) as client:
                async with client.publisher("p") as publisher:
                    await publish_all(publisher, (grey("cam", number) for number in range(40)))
                async with client.consume("g", handle, workers=4):
                    await until("all are handled", lambda: len(handled) == 40)
                    await until("all are acknowledged", lambda: group_status(setup).acknowledged_frames == 40)
            self.assertEqual(set(handled.values()), {1})

    async def test_two_addresses(self) -> None:
        with Server() as server:
            async with frameway.aio.connect([f"127.0.0.1:{free_port()}", server.address]) as client:
                async with client.subscribe("cam-*") as events, client.publisher("p") as publisher:
                    await client.registry.RegisterStream(v1.RegisterStreamRequest(stream=v1.Stream(stream_id="cam-1")))
                    await publish_all(publisher, [grey("cam-1", 1)])
                    await read(events, 1)

    async def test_silent_server(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            request = support.subscription("cam", heartbeat_seconds=1)
            async with frameway.aio.connect(server.address) as client, client.subscribe(request) as events:
                with self.assertLogs("frameway") as logs:
                    server.stop()
                    begin = time.monotonic()
                    reading = asyncio.create_task(read(events, 1))
                    await until("the silence is noticed", lambda: any("SubscribeFrames" in one for one in logs.output))
                    self.assertLess(time.monotonic() - begin, 12)
                    server.signal(signal.SIGCONT)
                async with client.publisher("p") as publisher:
                    await publish_all(publisher, [grey("cam", 1)])
                self.assertEqual(numbers(await reading, "cam"), [1])

    async def test_cursor_store(self) -> None:
        with Connected() as (server, setup), tempfile.TemporaryDirectory() as folder:
            register(setup, "cam")
            async with frameway.aio.connect(server.address) as client:
                async with client.publisher("p") as publisher:
                    await publish_all(publisher, (grey("cam", number) for number in range(20)))
                path = f"{folder}/cursors"
                with self.assertRaises(RuntimeError):
                    async with client.subscribe("cam", start="earliest", cursors=path) as events:
                        await read(events, 10)
                        raise RuntimeError
                # The last event was not handled.
                async with client.subscribe("cam", cursors=path) as events:
                    self.assertEqual([one.sequence for one in await read(events, 11)], list(range(10, 21)))
                with self.assertRaisesRegex(frameway.CursorError, "/dev/full cannot be written"):
                    async for _ in client.subscribe("cam", start="earliest", cursors="/dev/full", save_seconds=0):
                        pass

    async def test_handler_throws(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            create_group(setup, max_delivery_attempts=1)

            async def handle(one: frameway.Frame) -> None:
                if one.sequence == 3:
                    raise frameway.Reject("no plate", dead_letter=True)

            async with frameway.aio.connect(server.address) as client, client.publisher("p") as publisher:
                with self.assertLogs("frameway"):
                    async with client.consume("g", handle):
                        await publish_all(publisher, (grey("cam", number) for number in range(5)))
                        await until("a dead letter is made", lambda: group_status(setup).dead_letter_frames == 1)
                        await until("the others are acknowledged", lambda: group_status(setup).outstanding_frames == 0)
                letters = await client.dead_letters.ListDeadLetters(v1.ListDeadLettersRequest())
                self.assertIn("no plate", str(letters))

    async def test_long_handler(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            create_group(setup, ack_deadline=support.duration(1.0))
            attempts: list[int] = []

            async def handle(one: frameway.Frame) -> None:
                attempts.append(one.delivery_attempt)
                await asyncio.sleep(3)  # three deadlines

            async with frameway.aio.connect(server.address) as client, client.publisher("p") as publisher:
                async with client.consume("g", handle):
                    await publish_all(publisher, [grey("cam", 1)])
                    await until("it is acknowledged", lambda: group_status(setup).acknowledged_frames == 1)
            self.assertEqual(attempts, [1])

    async def test_no_server(self) -> None:
        address = f"127.0.0.1:{free_port()}"
        async with frameway.aio.connect(address) as client:
            with self.assertRaisesRegex(frameway.CallError, address):
                await client.server_info(timeout_seconds=2)
            with self.assertRaisesRegex(frameway.CallError, address):
                await client.subscribe("cam", max_quiet_seconds=1).__anext__()
            publisher = client.publisher("p", max_quiet_seconds=1)
            fate = await asyncio.wait_for(await publisher.publish(grey("cam", 1)), DEADLINE_SECONDS)
            self.assertEqual(fate.outcome, "unconfirmed")
            with self.assertRaisesRegex(frameway.CallError, address):
                await publisher.close()

    async def test_plaintext_to_tls(self) -> None:
        with certificate() as (pem, key), Server("--tls-cert", pem, "--tls-key", key) as server:
            async with frameway.aio.connect(server.address) as client:
                with self.assertRaisesRegex(frameway.CallError, "speaks TLS"):
                    await client.server_info()
                with self.assertRaisesRegex(frameway.CallError, "speaks TLS"):
                    await client.subscribe("cam").__anext__()
            async with frameway.aio.connect(server.address, frameway.Credentials(ca=pem)) as client:
                self.assertEqual((await client.server_info()).api_version, "frameway.v1")

    async def test_wrong_key(self) -> None:
        with tempfile.TemporaryDirectory() as folder, open(f"{folder}/access.toml", "w"):
            with Server("--access-file", f"{folder}/access.toml") as server:
                token = f"fwk_{'0' * 12}_{'A' * 43}"
                async with frameway.aio.connect(server.address, frameway.Credentials(token=lambda: token)) as client:
                    for call in (client.server_info(), client.subscribe("cam").__anext__(), client.consume("g", read).wait()):
                        with self.assertRaises(frameway.CallError) as raised:
                            await call
                        self.assertEqual(raised.exception.reason, "ERROR_REASON_CREDENTIALS_INVALID")

    async def test_deadline(self) -> None:
        with Connected() as (server, _):
            async with frameway.aio.connect(server.address) as client:
                await client.server_info()
                server.stop()
                begin = time.monotonic()
                with self.assertRaises(frameway.DeadlineExceeded):
                    await client.latest("cam", timeout_seconds=1)
                self.assertTrue(1 <= time.monotonic() - begin < 6)

    async def test_cancel(self) -> None:
        with Connected() as (server, setup):
            register(setup, "cam")
            create_group(setup)
            relay = Relay(server.port)
            async with frameway.aio.connect(relay.address) as client:
                events = client.subscribe("cam")
                reading = asyncio.create_task(read(events, 1))
                cancelled = asyncio.create_task(read(client.subscribe("cam"), 1))

                async def handle(_: frameway.Frame) -> None: ...

                consumer = client.consume("g", handle)
                publisher = client.publisher("p")
                await publish_all(publisher, [grey("cam", 1)])
                await reading
                reading = asyncio.create_task(read(events, 1))
                await asyncio.sleep(0)
                begin = time.monotonic()
                await events.close()
                with self.assertRaises(StopAsyncIteration):
                    await asyncio.wait_for(events.__anext__(), DEADLINE_SECONDS)
                await asyncio.wait([reading])
                self.assertIsInstance(reading.exception(), StopAsyncIteration)
                cancelled.cancel()
                await asyncio.wait([cancelled])
                await consumer.close()
                await publisher.cancel()
                self.assertLess(time.monotonic() - begin, 10)
                # A closed client ends what is still open.
                still = client.subscribe("cam")
                reading = asyncio.create_task(still.__anext__())
                await asyncio.sleep(0)
            with self.assertRaises(frameway.ClientClosed):
                await reading
            # A call of grpcio that was cancelled is in a cycle of references with its error.
            del reading, cancelled
            gc.collect()
            await until("no connection is left", lambda: not relay._open)
            relay.close()

    async def test_message_too_large(self) -> None:
        with Connected() as (server, setup):
            stream = v1.Stream(stream_id="cam")
            stream.output.reencode_mode = v1.REENCODE_MODE_RELAY
            register(setup, stream)
            with setup.publisher("p") as publisher:
                publisher.publish(frameway.frame("cam", b"\xff\xd8\xff\xe0" + os.urandom(5_000_000)))
            request = support.subscription("cam")
            request.selectors[0].pictures.max_picture_bytes = 16 << 20
            async with frameway.aio.connect(server.address, max_message_bytes=2 << 20) as client:
                with self.assertRaises(frameway.CallError) as raised:
                    await client.subscribe(request).__anext__()
                self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)


if __name__ == "__main__":
    unittest.main()
