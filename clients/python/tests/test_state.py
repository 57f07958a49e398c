"""The states that decide about resends, cursors and acknowledgements. They do no I/O."""

from __future__ import annotations

import unittest

import grpc
import support

import frameway
from frameway import v1
from frameway.deliveries import Deliveries
from frameway.events import Reader, subscription
from frameway.following import Following, Subscription
from frameway.outbox import Limits, Outbox
from frameway.stream_queue import Fate


def frame(stream_id: str = "cam", number: int | None = None) -> v1.Frame:
    made = v1.Frame(stream_id=stream_id, data=b"picture")
    if number is not None:
        made.publisher_sequence = number
    return made


def ready(**positions: int) -> v1.SubmitFramesResponse:
    message = v1.SubmitFramesResponse()
    message.ready.MergeFrom(v1.SubmitReady(max_batch_frames=100, max_message_bytes=1 << 25, max_in_flight_batches=4))
    message.ready.max_in_flight_bytes = 1 << 25
    for stream_id, number in positions.items():
        message.ready.positions.add(stream_id=stream_id, last_publisher_sequence=number)
    return message


def answer(batch_id: int, *results: v1.FrameResult) -> v1.SubmitFramesResponse:
    return v1.SubmitFramesResponse(batch_result=v1.SubmitBatchResult(batch_id=batch_id, results=results))


def accepted(sequence: int) -> v1.FrameResult:
    return v1.FrameResult(accepted=v1.FrameAccepted(sequence=sequence))


def refused(delay: float | None) -> v1.FrameResult:
    result = v1.FrameResult(rejected=v1.ItemError(reason=v1.ERROR_REASON_STREAM_QUEUE_FULL))
    if delay is not None:
        result.rejected.retry_delay.CopyFrom(support.duration(delay))
    return result


