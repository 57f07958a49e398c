"""The client against a server that does what each test says."""

from __future__ import annotations

import json
import pathlib
import threading
import time
import unittest

import grpc
import support
from support import Scripted, accept, checkpoint, consumed, frame, heartbeat, ready, refusal, refuse, start_of, subscription

import frameway
from frameway import channels, v1


ROOT = pathlib.Path(__file__).resolve().parents[3]


def abort(code: grpc.StatusCode, text: str):
    return lambda _request, context: context.abort(code, text)


def sequences(messages) -> list[int]:
    return [message.frame.frame.sequence for message in messages if message.WhichOneof("event") == "frame"]


def until_frames(client: frameway.Client, count: int, **arguments) -> list[int]:
    """The sequences of the first frames of a subscription."""
    request = subscription()
    request.stop_after_frames = count
    return sequences(client.subscribe(request, **arguments))


class Submit(unittest.TestCase):
    def submit(self, *batches, **arguments) -> Scripted:
        """Submits a frame to a server that answers so."""
        servicer = Scripted(batches=batches)
        with support.serving(servicer) as address, frameway.connect(address) as client:
            client.submit([support.grey_frame("cam", 1)], **arguments)
        return servicer

    def test_a_call_that_the_server_cancelled_is_sent_again(self):
        servicer = self.submit(abort(grpc.StatusCode.CANCELLED, "Timeout expired"), accept)
        self.assertEqual(len(servicer.submitted), 2)
        self.assertEqual(servicer.submitted[0], servicer.submitted[1])

    def test_a_call_whose_deadline_passed_is_sent_again(self):
        def hang(_request, context):
            support.wait_for_end(context)

        servicer = self.submit(hang, accept, call_timeout_seconds=0.3)
        self.assertEqual(len(servicer.submitted), 2)

    def test_a_quota_is_waited_for(self):
        full = refuse(refusal(support.RESOURCE_EXHAUSTED, "too many calls", v1.ERROR_REASON_QUOTA_EXCEEDED, retry_seconds=0.05))
        self.assertEqual(len(self.submit(full, full, accept).submitted), 3)

    def test_a_batch_that_is_too_large_is_not_sent_again(self):
        servicer = Scripted(batches=[refuse(refusal(support.RESOURCE_EXHAUSTED, "too large", v1.ERROR_REASON_BATCH_TOO_LARGE))])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                client.submit([support.grey_frame("cam", 1)])
            self.assertEqual(frameway.error_reason(raised.exception), "ERROR_REASON_BATCH_TOO_LARGE")
            self.assertIsNone(frameway.retry_delay_seconds(raised.exception))
        self.assertEqual(len(servicer.submitted), 1)

    def test_an_outcome_that_the_client_does_not_know_counts_as_unconfirmed(self):
        def newer_server(_request, _context):
            # Field 15 of a FrameResult, as a message: a case of the oneof that came later.
            unknown = v1.FrameResult.FromString(b"\x7a\x00")
            return v1.SubmitFrameBatchResponse(results=[unknown])

        servicer = self.submit(newer_server, accept)
        self.assertEqual(len(servicer.submitted), 2)
        self.assertEqual(servicer.submitted[0], servicer.submitted[1])
        with self.assertRaisesRegex(TimeoutError, "an outcome that this client does not know"):
            self.submit(newer_server, timeout_seconds=0.2)

    def test_a_refused_frame_tells_its_reason_and_facts(self):
        def too_large(_request, _context):
            response = v1.SubmitFrameBatchResponse()
            error = response.results.add().rejected
            error.reason = v1.ERROR_REASON_PICTURE_TOO_LARGE
            error.metadata["limit"] = "16777216"
            return response

        with self.assertRaises(frameway.FrameRefused) as raised:
            self.submit(too_large)
        self.assertEqual(raised.exception.index, 0)
        self.assertEqual(raised.exception.reason, "ERROR_REASON_PICTURE_TOO_LARGE")
        self.assertEqual(raised.exception.metadata, {"limit": "16777216"})

    def test_a_reason_that_the_client_does_not_know_is_told_as_its_number(self):
        def later(_request, _context):
            response = v1.SubmitFrameBatchResponse()
            response.results.add().rejected.reason = 999
            return response

        with self.assertRaises(frameway.FrameRefused) as raised:
            self.submit(later)
        self.assertEqual(raised.exception.reason, "999")

    def test_a_draining_queue_is_waited_for(self):
        def draining(_request, _context):
            response = v1.SubmitFrameBatchResponse()
            error = response.results.add().rejected
            error.reason = v1.ERROR_REASON_QUEUE_DRAINING
            error.retry_delay.FromMilliseconds(50)
            return response

        self.assertEqual(len(self.submit(draining, draining, accept).submitted), 3)

    def test_a_client_that_is_closed_ends_a_submit(self):
        entered = threading.Event()

        def hang(_request, context):
            entered.set()
            support.wait_for_end(context)

        with support.serving(Scripted(batches=[hang])) as address:
            client = frameway.connect(address)
            raised: list[BaseException] = []

            def submit():
                try:
                    client.submit([support.grey_frame("cam", 1)], timeout_seconds=600, call_timeout_seconds=600)
                except grpc.RpcError as error:
                    raised.append(error)

            submitting = threading.Thread(target=submit, daemon=True)
            submitting.start()
            self.assertTrue(entered.wait(support.DEADLINE_SECONDS))
            client.close()
            submitting.join(support.DEADLINE_SECONDS)
            self.assertEqual([error.code() for error in raised], [grpc.StatusCode.CANCELLED])


