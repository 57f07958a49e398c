package example.frameway;

import static example.frameway.Fixtures.fromBeginning;
import static example.frameway.Fixtures.grey;
import static example.frameway.Fixtures.group;
import static example.frameway.Fixtures.number;
import static example.frameway.Fixtures.numbers;
import static example.frameway.Fixtures.range;
import static example.frameway.Fixtures.register;
import static example.frameway.Server.DEADLINE;
import static example.frameway.Server.waitUntil;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.frameway.Server.Redis;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class BreaksTest {
  /** Publishes frames one after another on a thread; stops with `close`. */
  private static final class Camera implements AutoCloseable {
    private final Publisher publisher;
    private final List<CompletableFuture<Fate>> fates =
        Collections.synchronizedList(new ArrayList<>());
    private final CompletableFuture<Void> work;
    private volatile int wanted;

    Camera(FramewayClient client, int count) {
      publisher = client.publisher("camera").batches(5, 1 << 20).open();
      wanted = count;
      work =
          CompletableFuture.runAsync(
              () -> {
                for (var number = 1; number <= wanted; number++) {
                  fates.add(publisher.publish(grey("cam", number).build()));
                }
              },
              task -> new Thread(task, "camera").start());
    }

    long decided() {
      synchronized (fates) {
        return fates.stream().filter(CompletableFuture::isDone).count();
      }
    }

    /** Waits until every frame is decided, and returns how many are stored. */
    long stored() {
      work.join();
      publisher.flush();
      return fates.stream()
          .map(CompletableFuture::join)
          .filter(fate -> fate instanceof Fate.Accepted || fate instanceof Fate.Duplicate)
          .count();
    }

    @Override
    public void close() {
      publisher.close();
    }
  }

  /** Reads numbers on a thread. */
  private static CompletableFuture<Void> read(
      Subscription subscription, List<Long> into, int count) {
    return CompletableFuture.runAsync(
        () -> {
          while (into.size() < count) {
            into.add(number(subscription.take().orElseThrow()));
          }
        },
        task -> new Thread(task, "reader").start());
  }

  @Scenario
  void serverRestartPublisher() throws Exception {
    try (var redis = new Redis();
        var server = new Server("--redis-url", redis.url());
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      try (var camera = new Camera(client, 200)) {
        for (var kills = 1; kills <= 2; kills++) {
          var enough = kills * 50;
          waitUntil("frames are decided", () -> camera.decided() >= enough);
          server.kill();
          server.start();
        }
        assertEquals(200, camera.stored());
      }
      assertEquals(range(1, 200), numbers(client, "cam", 200));
    }
  }

  @Scenario
  @Scenario.Short
  void serverRestartSubscriber() throws Exception {
    try (var redis = new Redis();
        var server = new Server("--redis-url", redis.url());
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      var seen = Collections.synchronizedList(new ArrayList<Long>());
      try (var subscription = client.subscribe(fromBeginning("cam").build());
          var camera = new Camera(client, 100)) {
        var reading = read(subscription, seen, 100);
        waitUntil("frames arrive", () -> seen.size() >= 10);
        server.kill();
        server.start();
        assertEquals(100, camera.stored());
        reading.get(DEADLINE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS);
        assertEquals(range(1, 100), seen);
      }
    }
  }

  @Scenario
  void serverRestartConsumer() throws Exception {
    try (var redis = new Redis();
        var server = new Server("--redis-url", redis.url());
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      group(client, "detectors", group -> {}, "cam");
      var handled = new ConcurrentHashMap<Long, AtomicInteger>();
      var restarted = new CountDownLatch(1);
      try (var camera = new Camera(client, 40);
          var consumer =
              client
                  .consumer("detectors")
                  .parallelism(4)
                  .start(
                      frame -> {
                        handled
                            .computeIfAbsent(
                                frame.getFrame().getSequence(), any -> new AtomicInteger())
                            .incrementAndGet();
                        restarted.await();
                      })) {
        assertEquals(40, camera.stored());
        waitUntil("handlers run", () -> handled.size() == 4);
        server.kill();
        server.start();
        // The group's members: the consumer has joined again, and its frames came again.
        waitUntil(
            "the member is back",
            () -> Fixtures.status(client, "detectors").getMembersCount() == 1);
        restarted.countDown();
        waitUntil(
            "all are acknowledged",
            () -> Fixtures.status(client, "detectors").getAcknowledgedFrames() == 40);
        assertEquals(0, Fixtures.status(client, "detectors").getOutstandingFrames());
      }
      assertEquals(40, handled.size());
      assertTrue(handled.values().stream().allMatch(count -> count.get() == 1), handled::toString);
    }
  }

  @Scenario
  void drained() throws Exception {
    try (var redis = new Redis();
        var first = new Server("--redis-url", redis.url());
        var second = new Server("--redis-url", redis.url());
        var client = FramewayClient.builder().addresses(first.address, second.address).connect()) {
      register(client, "cam");
      group(client, "detectors", group -> {}, "cam");
      Map<Long, Integer> handled = new ConcurrentHashMap<>();
      var seen = Collections.synchronizedList(new ArrayList<Long>());
      try (var subscription = client.subscribe(fromBeginning("cam").build());
          var consumer =
              client.consume(
                  "detectors",
                  frame -> handled.merge(frame.getFrame().getSequence(), 1, Integer::sum));
          var camera = new Camera(client, 200)) {
        var reading = read(subscription, seen, 200);
        waitUntil(
            "all work", () -> camera.decided() >= 20 && seen.size() >= 20 && handled.size() >= 20);
        first.signal("TERM");
        first.waitForEnd();
        assertEquals(200, camera.stored());
        reading.get(DEADLINE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS);
        assertEquals(range(1, 200), seen);
        waitUntil(
            "all are acknowledged",
            () -> Fixtures.status(client, "detectors").getAcknowledgedFrames() == 200);
      }
      assertEquals(200, handled.size());
    }
  }

  @Scenario
  @Scenario.Short
  void twoAddresses() throws Exception {
    try (var server = new Server()) {
      worksOverTheSecond("127.0.0.1:" + Server.freePort(), server.address);
    }
  }

  /** The first address takes connections and says nothing, which takes longer to notice. */
  @Test
  @Timeout(180)
  void silentAddress() throws Exception {
    try (var silent = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        var server = new Server()) {
      worksOverTheSecond("127.0.0.1:" + silent.getLocalPort(), server.address);
    }
  }

  private static void worksOverTheSecond(String... addresses) {
    try (var client = FramewayClient.builder().addresses(addresses).connect()) {
      register(client, "cam");
      try (var publisher = client.publisher("camera").open()) {
        publisher.publish(grey("cam", 1).build());
      }
      assertEquals(List.of(1L), numbers(client, "cam", 1));
    }
  }

  @Scenario
  void silentServer() throws Exception {
    try (var log = new Log();
        var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open();
        var subscription = subscribed(client)) {
      publisher.publish(grey("cam", 1).build());
      assertEquals(1, number(subscription.take().orElseThrow()));
      var seen = Collections.synchronizedList(new ArrayList<Long>());
      var reading = read(subscription, seen, 1);
      var begin = System.nanoTime();
      server.signal("STOP");
      waitUntil("the silence is noticed", () -> log.has("sent nothing for 3 s"));
      var seconds = (System.nanoTime() - begin) / 1e9;
      assertTrue(seconds > 1.9 && seconds < 6, () -> "noticed after " + seconds + " s");
      assertFalse(reading.isDone());
      server.signal("CONT");
      publisher.publish(grey("cam", 2).build());
      reading.get(DEADLINE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS);
      assertEquals(List.of(2L), seen);
    }
  }

  private static Subscription subscribed(FramewayClient client) {
    register(client, "cam");
    return client.subscribe(fromBeginning("cam").build());
  }

  @Scenario
  @Scenario.Short
  void cursorStore(@TempDir Path folder) throws Exception {
    var file = folder.resolve("cursors");
    var seen = new ArrayList<Long>();
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "cam");
      for (var number = 1; number <= 30; number++) {
        publisher.publish(grey("cam", number).build());
      }
      for (var run = 1; run <= 3; run++) {
        var store = new FileCursorStore(file);
        try (var program = client.subscribe(fromBeginning("cam").build(), store)) {
          // The last frame of each run counts as not handled.
          do {
            seen.add(number(program.take().orElseThrow()));
          } while (seen.get(seen.size() - 1) < run * 10);
        }
      }
    }
    assertEquals(range(1, 30), seen.stream().distinct().toList());
    assertTrue(seen.size() <= 32, seen::toString);
  }
}
