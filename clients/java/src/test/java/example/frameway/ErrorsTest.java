package example.frameway;

import static example.frameway.Fixtures.fromBeginning;
import static example.frameway.Fixtures.grey;
import static example.frameway.Fixtures.group;
import static example.frameway.Fixtures.jpeg;
import static example.frameway.Fixtures.number;
import static example.frameway.Fixtures.register;
import static example.frameway.Server.DEADLINE;
import static example.frameway.Server.waitUntil;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.frameway.v1.Frame;
import example.frameway.v1.GapReason;
import example.frameway.v1.OutputPolicy;
import example.frameway.v1.ReencodeMode;
import example.frameway.v1.Stream;
import io.grpc.Status.Code;
import io.grpc.TlsChannelCredentials;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

class ErrorsTest {
  private static FramewayException fails(Executable action) {
    var error = assertThrows(FramewayException.class, action);
    assertFalse(error.getMessage().contains("\n"), error.getMessage());
    return error;
  }

  private static double seconds(Executable action) throws Exception {
    var begin = System.nanoTime();
    try {
      action.execute();
    } catch (Throwable thrown) {
      throw new AssertionError(thrown);
    }
    return (System.nanoTime() - begin) / 1e9;
  }

  private static void contains(FramewayException error, String text) {
    assertTrue(error.getMessage().contains(text), error.getMessage());
  }

  @Scenario
  @Scenario.Short
  void noServer() throws Exception {
    var address = "127.0.0.1:" + Server.freePort();
    var builder = FramewayClient.builder().addresses(address).timeout(Duration.ofSeconds(5));
    var took =
        seconds(
            () -> {
              var error = fails(builder::connect);
              assertEquals(Code.UNAVAILABLE, error.code());
              contains(error, "cannot reach " + address + ": Connection refused");
            });
    assertTrue(took < 7, () -> took + " s");
    var patient = FramewayClient.builder().addresses(address).patience(Duration.ofSeconds(2));
    try (var client = patient.build();
        var subscription = client.subscribe("cam")) {
      var error = fails(subscription::take);
      contains(error, "cannot reach " + address);
      contains(error, "tried for");
    }
    var error =
        assertThrows(
            IllegalArgumentException.class, () -> FramewayClient.builder().addresses("camera"));
    assertEquals(
        "the address camera is not HOST:PORT, for example 127.0.0.1:7400", error.getMessage());
  }

  @Test
  @Timeout(60)
  void unknownHost() {
    var builder = FramewayClient.builder().addresses("nohost.invalid:7400");
    contains(
        fails(builder::connect),
        "cannot reach nohost.invalid:7400: there is no host nohost.invalid");
  }

  @Test
  @Timeout(60)
  void credentialsStayOnThisMachineWithoutTls() {
    var builder = FramewayClient.builder().addresses("192.0.2.1:7400").apiKey("secret-key");
    var error = assertThrows(IllegalArgumentException.class, builder::build);
    assertTrue(error.getMessage().contains("use tls()"), error.getMessage());
    assertFalse(error.getMessage().contains("secret-key"), error.getMessage());
    builder.allowPlaintextCredentials().build().close();
  }

  @Test
  @Timeout(60)
  void aTokenThatCannotBeReadIsNamed() throws Exception {
    try (var server = new Server();
        var client =
            FramewayClient.builder()
                .addresses(server.address)
                .token(
                    () -> {
                      throw new IllegalStateException("the vault is sealed");
                    })
                .build()) {
      contains(
          fails(() -> client.latest("cam")), "the source of the token failed: the vault is sealed");
    }
  }

  @Scenario
  @Scenario.Short
  void wrongKey(@TempDir Path folder) throws Exception {
    var access = folder.resolve("access.toml").toString();
    var key =
        Server.run(
                "keys",
                "create",
                "--access-file",
                access,
                "--principal",
                "admin",
                "--grant",
                "admin")
            .lines()
            .filter(line -> line.startsWith("fwk"))
            .findFirst();
    try (var log = new Log();
        var server = new Server("--access-file", access)) {
      var builder = FramewayClient.builder().addresses(server.address);
      var missing = fails(() -> builder.connect());
      assertEquals("ERROR_REASON_CREDENTIALS_MISSING", missing.reason());
      builder.apiKey("not-a-known-key-1234");
      var wrong = fails(() -> builder.connect());
      assertEquals(Code.UNAUTHENTICATED, wrong.code());
      assertEquals("ERROR_REASON_CREDENTIALS_INVALID", wrong.reason());
      assertFalse(wrong.toString().contains("1234"), wrong::toString);
      try (var client = builder.build();
          var subscription = client.subscribe("cam");
          var publisher = client.publisher("p").open()) {
        assertEquals(Code.UNAUTHENTICATED, fails(subscription::take).code());
        var fate = publisher.publish(grey("cam", 1).build()).get(60, TimeUnit.SECONDS);
        assertEquals(wrong.reason(), assertInstanceOf(Fate.Unconfirmed.class, fate).why().reason());
        fails(publisher::flush);
        fails(publisher::close);
      } catch (FramewayException closed) {
        // The resource is closed once more.
        assertEquals(wrong.reason(), closed.reason());
      }
      assertFalse(log.has("made again"), () -> log.lines().toString());
      builder.apiKey(key.orElseThrow()).connect().close();
    }
  }