class Subscribe(unittest.TestCase):
    def test_a_message_over_the_clients_own_limit_is_raised(self):
        def large(_request, _context):
            yield checkpoint("start")
            yield frame(1, picture=bytes(5_000_000))

        servicer = Scripted(subscriptions=[large])
        with support.serving(servicer) as address, frameway.Client(grpc.insecure_channel(address)) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                until_frames(client, 1)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(frameway.error_reason(raised.exception), "")
        self.assertEqual(len(servicer.subscribed), 1)

    def test_a_slow_consumer_resumes_after_its_last_frame(self):
        def disconnects(_request, context):
            yield checkpoint("start")
            yield frame(1)
            context.abort_with_status(refusal(support.RESOURCE_EXHAUSTED, "too slow", v1.ERROR_REASON_SLOW_CONSUMER))

        def goes_on(_request, _context):
            yield checkpoint("after-1")
            yield frame(2)

        servicer = Scripted(subscriptions=[disconnects, goes_on])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 2), [1, 2])
        self.assertEqual([start_of(request) for request in servicer.subscribed], ["", "after-1"])

    def test_a_subscription_that_the_server_cancelled_resumes(self):
        def cancelled(_request, context):
            yield checkpoint("start")
            context.abort(grpc.StatusCode.CANCELLED, "Timeout expired")

        def goes_on(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        servicer = Scripted(subscriptions=[cancelled, goes_on])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 1), [1])

    def test_what_another_call_would_end_with_too_is_raised(self):
        def no_such_stream(_request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such stream")
            yield

        servicer = Scripted(subscriptions=[no_such_stream])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                until_frames(client, 1)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(len(servicer.subscribed), 1)

    def test_checkpoints_are_no_progress(self):
        def ends(_request, context):
            yield checkpoint("start")
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        servicer = Scripted(subscriptions=[ends])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                until_frames(client, 1, max_quiet_seconds=2)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        # Pauses of 0.05 s that double: after eight calls, more than four seconds have passed.
        self.assertLessEqual(len(servicer.subscribed), 8)

    def test_an_idle_subscription_outlives_cuts(self):
        def idle(_request, context):
            yield checkpoint("start")
            yield heartbeat()
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        def goes_on(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        # Longer in all than the client may be quiet, and never quiet for so long.
        servicer = Scripted(subscriptions=[idle] * 6 + [goes_on])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            begin = time.monotonic()
            self.assertEqual(until_frames(client, 1, max_quiet_seconds=1.7), [1])
            self.assertGreater(time.monotonic() - begin, 1.7)

    def test_the_delay_of_a_draining_server_is_kept(self):
        seen: list[float] = []

        def drains(_request, context):
            yield checkpoint("start")
            told = v1.SubscribeFramesResponse()
            told.draining.reconnect_delay.FromMilliseconds(1500)
            seen.append(time.monotonic())
            yield told
            context.abort(grpc.StatusCode.UNAVAILABLE, "draining")

        def goes_on(_request, _context):
            seen.append(time.monotonic())
            yield checkpoint("start")
            yield frame(1)

        with support.serving(Scripted(subscriptions=[drains, goes_on])) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 1), [1])
        self.assertGreaterEqual(seen[1] - seen[0], 1.5)


