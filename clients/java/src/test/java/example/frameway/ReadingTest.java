package example.frameway;

import static example.frameway.Fixtures.fromBeginning;
import static example.frameway.Fixtures.grey;
import static example.frameway.Fixtures.jpeg;
import static example.frameway.Fixtures.register;
import static example.frameway.Server.DEADLINE;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import example.frameway.v1.Frame;
import example.frameway.v1.GapReason;
import example.frameway.v1.GetStreamRequest;
import example.frameway.v1.MissingReason;
import example.frameway.v1.OutputPolicy;
import example.frameway.v1.Picture;
import example.frameway.v1.PictureFormat;
import example.frameway.v1.ReencodeMode;
import example.frameway.v1.RetentionPolicy;
import example.frameway.v1.Stream;
import java.util.Optional;

class ReadingTest {
  @Scenario
  @Scenario.Short
  void gap() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      var five = RetentionPolicy.newBuilder().setMaxFrames(5);
      register(client, Stream.newBuilder().setStreamId("cam").setRetention(five));
      for (var number = 1; number <= 20; number++) {
        publisher.publish(grey("cam", number).build());
      }
      publisher.flush();
      var stream = GetStreamRequest.newBuilder().setStreamId("cam").build();
      Server.waitUntil(
          "old frames expire",
          () ->
              client.registry().getStream(stream).getStream().getStatus().getOldestSequence() > 10);
      var request = fromBeginning("cam");
      request.getSelectorsBuilder(0).getStartBuilder().setSequence(1);
      try (var subscription = client.subscribe(request.build())) {
        var gap =
            assertInstanceOf(Event.Gap.class, subscription.poll(DEADLINE).orElseThrow()).gap();
        assertEquals("cam", gap.getStreamId());
        assertEquals(1, gap.getFromSequence());
        assertEquals(GapReason.GAP_REASON_RETENTION, gap.getCauses(0).getReason());
        var next = assertInstanceOf(Event.Frame.class, subscription.poll(DEADLINE).orElseThrow());
        assertEquals(gap.getToSequence() + 1, next.frame().getSequence());
        assertTrue(gap.getToSequence() >= 10, gap::toString);
      }
    }
  }

  private static long newest(FramewayClient client, String stream) {
    return client.latest(stream).get(0).getFrame().getSequence();
  }

  @Scenario
  @Scenario.Short
  void largePicture() throws Exception {
    var picture = jpeg(2_000, 1_600, true);
    assertTrue(picture.size() > 4 << 20, () -> picture.size() + " bytes");
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      var relay = OutputPolicy.newBuilder().setReencodeMode(ReencodeMode.REENCODE_MODE_RELAY);
      register(client, Stream.newBuilder().setStreamId("cam").setOutput(relay));
      publisher.publish(Frame.newBuilder().setStreamId("cam").setData(picture).build());
      publisher.flush();
      try (var subscription = client.subscribe(fromBeginning("cam").build())) {
        var event = subscription.poll(DEADLINE).orElseThrow();
        var frame = assertInstanceOf(Event.Frame.class, event).frame();
        assertEquals(picture, frame.getPictures(0).getData());
      }
      Server.waitUntil("it is the newest", () -> newest(client, "cam") == 1);
      assertEquals(picture, client.latest("cam").get(0).getFrame().getPictures(0).getData());
    }
  }

  @Scenario
  @Scenario.Short
  void latest() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "north", "south", "empty");
      for (var number = 1; number <= 3; number++) {
        publisher.publish(grey("north", number).build());
        publisher.publish(grey("south", number).build());
      }
      publisher.flush();
      Server.waitUntil(
          "all are processed", () -> newest(client, "north") + newest(client, "south") == 6);
      var latest = client.latest("north", "south", "empty", "unknown");
      assertEquals("3", latest.get(0).getFrame().getAttributesOrThrow("number"));
      assertEquals("3", latest.get(1).getFrame().getAttributesOrThrow("number"));
      assertEquals(
          MissingReason.MISSING_REASON_NOT_ACCEPTED, latest.get(2).getMissing().getReason());
      assertEquals(
          MissingReason.MISSING_REASON_STREAM_NOT_FOUND, latest.get(3).getMissing().getReason());
    }
  }

  @Scenario
  @Scenario.Short
  void picture() throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").open()) {
      register(client, "cam");
      publisher.publish(
          Frame.newBuilder().setStreamId("cam").setData(jpeg(320, 240, false)).build());
      try (var subscription = client.subscribe(fromBeginning("cam").build())) {
        var event = subscription.poll(DEADLINE).orElseThrow();
        var frame = assertInstanceOf(Event.Frame.class, event).frame();
        var image = Pictures.image(frame);
        assertEquals(320, image.getWidth());
        assertEquals(240, image.getHeight());
        assertEquals(frame.getPictures(0).getWidth(), image.getWidth());
      }
    }
    var text =
        Picture.newBuilder()
            .setFormat(PictureFormat.PICTURE_FORMAT_JPEG)
            .setData(jpeg(16, 16, false).substring(0, 100))
            .build();
    assertTrue(
        assertThrows(FramewayException.class, () -> Pictures.image(text))
            .getMessage()
            .contains("cannot decode"));
  }

  @Scenario
  void slowConsumer() throws Exception {
    var picture = jpeg(400, 400, true).size();
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect();
        var publisher = client.publisher("camera").bounds(20, 4 << 20).open()) {
      var few = RetentionPolicy.newBuilder().setMaxFrames(10);
      var relay = OutputPolicy.newBuilder().setReencodeMode(ReencodeMode.REENCODE_MODE_RELAY);
      register(client, Stream.newBuilder().setStreamId("cam").setRetention(few).setOutput(relay));
      try (var subscription = client.subscribe("cam")) {
        publisher.publish(noise(1));
        assertEquals(
            1, ((Event.Frame) subscription.poll(DEADLINE).orElseThrow()).frame().getSequence());
        var before = usedBytes();
        // The program reads nothing while far more is published than may wait here.
        var count = (256 << 20) / picture;
        for (var number = 2; number <= count; number++) {
          publisher.publish(noise(number));
        }
        publisher.flush();
        var held = usedBytes() - before;
        assertTrue(held < 64 << 20, () -> held + " bytes are held");
        long next = 2;
        var missing = 0L;
        while (next <= count) {
          var event = subscription.poll(DEADLINE).orElseThrow();
          if (event instanceof Event.Gap gap) {
            assertEquals(next, gap.gap().getFromSequence());
            missing += gap.gap().getToSequence() - gap.gap().getFromSequence() + 1;
            next = gap.gap().getToSequence() + 1;
          } else {
            assertEquals(next++, ((Event.Frame) event).frame().getSequence());
          }
        }
        assertTrue(missing > 0);
        assertEquals(Optional.empty(), subscription.poll(java.time.Duration.ZERO));
      }
    }
  }

  private static Frame noise(long number) throws Exception {
    return Frame.newBuilder()
        .setStreamId("cam")
        .setPublisherSequence(number)
        .setData(NOISE)
        .build();
  }

  private static final com.google.protobuf.ByteString NOISE = jpeg(400, 400, true);

  private static long usedBytes() {
    System.gc();
    return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
  }
}
