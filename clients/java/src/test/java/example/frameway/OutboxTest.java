package example.frameway;

import static example.frameway.Fixtures.grey;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.frameway.v1.Frame;
import example.frameway.v1.FrameResult;
import example.frameway.v1.SubmitBatch;
import example.frameway.v1.SubmitBatchResult;
import example.frameway.v1.SubmitReady;
import example.frameway.v1.SubmitThrottle;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("short")
class OutboxTest {
  private final Publisher.Builder options =
      new Publisher.Builder(null, "camera").batches(2, 1 << 20);
  private final Outbox outbox = new Outbox(options);
  private final List<Fate> fates = new ArrayList<>();

  private void ready() {
    outbox.ready(
        SubmitReady.newBuilder()
            .setMaxBatchFrames(100)
            .setMaxMessageBytes(32 << 20)
            .setMaxInFlightBatches(4)
            .setMaxInFlightBytes(64 << 20)
            .build());
  }

  private void add(String stream, int frames) {
    for (var number = 1; number <= frames; number++) {
      outbox.add(grey(stream, number).build());
    }
    outbox.resume(stream, 0);
  }

  private static List<String> sent(SubmitBatch batch) {
    return batch.getFramesList().stream()
        .map(one -> one.getStreamId() + one.getPublisherSequence())
        .toList();
  }

  private boolean answer(SubmitBatch batch, FrameResult.Builder... results) {
    var answer = SubmitBatchResult.newBuilder().setBatchId(batch.getBatchId());
    for (var result : results) {
      answer.addResults(result);
    }
    return outbox.answered(answer.build(), decided -> fates.add(decided.fate()));
  }

  private static FrameResult.Builder accepted(long sequence) {
    var result = FrameResult.newBuilder();
    result.getAcceptedBuilder().setSequence(sequence);
    return result;
  }

  private static FrameResult.Builder later() {
    var result = FrameResult.newBuilder();
    result.getRejectedBuilder().setRetryDelay(Time.of(Duration.ofMillis(200)));
    return result;
  }

  /** Waits until a batch is due, as the publisher does. */
  private SubmitBatch next() throws InterruptedException {
    for (SubmitBatch batch; ; Thread.sleep(5)) {
      batch = outbox.nextBatch(true);
      if (batch != null) {
        return batch;
      }
    }
  }

  @Test
  void nothingIsSentBeforeTheCallIsReady() {
    add("a", 3);
    assertNull(outbox.nextBatch(true));
    ready();
    assertEquals(List.of("a1", "a2"), sent(outbox.nextBatch(true)));
  }

  @Test
  void aStreamWaitsUntilItsPositionIsKnown() {
    ready();
    outbox.add(grey("a", 1).build());
    outbox.add(grey("b", 1).setPublisherSequence(7).build());
    assertEquals(List.of("a"), outbox.unnumbered());
    assertEquals(List.of("b7"), sent(outbox.nextBatch(true)));
    outbox.resume("a", 41);
    assertEquals(List.of("a42"), sent(outbox.nextBatch(true)));
  }

  @Test
  void aRefusedFrameIsSentAgainBeforeThoseAfterIt() throws Exception {
    ready();
    add("a", 5);
    var first = outbox.nextBatch(true);
    var second = outbox.nextBatch(true);
    assertTrue(answer(first, accepted(1), later()));
    assertNull(outbox.nextBatch(true), "a3 and a4 are in flight");
    assertTrue(answer(second, later(), later()));
    assertNull(outbox.nextBatch(true), "the server has asked for a pause");
    assertTrue(outbox.waitNanos() <= Duration.ofMillis(250).toNanos());
    assertEquals(List.of("a2", "a3"), sent(next()));
    assertEquals(List.of("a4", "a5"), sent(next()));
    assertEquals(List.of(new Fate.Accepted("a", 1, 1)), fates);
  }

  @Test
  void unansweredFramesAreSentAgainInOrder() {
    ready();
    add("a", 4);
    outbox.nextBatch(true);
    outbox.nextBatch(true);
    outbox.callEnded();
    assertNull(outbox.nextBatch(true));
    ready();
    assertEquals(List.of("a1", "a2"), sent(outbox.nextBatch(true)));
    assertEquals(List.of("a3", "a4"), sent(outbox.nextBatch(true)));
  }

  @Test
  void anAnswerToAnotherBatchIsNoticed() {
    ready();
    add("a", 4);
    outbox.nextBatch(true);
    var second = outbox.nextBatch(true);
    assertFalse(answer(second, accepted(3), accepted(4)));
  }

  @Test
  void streamsTakeTurns() {
    ready();
    add("a", 6);
    add("b", 1);
    assertEquals(List.of("a1", "a2"), sent(outbox.nextBatch(true)));
    assertEquals(List.of("b1", "a3"), sent(outbox.nextBatch(true)));
  }

  @Test
  void aThrottleOfOneStreamLeavesTheOthers() {
    ready();
    add("a", 2);
    add("b", 2);
    var pause = Time.of(Duration.ofSeconds(30));
    outbox.throttled(SubmitThrottle.newBuilder().setStreamId("a").setPause(pause).build());
    assertEquals(List.of("b1", "b2"), sent(outbox.nextBatch(true)));
    assertNull(outbox.nextBatch(true));
    outbox.throttled(SubmitThrottle.newBuilder().setStreamId("a").setMaxFps(0.1).build());
    assertEquals(List.of("a1"), sent(outbox.nextBatch(true)));
    assertNull(outbox.nextBatch(true));
    outbox.throttled(SubmitThrottle.newBuilder().setStreamId("a").build());
    assertEquals(List.of("a2"), sent(outbox.nextBatch(true)));
  }

  @Test
  void framesWaitForOthersOnlyForATime() {
    options.linger(Duration.ofSeconds(30));
    ready();
    add("a", 1);
    assertNull(outbox.nextBatch(false));
    assertTrue(outbox.waitNanos() > Duration.ofSeconds(20).toNanos());
    outbox.add(grey("a", 2).build());
    assertEquals(List.of("a1", "a2"), sent(outbox.nextBatch(false)), "the batch is full");
  }

  @Test
  void theBytesAreBounded() {
    options.bounds(10, 1_000);
    Frame frame = grey("a", 1).build();
    assertTrue(
        outbox.hasRoom(grey("a", 1).setData(frame.getData().concat(frame.getData())).build()));
    outbox.add(frame);
    outbox.add(frame);
    outbox.add(frame);
    assertFalse(outbox.hasRoom(frame));
    ready();
    outbox.resume("a", 0);
    var batch = outbox.nextBatch(true);
    assertFalse(outbox.hasRoom(frame), "frames in flight count");
    answer(batch, accepted(1), accepted(2));
    assertTrue(outbox.hasRoom(frame));
  }

  @Test
  void abandonedFramesAreUnconfirmed() {
    ready();
    add("a", 3);
    outbox.nextBatch(true);
    var why = new FramewayException(Status.UNAVAILABLE, "gone", null);
    var left = outbox.abandon(why).stream().map(Outbox.Decided::fate).toList();
    assertEquals(List.of(1L, 2L, 0L), left.stream().map(Fate::publisherSequence).toList());
    assertTrue(outbox.isEmpty());
  }
}