class Consume(unittest.TestCase):
    @staticmethod
    def request(stop_after_frames: int) -> v1.ConsumeFramesRequest:
        return v1.ConsumeFramesRequest(group_id="g", member_id="m", stop_after_frames=stop_after_frames)

    def test_a_member_whose_call_was_cut_joins_again_under_its_name(self):
        def cut(_request, context):
            yield ready()
            yield consumed(1)
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        def goes_on(_request, _context):
            yield ready()
            yield consumed(1)
            yield consumed(2)

        servicer = Scripted(members=[cut, goes_on])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            messages = list(client.consume(self.request(3)))
        # What was not acknowledged came again.
        self.assertEqual(sequences(messages), [1, 1, 2])
        self.assertEqual([request.member_id for request in servicer.consumed], ["m", "m"])
        self.assertEqual([request.stop_after_frames for request in servicer.consumed], [3, 2])

    def test_a_member_that_was_replaced_ends(self):
        replaced = refusal(support.ABORTED, "another call", v1.ERROR_REASON_MEMBER_REPLACED)

        def ends(_request, context):
            yield ready()
            context.abort_with_status(replaced)

        servicer = Scripted(members=[ends])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                list(client.consume(self.request(1)))
            self.assertEqual(frameway.error_reason(raised.exception), "ERROR_REASON_MEMBER_REPLACED")
        self.assertEqual(len(servicer.consumed), 1)


class Errors(unittest.TestCase):
    def test_the_facts_of_an_error_are_its_metadata(self):
        status = refusal(support.ABORTED, "changed", v1.ERROR_REASON_ETAG_MISMATCH, metadata={"etag": "e2"})
        with support.serving(Scripted(batches=[refuse(status)])) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                client.submit([support.grey_frame("cam", 1)])
            self.assertEqual(frameway.error_metadata(raised.exception), {"etag": "e2"})


class ServiceConfig(unittest.TestCase):
    def test_the_packaged_copy_is_that_of_the_contract(self):
        original = json.loads((ROOT / "proto/frameway_v1_service_config.json").read_text())
        self.assertEqual(json.loads(channels.service_config()), original)

    def test_what_is_safe_to_send_again_is_sent_again_by_the_channel(self):
        def restarting(_request, context):
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        servicer = Scripted(acknowledgements=[restarting, restarting, lambda _request, _context: None])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            answer = client.streaming.AcknowledgeFrames(v1.AcknowledgeFramesRequest(group_id="g", ack_ids=["a"]))
            self.assertEqual(len(answer.results), 1)
        self.assertEqual(len(servicer.acknowledged), 3)

    def test_a_batch_is_not_sent_again_by_the_channel(self):
        servicer = Scripted(batches=[abort(grpc.StatusCode.UNAVAILABLE, "restarting")])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError):
                client.streaming.SubmitFrameBatch(v1.SubmitFrameBatchRequest())
        self.assertEqual(len(servicer.submitted), 1)

    def test_a_subscription_is_resumed_by_the_client_alone(self):
        def restarting(_request, context):
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")
            yield

        servicer = Scripted(subscriptions=[restarting])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError):
                list(client.streaming.SubscribeFrames(subscription()))
        self.assertEqual(len(servicer.subscribed), 1)