class Publishing(unittest.TestCase):
    def outbox(self, *frames: v1.Frame, **limits: float) -> Outbox:
        outbox = Outbox("p", Limits(**limits), 0.0)
        for one in frames:
            outbox.push(one, 100, one, 0.0)
        return outbox

    def sent(self, outbox: Outbox, now: float = 0.0) -> tuple[int, list[int]]:
        request = outbox.next(now).request
        assert request is not None
        return request.batch.batch_id, [one.publisher_sequence for one in request.batch.frames]

    def test_numbers_follow_the_position_of_the_server(self) -> None:
        outbox = self.outbox(frame(), frame("new"))
        self.assertEqual(list(outbox.begin().setup.resume_stream_ids), ["cam", "new"])
        outbox.received(ready(cam=41), 0.0)
        self.assertEqual(self.sent(outbox), (1, [42, 1]))
        outbox.push(frame(), 100, None, 0.0)
        outbox.received(answer(1, accepted(42), accepted(1)), 0.0)
        self.assertEqual(self.sent(outbox), (2, [43]))

    def test_a_number_that_is_taken_meanwhile_is_given_up(self) -> None:
        outbox = self.outbox(frame(), frame(), frame())
        outbox.begin()
        outbox.received(ready(cam=41), 0.0)
        # Until the server has taken the first number, no other frame of the stream is sent.
        self.assertEqual(self.sent(outbox), (1, [42]))
        self.assertIsNone(outbox.next(0.0).request)
        reused = v1.FrameResult(rejected=v1.ItemError(reason=v1.ERROR_REASON_PUBLISHER_SEQUENCE_REUSED))
        self.assertEqual(outbox.received(answer(1, reused), 0.0), [])
        self.assertTrue(outbox.next(0.0).end)
        self.assertGreater(outbox.ended(None, 0.0), 0.0)
        self.assertEqual(list(outbox.begin().setup.resume_stream_ids), ["cam"])
        outbox.received(ready(cam=45), 0.0)
        self.assertEqual(self.sent(outbox), (2, [46]))
        outbox.received(answer(2, accepted(46)), 0.0)
        self.assertEqual(self.sent(outbox), (3, [47, 48]))

    def test_a_stream_that_is_new_to_a_call_gets_another_call(self) -> None:
        outbox = self.outbox(frame())
        outbox.begin()
        outbox.received(ready(), 0.0)
        batch, _ = self.sent(outbox)
        outbox.push(frame("new"), 100, None, 0.0)
        # First, the frames in flight are answered.
        self.assertEqual(outbox.next(0.0)[:], (None, None, False))
        outbox.received(answer(batch, accepted(1)), 0.0)
        self.assertTrue(outbox.next(0.0).end)
        self.assertEqual(outbox.ended(None, 0.0), 0.0)
        self.assertEqual(list(outbox.begin().setup.resume_stream_ids), ["new"])

    def test_a_refused_frame_is_sent_again_before_the_later_ones(self) -> None:
        frames = [frame(number=number) for number in range(1, 6)]
        outbox = self.outbox(*frames, batch_frames=2)
        outbox.begin()
        outbox.received(ready(), 0.0)
        self.assertEqual([self.sent(outbox) for _ in range(2)], [(1, [1, 2]), (2, [3, 4])])
        decided = outbox.received(answer(1, accepted(1), refused(0.5)), 0.0)
        self.assertEqual([fate.publisher_sequence for _, fate in decided], [1])
        self.assertIsNone(outbox.next(0.0).request)  # 3 and 4 are still in flight
        outbox.received(answer(2, refused(0.2), refused(0.2)), 0.0)
        step = outbox.next(0.1)
        self.assertIsNone(step.request)
        self.assertAlmostEqual(step.wait_seconds or 0.0, 0.4)
        self.assertEqual(self.sent(outbox, 0.5), (3, [2, 3]))

    def test_unanswered_frames_are_sent_again_in_order(self) -> None:
        outbox = self.outbox(*[frame(number=number) for number in range(1, 4)], batch_frames=1)
        outbox.begin()
        outbox.received(ready(), 0.0)
        self.sent(outbox)
        self.sent(outbox)
        self.assertGreater(outbox.ended(frameway.CallError(grpc.StatusCode.UNAVAILABLE, "cut"), 0.0), 0.0)
        outbox.begin()
        outbox.received(ready(), 0.0)
        self.assertEqual([self.sent(outbox)[1] for _ in range(3)], [[1], [2], [3]])

    def test_a_final_refusal_does_not_hold_up_the_others(self) -> None:
        outbox = self.outbox(frame(number=1), frame(number=2))
        outbox.begin()
        outbox.received(ready(), 0.0)
        batch, _ = self.sent(outbox)
        fates: list[Fate] = [fate for _, fate in outbox.received(answer(batch, refused(None), accepted(1)), 0.0)]
        self.assertEqual([fate.outcome for fate in fates], ["rejected", "accepted"])
        self.assertEqual(fates[0].error.reason, "ERROR_REASON_STREAM_QUEUE_FULL")
        self.assertEqual(outbox.frames, 0)

    def test_throttles_are_kept_and_end_with_the_call(self) -> None:
        outbox = self.outbox(*[frame(number=number) for number in range(1, 4)], batch_frames=1)
        outbox.begin()
        outbox.received(ready(), 0.0)
        throttle = v1.SubmitFramesResponse(throttle=v1.SubmitThrottle(stream_id="cam", max_fps=2))
        throttle.throttle.pause.CopyFrom(support.duration(1))
        outbox.received(throttle, 0.0)
        self.assertAlmostEqual(outbox.next(0.0).wait_seconds or 0.0, 1.0)
        self.sent(outbox, 1.0)
        self.assertAlmostEqual(outbox.next(1.0).wait_seconds or 0.0, 0.5)
        outbox.ended(frameway.CallError(grpc.StatusCode.UNAVAILABLE, "cut"), 1.0)
        outbox.begin()
        outbox.received(ready(), 1.0)
        self.sent(outbox, 1.0)
        self.sent(outbox, 1.0)

    def test_batches_wait_for_more_frames(self) -> None:
        outbox = self.outbox(frame(number=1), batch_seconds=0.2, batch_frames=2)
        outbox.begin()
        outbox.received(ready(), 0.0)
        self.assertAlmostEqual(outbox.next(0.05).wait_seconds or 0.0, 0.15)
        outbox.push(frame(number=2), 100, None, 0.1)
        self.assertEqual(self.sent(outbox, 0.1), (1, [1, 2]))
        outbox.push(frame(number=3), 100, None, 0.1)
        outbox.flushing = True
        self.assertEqual(self.sent(outbox, 0.1), (2, [3]))

    def test_it_gives_up_after_a_time_without_a_decision(self) -> None:
        outbox = self.outbox(frame(number=1), max_quiet_seconds=10)
        cut = frameway.CallError(grpc.StatusCode.UNAVAILABLE, "cut")
        outbox.ended(cut, 5.0)
        with self.assertRaises(frameway.CallError):
            outbox.ended(cut, 11.0)
        outbox.begin()
        outbox.received(ready(), 0.0)
        with self.assertRaisesRegex(frameway.CallError, "decided no frame"):
            outbox.received(v1.SubmitFramesResponse(heartbeat=v1.SubmitHeartbeat()), 11.0)
        [(_, fate)] = outbox.abandon(cut)
        self.assertEqual((fate.outcome, fate.error), ("unconfirmed", cut))

    def test_a_server_that_ends_calls_at_once_is_called_after_pauses(self) -> None:
        outbox = self.outbox(frame(number=1))
        outbox.begin()
        outbox.received(ready(), 0.0)
        self.assertGreater(outbox.ended(None, 0.0), 0.0)


