"""The client against a real server that is stopped, killed and cut off."""

from __future__ import annotations

import signal
import threading
import time
import unittest

import support
from processes import DEADLINE_SECONDS, Relay, Server, redis
from support import subscription

import frameway
from frameway import v1

FRAMES = 40


class Submitter(threading.Thread):
    """Submits frames one by one. If that fails, `error` is set."""

    def __init__(self, client: frameway.Client, stream_id: str) -> None:
        super().__init__(daemon=True)
        self._client = client
        self._stream_id = stream_id
        self.accepted: list[int] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            for number in range(1, FRAMES + 1):
                frames = [support.grey_frame(self._stream_id, number)]
                # A short deadline, because the server is often away.
                [result] = self._client.submit(frames, timeout_seconds=DEADLINE_SECONDS, call_timeout_seconds=2)
                self.accepted.append(getattr(result, result.WhichOneof("outcome")).sequence)
        except BaseException as error:
            self.error = error


class Faults(unittest.TestCase):
    def follow(self, client: frameway.Client, disturb) -> None:
        """Submits frames, subscribes, and calls `disturb` after each received frame.

        Checks that every frame comes once and in order.
        """
        support.register(client.registry, "cam")
        submitter = Submitter(client, "cam")
        received: list[int] = []
        missing: list[int] = []
        for message in client.subscribe_messages(subscription(), max_quiet_seconds=DEADLINE_SECONDS):
            event = message.WhichOneof("event")
            if event == "checkpoint" and submitter.ident is None:
                submitter.start()
            elif event == "gap":
                gap = message.gap.gap
                missing += range(gap.from_sequence, gap.to_sequence + 1)
            elif event == "frame":
                received.append(message.frame.frame.sequence)
                disturb(len(received))
            if len(received) + len(missing) >= FRAMES:
                break
        submitter.join(DEADLINE_SECONDS)
        self.assertIsNone(submitter.error)
        self.assertEqual(missing, [])
        self.assertEqual(received, submitter.accepted)
        self.assertEqual(received, sorted(set(received)))

    def test_a_stopped_server_is_noticed_within_three_heartbeats_and_resumed(self):
        with Server() as server, frameway.connect(server.address) as client:
            silences: list[float] = []

            def disturb(count: int) -> None:
                if count not in (5, 15):
                    return
                server.signal(signal.SIGSTOP)
                begin = time.monotonic()
                # After three heartbeats of 1 s and a margin, the client has cancelled and calls
                # again.
                timer = threading.Timer(5.0, lambda: (silences.append(time.monotonic() - begin), server.signal(signal.SIGCONT)))
                timer.daemon = True
                timer.start()

            self.follow(client, disturb)
            self.assertEqual(len(silences), 2)

            with self.assertRaisesRegex(TimeoutError, r"the server sent nothing for \d+ s"):
                for message in client.subscribe_messages(subscription(), max_quiet_seconds=3):
                    if message.WhichOneof("event") == "heartbeat":
                        server.signal(signal.SIGSTOP)

    def test_a_server_that_is_killed_and_started_again_is_resumed(self):
        with redis() as (url, _), Server("--redis-url", url) as server, frameway.connect(server.address) as client:

            def disturb(count: int) -> None:
                if count in (10, 25):
                    server.kill()
                    threading.Thread(target=server.start, daemon=True).start()

            self.follow(client, disturb)

    def test_a_connection_that_is_cut_all_the_time_loses_and_repeats_nothing(self):
        with Server() as server:
            relay = Relay(server.port)
            with frameway.connect(relay.address) as client:
                self.follow(client, lambda count: relay.cut() if count % 3 == 0 else None)
            relay.close()
            # Both connections, again after each cut.
            self.assertGreater(relay.connections, 4)

    def test_a_member_whose_connection_is_cut_gets_every_frame_and_acknowledges_it(self):
        with Server() as server:
            relay = Relay(server.port)
            with frameway.connect(server.address) as camera, frameway.connect(relay.address) as client:
                support.register(camera.registry, "cam")
                group = v1.ConsumerGroup(group_id="g", streams=[v1.StreamMatch(id="cam")])
                group.start.earliest.SetInParent()
                camera.groups.CreateConsumerGroup(v1.CreateConsumerGroupRequest(group=group))
                frames = [support.grey_frame("cam", number) for number in range(1, FRAMES + 1)]
                accepted = {result.accepted.sequence for result in camera.submit(frames, timeout_seconds=DEADLINE_SECONDS)}

                request = v1.ConsumeFramesRequest(group_id="g", member_id="m")
                request.heartbeat_interval.FromSeconds(1)
                acknowledged: set[int] = set()
                for message in client.consume_messages(request, max_quiet_seconds=DEADLINE_SECONDS):
                    if message.WhichOneof("event") != "frame":
                        continue
                    # Acknowledge over a connection that is not cut, so that no acknowledgement is
                    # lost.
                    ack = v1.AcknowledgeFramesRequest(group_id="g", ack_ids=[message.frame.ack_id])
                    [result] = camera.streaming.AcknowledgeFrames(ack, timeout=DEADLINE_SECONDS).results
                    self.assertEqual(result.WhichOneof("outcome"), "done")
                    acknowledged.add(message.frame.frame.sequence)
                    if acknowledged == accepted:
                        break
                    if len(acknowledged) % 10 == 0:
                        relay.cut()
            relay.close()
            self.assertEqual(len(accepted), FRAMES)
            self.assertGreater(relay.connections, 3)


if __name__ == "__main__":
    unittest.main()