  /** Writes a certificate for this machine and its key; returns arguments of a server. */
  private static String[] certificate(Path folder) throws Exception {
    var key = folder.resolve("key.pem").toString();
    var certificate = folder.resolve("cert.pem").toString();
    var command =
        List.of(
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate);
    var log = folder.resolve("openssl.log").toFile();
    var process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log).start();
    assertEquals(0, process.waitFor());
    return new String[] {"--tls-cert", certificate, "--tls-key", key};
  }

  @Scenario
  @Scenario.Short
  void plaintextToTls(@TempDir Path folder) throws Exception {
    try (var server = new Server(certificate(folder))) {
      var error = fails(() -> FramewayClient.builder().addresses(server.address).connect());
      contains(error, server.address);
      contains(error, "most likely because it has TLS: use tls()");
      // The certificate is not from an authority that Java knows.
      var unknown = fails(() -> FramewayClient.builder().addresses(server.address).tls().connect());
      contains(unknown, "give tls() the CA of the server");
      var own =
          TlsChannelCredentials.newBuilder().trustManager(folder.resolve("cert.pem").toFile());
      FramewayClient.builder().addresses(server.address).tls(own.build()).connect().close();
    }
  }

  @Scenario
  @Scenario.Short
  void tlsToPlaintext() throws Exception {
    try (var server = new Server()) {
      var error = fails(() -> FramewayClient.builder().addresses(server.address).tls().connect());
      contains(
          error,
          server.address
              + " ends the handshake of TLS, most likely because it has no TLS: leave out tls()");
    }
  }

  @Scenario
  @Scenario.Short
  void deadline() throws Exception {
    try (var server = new Server();
        var client =
            FramewayClient.builder()
                .addresses(server.address)
                .timeout(Duration.ofSeconds(1))
                .connect()) {
      server.signal("STOP");
      var took =
          seconds(
              () -> assertEquals(Code.DEADLINE_EXCEEDED, fails(() -> client.latest("cam")).code()));
      assertTrue(took >= 0.9 && took < 3, () -> took + " s");
    }
  }

  @Scenario
  @Scenario.Short
  void cancel() throws Exception {
    try (var server = new Server()) {
      var client = FramewayClient.builder().addresses(server.address).connect();
      try {
        cancelAll(server, client);
      } finally {
        client.close();
      }
      waitUntil("the connections are closed", client::isTerminated);
      waitUntil(
          "no thread is left",
          () ->
              Thread.getAllStackTraces().keySet().stream()
                  .map(Thread::getName)
                  .noneMatch(
                      name ->
                          name.startsWith("grpc-")
                              || name.startsWith("frameway-")
                              || name.startsWith("pool-")));
    }
  }

  private static void cancelAll(Server server, FramewayClient client) throws Exception {
    register(client, "cam", "quiet");
    group(client, "detectors", group -> {}, "cam");
    var publisher = client.publisher("camera").open();
    publisher.publish(grey("cam", 1).build());
    publisher.flush();
    var handling = new CountDownLatch(1);
    var consumer =
        client.consume(
            "detectors",
            frame -> {
              handling.countDown();
              new CountDownLatch(1).await();
            });
    var subscription = client.subscribe("quiet");
    var reading =
        CompletableFuture.supplyAsync(
            subscription::take, task -> new Thread(task, "reader").start());
    handling.await();
    server.signal("STOP");
    var fate = publisher.publish(grey("cam", 2).build());
    var took =
        seconds(
            () -> {
              subscription.close();
              assertEquals(Optional.empty(), reading.get(60, TimeUnit.SECONDS));
              consumer.cancel();
              consumer.await();
              publisher.cancel();
              assertInstanceOf(Fate.Unconfirmed.class, fate.get(60, TimeUnit.SECONDS));
              publisher.close();
            });
    assertTrue(took < 5, () -> took + " s");
  }

  @Scenario
  @Scenario.Short
  void newerServer() throws Exception {
    try (var server = new NewerServer();
        var client = FramewayClient.builder().addresses(server.address()).build();
        var publisher = client.publisher("camera").open()) {
      var first = publisher.publish(grey("cam", 1).build()).get(60, TimeUnit.SECONDS);
      assertEquals(new Fate.Accepted("cam", 1, 1), first);
      assertEquals(2, server.batches(), "an unknown outcome is unconfirmed, and sent again");
      var second = publisher.publish(grey("cam", 2).build()).get(60, TimeUnit.SECONDS);
      assertEquals("9999", assertInstanceOf(Fate.Rejected.class, second).reason());
      try (var subscription = client.subscribe("cam")) {
        var gap = assertInstanceOf(Event.Gap.class, subscription.poll(DEADLINE).orElseThrow());
        assertEquals(77, gap.gap().getCauses(0).getReasonValue());
        var frame = assertInstanceOf(Event.Frame.class, subscription.poll(DEADLINE).orElseThrow());
        assertEquals(3, frame.frame().getSequence());
        assertTrue(subscription.poll(DEADLINE).isEmpty() && subscription.isEnded());
      }
    }
  }

  @Scenario
  @Scenario.Short
  void messageTooLarge() throws Exception {
    try (var log = new Log();
        var server = new Server();
        var client =
            FramewayClient.builder().addresses(server.address).maxMessageBytes(1 << 20).connect();
        var publisher = client.publisher("camera").open()) {
      var relay = OutputPolicy.newBuilder().setReencodeMode(ReencodeMode.REENCODE_MODE_RELAY);
      register(client, Stream.newBuilder().setStreamId("cam").setOutput(relay));
      var picture = jpeg(1_200, 1_000, true);
      publisher.publish(Frame.newBuilder().setStreamId("cam").setData(picture).build());
      publisher.flush();
      var request = fromBeginning("cam");
      request.getSelectorsBuilder(0).getPicturesBuilder().setMaxPictureBytes(8 << 20);
      try (var subscription = client.subscribe(request.build())) {
        var error = fails(subscription::take);
        assertEquals(Code.RESOURCE_EXHAUSTED, error.code());
        contains(error, "raise maxMessageBytes");
      }
      assertFalse(log.has("made again"), () -> log.lines().toString());
    }
  }

  @Scenario
  @Scenario.Short
  void foreignCursor(@TempDir Path folder) throws Exception {
    var store = new FileCursorStore(folder.resolve("cursors"));
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "cam", "other");
      for (var number = 1; number <= 3; number++) {
        publisher.publish(grey("cam", number).build());
        publisher.publish(grey("other", number).build());
      }
      publisher.flush();
      try (var other = client.subscribe(fromBeginning("other").build(), store)) {
        assertEquals(1, number(other.take().orElseThrow()));
        assertEquals(2, number(other.take().orElseThrow()));
      }
      var saved = store.load();
      try (var subscription = client.subscribe(fromBeginning("cam").build(), store)) {
        contains(
            fails(subscription::take), "the cursors in " + store + " are of other streams (other)");
      }
      assertEquals(saved, store.load());
      store.save(Map.of("cam", saved.get("other")));
      try (var subscription = client.subscribe(fromBeginning("cam").build(), store)) {
        assertEquals("ERROR_REASON_CURSOR_INVALID", fails(subscription::take).reason());
      }
      Files.writeString(folder.resolve("cursors"), "frameway-cursors 1 0\ncam x\n");
      contains(
          fails(() -> client.subscribe(fromBeginning("cam").build(), store)),
          "the cursors in " + store + " cannot be read");
      store.save(saved);
    }
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "other");
      publisher.publish(grey("other", 7).build());
      try (var subscription = client.subscribe(fromBeginning("other").build(), store)) {
        var gap = assertInstanceOf(Event.Gap.class, subscription.poll(DEADLINE).orElseThrow());
        assertEquals(GapReason.GAP_REASON_STORE_REPLACED, gap.gap().getCauses(0).getReason());
        assertEquals(7, number(subscription.poll(DEADLINE).orElseThrow()));
      }
    }
  }

  @Scenario
  void fullDisk(@TempDir Path folder) throws Exception {
    var store = new FileCursorStore(folder.resolve("cursors"));
    // The next version of the file is written to a disk that is always full.
    Files.createSymbolicLink(folder.resolve("cursors.new"), Path.of("/dev/full"));
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "cam");
      publisher.publish(grey("cam", 1).build());
      var subscription = client.subscribe(fromBeginning("cam").build(), store);
      assertEquals(1, number(subscription.take().orElseThrow()));
      for (var attempt = 1; attempt <= 2; attempt++) {
        var error = fails(subscription::take);
        contains(error, "the cursors in " + store + " cannot be written: No space left on device");
      }
      fails(subscription::close);
    }
  }
}