class Acknowledging(unittest.TestCase):
    def delivery(self, ack_id: str, sequence: int = 1) -> v1.ConsumedFrame:
        return v1.ConsumedFrame(ack_id=ack_id, frame=v1.ProcessedFrame(stream_id="cam", sequence=sequence))

    def test_a_redelivery_is_matched_to_the_work(self) -> None:
        state = Deliveries("g")
        key = ("cam", 1)
        self.assertTrue(state.delivered(self.delivery("a"), 0.0))
        self.assertTrue(state.begin(key))
        self.assertFalse(state.delivered(self.delivery("a"), 1.0))
        self.assertFalse(state.delivered(self.delivery("b"), 2.0))  # another attempt
        state.finished(key, None)
        report = state.next_report(3.0)
        assert report is not None
        self.assertEqual((report.kind, report.ack_ids), ("acknowledge", ["b"]))
        state.answered(report, [v1.AckResult(done=v1.AckDone())], 3.0)
        # It was on its way when the acknowledgement took effect.
        self.assertFalse(state.delivered(self.delivery("b"), 4.0))
        self.assertFalse(state.unfinished)

    def test_a_stale_outcome_is_reported_under_the_new_ack_id(self) -> None:
        state = Deliveries("g")
        state.delivered(self.delivery("a"), 0.0)
        state.begin(("cam", 1))
        state.finished(("cam", 1), None)
        report = state.next_report(0.0)
        assert report is not None
        state.delivered(self.delivery("b"), 1.0)
        refusals = state.answered(report, [v1.AckResult(refused=v1.ItemError(reason=v1.ERROR_REASON_ACK_ID_STALE))], 1.0)
        self.assertIn("ACK_ID_STALE", refusals[0])
        report = state.next_report(1.0)
        assert report is not None
        self.assertEqual(report.ack_ids, ["b"])

    def test_deadlines_are_extended_and_failures_rejected(self) -> None:
        state = Deliveries("g", deadline_seconds=10)
        state.delivered(self.delivery("a", 1), 0.0)
        state.delivered(self.delivery("b", 2), 0.0)
        self.assertIsNone(state.next_report(4.9))
        report = state.next_report(5.0)
        assert report is not None
        self.assertEqual((report.kind, report.ack_ids), ("extend", ["a", "b"]))
        state.answered(report, [v1.AckResult(done=v1.AckDone())] * 2, 5.0)
        self.assertEqual(state.next_extension(), 10.0)
        state.begin(("cam", 1))
        state.finished(("cam", 1), ValueError("ä" * 1000))
        state.release()
        report = state.next_report(6.0)
        assert report is not None
        rejections = report.request.rejections  # type: ignore[union-attr]
        self.assertEqual([one.ack_id for one in rejections], ["a", "b"])
        self.assertLessEqual(len(rejections[0].reason.encode()), 512)
        self.assertTrue(rejections[0].reason.startswith("ValueError: ä"))
        self.assertTrue(rejections[1].HasField("retry_delay"))
        self.assertFalse(state.begin(("cam", 2)))

    def test_an_unanswered_report_is_sent_again(self) -> None:
        state = Deliveries("g")
        state.delivered(self.delivery("a"), 0.0)
        state.begin(("cam", 1))
        state.finished(("cam", 1), None)
        report = state.next_report(0.0)
        assert report is not None
        self.assertIsNone(state.next_report(0.0))
        state.unanswered(report, 1.0)
        self.assertEqual(state.next_report(1.0), report)


class Resuming(unittest.TestCase):
    def test_a_subscription_resumes_each_selector_after_its_streams(self) -> None:
        request = subscription(["a", "b-*"], "live", "processed", 1 << 25)
        second = request.selectors.add()
        second.streams.add(id="c")
        state = Subscription(request)
        self.assertEqual(state.request(), request)
        message = v1.SubscribeFramesResponse()
        message.checkpoint.cursors.add(stream_id="a", cursor="a1")
        state.record(message)
        resumed = state.request()
        self.assertEqual([one.cursor for one in resumed.selectors[0].start.cursors.cursors], ["a1"])
        self.assertFalse(resumed.selectors[1].HasField("start"))

    def test_only_handled_events_are_stored(self) -> None:
        class Store:
            def load(self, _streams: object) -> dict[str, str]:
                return {}

            def save(self, _streams: object, _cursors: object) -> None: ...

        reader = Reader(subscription("cam", "live", "none", 1 << 25), Store(), 0.0)
        reader.take(support.frame(1))
        self.assertIsNone(reader.due(0.0))
        reader.handled()
        self.assertEqual(reader.due(0.0), {"cam": "after-1"})
        self.assertIsNone(reader.due(0.0, last=True))

    def test_a_picture_over_a_slow_link_gets_more_time_with_each_call(self) -> None:
        state = Following(Subscription(support.subscription(heartbeat_seconds=1)), 60.0, 0.0)
        self.assertEqual(state.silence_seconds, 3.0)
        silent = frameway.CallError(grpc.StatusCode.CANCELLED, "silent")
        state.failed(silent, True, 3.0)
        self.assertEqual(state.silence_seconds, 6.0)
        with self.assertRaisesRegex(TimeoutError, "sent nothing"):
            state.failed(silent, True, 61.0)


if __name__ == "__main__":
    unittest.main()
