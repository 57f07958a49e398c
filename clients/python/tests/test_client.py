"""The client against a server with scripted answers."""

from __future__ import annotations

import json
import pathlib
import threading
import time
import unittest

import grpc
import support
from google.rpc import code_pb2
from processes import wait_until
from support import Scripted, accept, checkpoint, consumed, frame, heartbeat, ready, refusal, refuse, start_of, subscription

import frameway
from frameway import channels, v1

ROOT = pathlib.Path(__file__).resolve().parents[3]


def abort(code: grpc.StatusCode, text: str):
    return lambda _request, context: context.abort(code, text)


def sequences(messages) -> list[int]:
    return [message.frame.frame.sequence for message in messages if message.WhichOneof("event") == "frame"]


def until_frames(client: frameway.Client, count: int, **arguments) -> list[int]:
    """Returns the sequences of the first frames of a subscription."""
    request = subscription()
    request.stop_after_frames = count
    return sequences(client.subscribe_messages(request, **arguments))


def started(call) -> tuple[threading.Thread, list[BaseException]]:
    """Makes a call in a thread. Returns the thread, and a list of what the call raises."""
    raised: list[BaseException] = []

    def run():
        try:
            call()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, raised


class Submit(unittest.TestCase):
    def submit(self, *batches, **arguments) -> Scripted:
        """Submits a frame to a server with these answers."""
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

    def test_an_exceeded_quota_is_retried_after_its_delay(self):
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
            # Field 15 of a FrameResult, a message: a case of the oneof that only a newer contract
            # has.
            unknown = v1.FrameResult.FromString(b"\x7a\x00")
            return v1.SubmitFrameBatchResponse(results=[unknown])

        servicer = self.submit(newer_server, accept)
        self.assertEqual(len(servicer.submitted), 2)
        self.assertEqual(servicer.submitted[0], servicer.submitted[1])
        with self.assertRaisesRegex(TimeoutError, "an outcome that this client does not know"):
            self.submit(newer_server, timeout_seconds=0.2)

    def test_a_refused_frame_has_its_reason_and_metadata(self):
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

    def test_an_unknown_reason_is_reported_as_its_number(self):
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
            frames = [support.grey_frame("cam", 1)]
            submitting, raised = started(lambda: client.submit(frames, timeout_seconds=600, call_timeout_seconds=600))
            self.assertTrue(entered.wait(support.DEADLINE_SECONDS))
            client.close()
            submitting.join(support.DEADLINE_SECONDS)
            self.assertEqual([error.code() for error in raised], [grpc.StatusCode.CANCELLED])

    def test_a_client_that_is_closed_ends_the_pause_of_a_submit(self):
        answered = threading.Event()

        class Answered:
            """A stub that sets `answered` after an answer, when no call is open any more."""

            def __init__(self, stub: v1.StreamingServiceStub) -> None:
                self._stub = stub

            def SubmitFrameBatch(self, request, timeout):
                answer = self._stub.SubmitFrameBatch(request, timeout=timeout)
                answered.set()
                return answer

        def full(_request, _context):
            response = v1.SubmitFrameBatchResponse()
            error = response.results.add().rejected
            error.reason = v1.ERROR_REASON_QUEUE_FULL
            error.retry_delay.FromSeconds(500)
            return response

        servicer = Scripted(batches=[full])
        with support.serving(servicer) as address:
            client = frameway.connect(address)
            client.streaming = Answered(client.streaming)
            submit = lambda: client.submit([support.grey_frame("cam", 1)], timeout_seconds=600)
            submitting, raised = started(submit)
            self.assertTrue(answered.wait(support.DEADLINE_SECONDS))
            client.close()
            submitting.join(support.DEADLINE_SECONDS)
        self.assertEqual([type(error) for error in raised], [frameway.ClientClosed])
        self.assertEqual(raised[0].code(), grpc.StatusCode.CANCELLED)
        self.assertEqual(frameway.error_reason(raised[0]), "")
        self.assertEqual(len(servicer.submitted), 1)

    def test_a_closed_client_raises_client_closed(self):
        client = frameway.connect("127.0.0.1:1")
        client.close()
        with self.assertRaises(frameway.ClientClosed):
            client.submit([support.grey_frame("cam", 1)])
        with self.assertRaises(frameway.ClientClosed):
            until_frames(client, 1)


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

        def resumed(_request, _context):
            yield checkpoint("after-1")
            yield frame(2)

        servicer = Scripted(subscriptions=[disconnects, resumed])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 2), [1, 2])
        self.assertEqual([start_of(request) for request in servicer.subscribed], ["", "after-1"])

    def test_a_subscription_that_the_server_cancelled_resumes(self):
        def cancelled(_request, context):
            yield checkpoint("start")
            context.abort(grpc.StatusCode.CANCELLED, "Timeout expired")

        def resumed(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        servicer = Scripted(subscriptions=[cancelled, resumed])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 1), [1])

    def test_a_status_that_another_call_would_have_is_raised(self):
        def no_such_stream(_request, context):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such stream")
            yield

        servicer = Scripted(subscriptions=[no_such_stream])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                until_frames(client, 1)
            self.assertEqual(raised.exception.code(), grpc.StatusCode.NOT_FOUND)
        self.assertEqual(len(servicer.subscribed), 1)

    def test_checkpoints_do_not_count_as_progress(self):
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

    def test_an_idle_subscription_survives_cuts(self):
        def idle(_request, context):
            yield checkpoint("start")
            yield heartbeat()
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        def resumed(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        # The calls last longer in all than `max_quiet_seconds`, but a heartbeat comes in each of
        # them.
        servicer = Scripted(subscriptions=[idle] * 6 + [resumed])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            begin = time.monotonic()
            self.assertEqual(until_frames(client, 1, max_quiet_seconds=1.7), [1])
            self.assertGreater(time.monotonic() - begin, 1.7)

    def test_the_delay_of_a_draining_server_is_kept(self):
        seen: list[float] = []

        def drains(_request, context):
            yield checkpoint("start")
            drain = v1.SubscribeFramesResponse()
            drain.draining.reconnect_delay.FromMilliseconds(1500)
            seen.append(time.monotonic())
            yield drain
            context.abort(grpc.StatusCode.UNAVAILABLE, "draining")

        def resumed(_request, _context):
            seen.append(time.monotonic())
            yield checkpoint("start")
            yield frame(1)

        with support.serving(Scripted(subscriptions=[drains, resumed])) as address, frameway.connect(address) as client:
            self.assertEqual(until_frames(client, 1), [1])
        self.assertGreaterEqual(seen[1] - seen[0], 1.5)

    def test_a_client_that_is_closed_ends_the_pause_of_a_subscription(self):
        def drains(_request, context):
            drain = v1.SubscribeFramesResponse()
            drain.draining.reconnect_delay.FromSeconds(500)
            yield drain
            context.abort(grpc.StatusCode.UNAVAILABLE, "draining")

        servicer = Scripted(subscriptions=[drains])
        with support.serving(servicer) as address:
            client = frameway.connect(address)
            subscribing, raised = started(lambda: until_frames(client, 1, max_quiet_seconds=600))
            wait_until("the call is made", lambda: len(servicer.subscribed) == 1)
            # Each call has a watchdog, which ends with it.
            watched = lambda: any(thread.name == "frameway-watchdog" for thread in threading.enumerate())
            wait_until("the call has ended", lambda: not watched())
            client.close()
            subscribing.join(support.DEADLINE_SECONDS)
        self.assertEqual([type(error) for error in raised], [frameway.ClientClosed])
        self.assertEqual(len(servicer.subscribed), 1)

    def test_a_requested_pause_beyond_max_quiet_seconds_is_not_waited_for(self):
        def ends(_request, context):
            yield checkpoint("start")
            drain = v1.SubscribeFramesResponse()
            drain.draining.reconnect_delay.FromSeconds(500)
            yield drain
            context.abort(grpc.StatusCode.UNAVAILABLE, "draining")

        servicer = Scripted(subscriptions=[ends])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            subscribing, raised = started(lambda: until_frames(client, 1, max_quiet_seconds=60))
            subscribing.join(support.DEADLINE_SECONDS)
            self.assertEqual([error.code() for error in raised], [grpc.StatusCode.UNAVAILABLE])
        self.assertEqual(len(servicer.subscribed), 1)

    def test_a_subscription_that_the_program_drops_ends(self):
        ended = threading.Event()

        def waits(_request, context):
            context.add_callback(ended.set)
            yield checkpoint("start")
            yield frame(1)
            support.wait_for_end(context)

        servicer = Scripted(subscriptions=[waits])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            for _ in client.subscribe("cam"):
                break
            self.assertTrue(ended.wait(support.DEADLINE_SECONDS))

    def test_renewed_credentials_are_used_for_another_call(self):
        seen = []

        def refuses_the_first(_request, context):
            seen.append(dict(context.invocation_metadata())["authorization"])
            yield checkpoint("start")
            if len(seen) == 1:
                invalid = v1.ERROR_REASON_CREDENTIALS_INVALID
                context.abort_with_status(refusal(code_pb2.UNAUTHENTICATED, "revoked", invalid))
            yield frame(1)

        credentials = frameway.Credentials(token=lambda: "second" if seen else "first")
        with support.serving(Scripted(subscriptions=[refuses_the_first])) as address:
            with frameway.connect(address, credentials) as client:
                self.assertEqual(next(client.subscribe("cam")).sequence, 1)
        self.assertEqual(seen, ["Bearer first", "Bearer second"])


class Consume(unittest.TestCase):
    @staticmethod
    def request(stop_after_frames: int) -> v1.ConsumeFramesRequest:
        return v1.ConsumeFramesRequest(group_id="g", member_id="m", stop_after_frames=stop_after_frames)

    def test_a_member_whose_call_was_cut_joins_again_under_its_name(self):
        def cut(_request, context):
            yield ready()
            yield consumed(1)
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        def resumed(_request, _context):
            yield ready()
            yield consumed(1)
            yield consumed(2)

        servicer = Scripted(members=[cut, resumed])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            messages = list(client.consume_messages(self.request(3)))
        # The frame that was not acknowledged came again.
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
                list(client.consume_messages(self.request(1)))
            self.assertEqual(frameway.error_reason(raised.exception), "ERROR_REASON_MEMBER_REPLACED")
        self.assertEqual(len(servicer.consumed), 1)


class Errors(unittest.TestCase):
    def test_the_metadata_of_an_error_is_returned(self):
        status = refusal(support.ABORTED, "changed", v1.ERROR_REASON_ETAG_MISMATCH, metadata={"etag": "e2"})
        with support.serving(Scripted(batches=[refuse(status)])) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError) as raised:
                client.submit([support.grey_frame("cam", 1)])
            self.assertEqual(frameway.error_metadata(raised.exception), {"etag": "e2"})


