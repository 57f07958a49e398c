package example.frameway;

import static example.frameway.Fixtures.grey;
import static example.frameway.Fixtures.group;
import static example.frameway.Fixtures.range;
import static example.frameway.Fixtures.register;
import static example.frameway.Fixtures.status;
import static example.frameway.Server.waitUntil;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.frameway.v1.ConsumerGroup;
import example.frameway.v1.DeadLetter;
import example.frameway.v1.ErrorReason;
import example.frameway.v1.ListDeadLettersRequest;
import example.frameway.v1.RetryBackoff;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

class GroupsTest {
  /** Registers a stream, publishes frames to it, and creates a group that reads them. */
  private static void prepare(
      FramewayClient client, int frames, Consumer<ConsumerGroup.Builder> settings) {
    register(client, "cam");
    group(client, "detectors", settings, "cam");
    try (var publisher = client.publisher("camera").open()) {
      for (var number = 1; number <= frames; number++) {
        publisher.publish(grey("cam", number).build());
      }
    }
  }

  private static void waitForAcknowledged(FramewayClient client, int frames) throws Exception {
    waitUntil(
        "frames are acknowledged",
        () -> status(client, "detectors").getAcknowledgedFrames() == frames);
  }

  @Scenario
  @Scenario.Short
  void consume() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      prepare(client, 40, group -> {});
      Map<Long, String> handled = new ConcurrentSkipListMap<>();
      var twice = new AtomicInteger();
      var threads = Executors.newFixedThreadPool(2);
      var both = new CountDownLatch(2);
      try (var first =
              client
                  .consumer("detectors")
                  .parallelism(2)
                  .request(one -> one.setMaxOutstandingFrames(4))
                  .start(
                      frame -> {
                        both.countDown();
                        both.await();
                        var before = handled.put(frame.getFrame().getSequence(), "first");
                        twice.addAndGet(before == null ? 0 : 1);
                      });
          var second =
              client
                  .consumer("detectors")
                  .executor(threads)
                  .request(one -> one.setMaxOutstandingFrames(4))
                  .start(
                      frame -> {
                        both.countDown();
                        both.await();
                        var before = handled.put(frame.getFrame().getSequence(), "second");
                        twice.addAndGet(before == null ? 0 : 1);
                      })) {
        waitForAcknowledged(client, 40);
      }
      threads.shutdown();
      assertEquals(range(1, 40), List.copyOf(handled.keySet()));
      assertEquals(0, twice.get());
      assertTrue(handled.containsValue("first") && handled.containsValue("second"));
    }
  }

  @Scenario
  @Scenario.Short
  void handlerThrows() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      var backoff = RetryBackoff.newBuilder().setMinDelay(Time.of(Duration.ZERO));
      prepare(client, 10, group -> group.setMaxDeliveryAttempts(3).setBackoff(backoff));
      Map<Integer, Integer> attempts = new ConcurrentHashMap<>();
      try (var consumer =
          client.consume(
              "detectors",
              frame -> {
                if (frame.getFrame().getSequence() == 5) {
                  attempts.merge(frame.getDeliveryAttempt(), 1, Integer::sum);
                  throw new IllegalStateException("no wheels in " + frame.getFrame().getStreamId());
                }
              })) {
        waitUntil("there is a dead letter", () -> !deadLetters(client).isEmpty());
        waitForAcknowledged(client, 9);
      }
      var dead = deadLetters(client).get(0);
      assertEquals(5, dead.getSequence());
      assertEquals(ErrorReason.ERROR_REASON_DELIVERY_ATTEMPTS_EXHAUSTED, dead.getReason());
      assertTrue(dead.getMessage().contains("no wheels in cam"), dead::getMessage);
      assertEquals(Map.of(1, 1, 2, 1, 3, 1), attempts);
    }
  }

  private static List<DeadLetter> deadLetters(FramewayClient client) {
    var request = ListDeadLettersRequest.getDefaultInstance();
    return client.call(() -> client.deadLetters().listDeadLetters(request)).getDeadLettersList();
  }

  @Scenario
  void longHandler() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      prepare(client, 1, group -> group.setAckDeadline(Time.of(Duration.ofSeconds(1))));
      var calls = new AtomicInteger();
      var end = new CountDownLatch(1);
      try (var consumer =
          client.consume(
              "detectors",
              frame -> {
                calls.incrementAndGet();
                end.await();
              })) {
        waitUntil("the handler runs", () -> calls.get() == 1);
        // Three deadlines pass, by the server's clock.
        waitUntil("three deadlines have passed", () -> oldestAge(client) >= 3);
        end.countDown();
        waitForAcknowledged(client, 1);
      }
      assertEquals(1, calls.get());
      assertEquals(0, status(client, "detectors").getRedeliveredFrames());
    }
  }

  private static long oldestAge(FramewayClient client) {
    return status(client, "detectors").getOldestOutstandingAge().getSeconds();
  }

  @Scenario
  void consumerDrain() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      prepare(client, 10, group -> group.setAckDeadline(Time.of(Duration.ofMinutes(10))));
      var end = new CountDownLatch(1);
      var begun = new ConcurrentHashMap<Long, Integer>();
      var consumer =
          client
              .consumer("detectors")
              .parallelism(2)
              .request(one -> one.setMaxOutstandingFrames(6))
              .start(
                  frame -> {
                    begun.put(frame.getFrame().getSequence(), frame.getDeliveryAttempt());
                    end.await();
                  });
      waitUntil("two handlers run", () -> begun.size() == 2);
      waitUntil("four frames wait", () -> consumer.waitingFrames() == 4);
      var closing = new Thread(consumer::close);
      closing.start();
      // The other member gets the frames at once, although their deadline is far.
      var rest = new TreeMap<Long, Integer>();
      try (var other =
          client
              .consumer("detectors")
              .parallelism(1)
              .start(frame -> rest.put(frame.getFrame().getSequence(), 1))) {
        waitForAcknowledged(client, 8);
        assertTrue(closing.isAlive());
        end.countDown();
        closing.join();
        waitForAcknowledged(client, 10);
      }
      assertEquals(2, begun.size());
      assertEquals(8, rest.size());
      begun.keySet().forEach(sequence -> assertTrue(!rest.containsKey(sequence)));
    }
  }
}