class Silence(unittest.TestCase):
    @staticmethod
    def silent(_request, context):
        yield checkpoint("start")
        support.wait_for_end(context)

    def test_three_heartbeats_without_a_message_end_a_call(self):
        def goes_on(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        servicer = Scripted(subscriptions=[self.silent, goes_on])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            begin = time.monotonic()
            self.assertEqual(until_frames(client, 1), [1])
            self.assertGreaterEqual(time.monotonic() - begin, 3.0)
        self.assertEqual(start_of(servicer.subscribed[1]), "start")

    def test_a_server_that_stays_silent_is_given_up(self):
        servicer = Scripted(subscriptions=[self.silent])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaisesRegex(TimeoutError, "the server sent nothing for"):
                until_frames(client, 1, max_quiet_seconds=4)
        self.assertEqual(len(servicer.subscribed), 2)

    def test_a_reader_that_takes_its_time_is_no_silence(self):
        def steady(_request, context):
            yield checkpoint("start")
            for number in range(1, 5):
                yield frame(number)
            support.wait_for_end(context)

        servicer = Scripted(subscriptions=[steady])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            request = subscription()
            request.stop_after_frames = 4
            seen = []
            for message in client.subscribe(request, max_quiet_seconds=1):
                seen += sequences([message])
                if seen == [1]:
                    time.sleep(4)  # longer than three heartbeats
            self.assertEqual(seen, [1, 2, 3, 4])
        self.assertEqual(len(servicer.subscribed), 1)

    def test_a_picture_that_takes_longer_than_three_heartbeats_comes_with_the_next_call(self):
        def slow_link(_request, context):
            yield checkpoint("start")
            ended = threading.Event()
            if context.add_callback(ended.set) and not ended.wait(4):
                yield frame(1)

        servicer = Scripted(subscriptions=[slow_link])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 1), [1])
        self.assertEqual(len(servicer.subscribed), 2)


class Connections(unittest.TestCase):
    def test_acknowledgements_do_not_wait_for_subscriptions(self):
        calls = 4
        servicer = Scripted(subscriptions=[Silence.silent])
        with support.serving(servicer, [("grpc.max_concurrent_streams", calls)]) as address:
            with frameway.connect(address) as client:
                subscriptions = [client.streaming.SubscribeFrames(subscription()) for _ in range(calls)]
                for one in subscriptions:
                    self.assertEqual(next(one).WhichOneof("event"), "checkpoint")
                request = v1.AcknowledgeFramesRequest(group_id="g", ack_ids=["a"])
                answer = client.streaming.AcknowledgeFrames(request, timeout=support.DEADLINE_SECONDS)
                self.assertEqual(len(answer.results), 1)
                for one in subscriptions:
                    one.cancel()
        self.assertEqual(len(servicer.peers["subscribe"] & servicer.peers["acknowledge"]), 0)

    def test_a_second_client_has_connections_of_its_own(self):
        servicer = Scripted(subscriptions=[Silence.silent])
        with support.serving(servicer, [("grpc.max_concurrent_streams", 1)]) as address:
            with frameway.connect(address) as one, frameway.connect(address) as other:
                calls = [client.streaming.SubscribeFrames(subscription()) for client in (one, other)]
                for call in calls:
                    self.assertEqual(next(call).WhichOneof("event"), "checkpoint")
                    call.cancel()
        self.assertEqual(len(servicer.peers["subscribe"]), 2)

    def test_a_subscription_over_the_limit_of_a_connection_does_not_wait_for_ever(self):
        servicer = Scripted(subscriptions=[Silence.silent])
        with support.serving(servicer, [("grpc.max_concurrent_streams", 1)]) as address:
            with frameway.connect(address) as client:
                first = client.streaming.SubscribeFrames(subscription())
                next(first)
                with self.assertRaisesRegex(TimeoutError, "as many calls as the server allows"):
                    until_frames(client, 1, max_quiet_seconds=1)
                first.cancel()

    def test_a_channel_of_ones_own_serves(self):
        with support.serving(Scripted(batches=[accept])) as address:
            channel = grpc.insecure_channel(address)
            with frameway.Client(channel) as client:
                client.submit([support.grey_frame("cam", 1)])


if __name__ == "__main__":
    unittest.main()
