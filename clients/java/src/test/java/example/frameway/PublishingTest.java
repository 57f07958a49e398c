package example.frameway;

import static example.frameway.Fixtures.fromBeginning;
import static example.frameway.Fixtures.grey;
import static example.frameway.Fixtures.numbers;
import static example.frameway.Fixtures.range;
import static example.frameway.Fixtures.register;
import static example.frameway.Server.waitUntil;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import example.frameway.v1.Frame;
import example.frameway.v1.PauseQueueRequest;
import example.frameway.v1.QueuePolicy;
import example.frameway.v1.ResumeQueueRequest;
import example.frameway.v1.Stream;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

class PublishingTest {
  @Scenario
  @Scenario.Short
  void submitAndSubscribe() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "north", "south");
      try (var subscription = client.subscribe(fromBeginning("north", "south").build())) {
        for (var number = 1; number <= 10; number++) {
          publisher.publish(grey("north", number).build());
          publisher.publish(grey("south", number).build());
        }
        var north = new ArrayList<Long>();
        var south = new ArrayList<Long>();
        while (north.size() + south.size() < 20) {
          var frame = ((Event.Frame) subscription.take().orElseThrow()).frame();
          (frame.getStreamId().equals("north") ? north : south).add(frame.getSequence());
          var grey = Pictures.image(frame).getRaster().getSample(8, 8, 0);
          assertEquals(Long.parseLong(frame.getAttributesOrThrow("number")), grey, 3);
        }
        assertEquals(range(1, 10), north);
        assertEquals(range(1, 10), south);
      }
    }
  }

  @Scenario
  @Scenario.Short
  void duplicate() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      var first = publishNumbered(client, 5);
      var second = publishNumbered(client, 5);
      for (var i = 0; i < 5; i++) {
        var accepted = assertInstanceOf(Fate.Accepted.class, first.get(i));
        assertEquals(new Fate.Duplicate("cam", i + 1, accepted.sequence()), second.get(i));
      }
      assertEquals(range(1, 5), numbers(client, "cam", 5));
    }
  }

  private static List<Fate> publishNumbered(FramewayClient client, int count) throws Exception {
    try (var publisher = client.publisher("camera").open()) {
      var fates = new ArrayList<CompletableFuture<Fate>>();
      for (var number = 1; number <= count; number++) {
        fates.add(publisher.publish(grey("cam", number).setPublisherSequence(number).build()));
      }
      publisher.flush();
      return fates.stream().map(CompletableFuture::join).toList();
    }
  }

  @Scenario
  @Scenario.Short
  void badFrame() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "cam");
      var bad =
          Frame.newBuilder()
              .setStreamId("cam")
              .setWidth(16)
              .setHeight(16)
              .setData(ByteString.copyFromUtf8("no picture"));
      var before = publisher.publish(grey("cam", 1).build());
      var fate = publisher.publish(bad.build());
      var after = publisher.publish(grey("cam", 3).build());
      var rejected = assertInstanceOf(Fate.Rejected.class, fate.get(60, TimeUnit.SECONDS));
      assertEquals("PICTURE_FORMAT_UNKNOWN", rejected.reason());
      assertEquals("cam", rejected.streamId());
      assertEquals(2, rejected.publisherSequence());
      assertInstanceOf(Fate.Accepted.class, before.get(60, TimeUnit.SECONDS));
      assertInstanceOf(Fate.Accepted.class, after.get(60, TimeUnit.SECONDS));
    }
  }

  @Scenario
  @Scenario.Short
  void orderAfterRefusal() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").batches(5, 1 << 20).open()) {
      var queue = QueuePolicy.newBuilder().setMaxFrames(10);
      register(client, Stream.newBuilder().setStreamId("cam").setQueue(queue));
      var pause = PauseQueueRequest.newBuilder().setAllQueues(true).build();
      client.call(() -> client.queues().pauseQueue(pause));
      var fates = new ArrayList<CompletableFuture<Fate>>();
      for (var number = 1; number <= 50; number++) {
        fates.add(publisher.publish(grey("cam", number).build()));
      }
      waitUntil(
          "ten are accepted", () -> fates.stream().filter(CompletableFuture::isDone).count() == 10);
      var resume = ResumeQueueRequest.newBuilder().setAllQueues(true).build();
      client.call(() -> client.queues().resumeQueue(resume));
      publisher.flush();
      for (var number = 1; number <= 50; number++) {
        assertEquals(new Fate.Accepted("cam", number, number), fates.get(number - 1).join());
      }
      assertEquals(range(1, 50), numbers(client, "cam", 50));
    }
  }

  @Scenario
  void publisherRestart() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      var fates = new ArrayList<CompletableFuture<Fate>>();
      var first = client.publisher("camera").batches(3, 1 << 20).open();
      for (var number = 1; number <= 60; number++) {
        fates.add(first.publish(grey("cam", number).build()));
      }
      waitUntil("some are accepted", () -> fates.get(5).isDone());
      first.cancel();
      try (var second = client.publisher("camera").open()) {
        var last = second.lastPublisherSequence("cam").orElseThrow();
        assertTrue(last >= 6, () -> "the position is " + last);
        for (var number = last + 1; number <= 80; number++) {
          // A frame of the first may have come late, and the second sends it again.
          var fate = second.publish(grey("cam", number).build()).get(60, TimeUnit.SECONDS);
          assertTrue(
              fate instanceof Fate.Accepted || fate instanceof Fate.Duplicate, fate::toString);
        }
      }
      assertEquals(range(1, 80), numbers(client, "cam", 80));
    }
  }

  @Scenario
  @Scenario.Short
  void boundedPublisher() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").bounds(1_000, 1 << 20).open()) {
      register(client, "cam");
      publisher.publish(grey("cam", 1).build());
      publisher.flush();
      server.signal("STOP");
      var fates = new HashSet<CompletableFuture<Fate>>();
      var program =
          new Thread(
              () -> {
                for (var number = 2; number <= 31; number++) {
                  fates.add(publisher.publish(wide(number)));
                }
              });
      program.start();
      waitUntil("publishing waits", () -> program.getState() == Thread.State.TIMED_WAITING);
      assertTrue(fates.size() <= 5, () -> fates.size() + " frames of 200 kB are in 1 MiB");
      server.signal("CONT");
      program.join();
      publisher.flush();
      assertEquals(range(1, 31), numbers(client, "cam", 31));
    }
  }

  /** Returns a frame of 200 kB. */
  private static Frame wide(long number) {
    return grey("cam", number)
        .setWidth(500)
        .setHeight(400)
        .setData(ByteString.copyFrom(new byte[200_000]))
        .build();
  }
}