class ServiceConfig(unittest.TestCase):
    def test_the_packaged_copy_equals_the_service_config(self):
        original = json.loads((ROOT / "proto/frameway_v1_service_config.json").read_text())
        self.assertEqual(json.loads(channels.service_config()), original)

    def test_the_channel_retries_calls_that_are_safe_to_retry(self):
        def restarting(_request, context):
            context.abort(grpc.StatusCode.UNAVAILABLE, "restarting")

        servicer = Scripted(acknowledgements=[restarting, restarting, lambda _request, _context: None])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            answer = client.streaming.AcknowledgeFrames(v1.AcknowledgeFramesRequest(group_id="g", ack_ids=["a"]))
            self.assertEqual(len(answer.results), 1)
        self.assertEqual(len(servicer.acknowledged), 3)

    def test_the_channel_does_not_retry_a_batch(self):
        servicer = Scripted(batches=[abort(grpc.StatusCode.UNAVAILABLE, "restarting")])
        with support.serving(servicer) as address, frameway.connect(address) as client:
            with self.assertRaises(grpc.RpcError):
                client.streaming.SubmitFrameBatch(v1.SubmitFrameBatchRequest())
        self.assertEqual(len(servicer.submitted), 1)

    def test_the_channel_does_not_retry_a_subscription(self):
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
        def resumed(_request, _context):
            yield checkpoint("start")
            yield frame(1)

        servicer = Scripted(subscriptions=[self.silent, resumed])
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

    def test_a_slow_reader_does_not_count_as_silence(self):
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
            for message in client.subscribe_messages(request, max_quiet_seconds=1):
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

    def test_the_caller_can_pass_a_channel(self):
        with support.serving(Scripted(batches=[accept])) as address:
            channel = grpc.insecure_channel(address)
            with frameway.Client(channel) as client:
                client.submit([support.grey_frame("cam", 1)])


if __name__ == "__main__":
    unittest.main()
