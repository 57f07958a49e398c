package example.frameway;

import com.google.protobuf.ByteString;
import example.frameway.v1.ConsumerGroup;
import example.frameway.v1.ConsumerGroupStatus;
import example.frameway.v1.CreateConsumerGroupRequest;
import example.frameway.v1.Frame;
import example.frameway.v1.GetConsumerGroupRequest;
import example.frameway.v1.PictureFormat;
import example.frameway.v1.RegisterStreamRequest;
import example.frameway.v1.StartEarliest;
import example.frameway.v1.StartPosition;
import example.frameway.v1.Stream;
import example.frameway.v1.StreamMatch;
import example.frameway.v1.StreamSelector;
import example.frameway.v1.SubscribeFramesRequest;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.LongStream;
import javax.imageio.IIOImage;
import javax.imageio.ImageIO;
import javax.imageio.ImageWriteParam;
import javax.imageio.stream.MemoryCacheImageOutputStream;

/** Messages that the tests send. */
final class Fixtures {
  private Fixtures() {}

  /** Returns a frame with a raw picture of 16 x 16 pixels, whose luma shows the number. */
  static Frame.Builder grey(String stream, long number) {
    var pixels = new byte[256];
    Arrays.fill(pixels, (byte) number);
    return Frame.newBuilder()
        .setStreamId(stream)
        .setFormat(PictureFormat.PICTURE_FORMAT_GRAY8)
        .setWidth(16)
        .setHeight(16)
        .putAttributes("number", Long.toString(number))
        .setData(ByteString.copyFrom(pixels));
  }

  /** Returns a JPEG; one of noise is large. */
  static ByteString jpeg(int width, int height, boolean isNoise) {
    var image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    var random = new Random(1);
    for (var y = 0; isNoise && y < height; y++) {
      for (var x = 0; x < width; x++) {
        image.setRGB(x, y, random.nextInt(1 << 24));
      }
    }
    var out = ByteString.newOutput();
    var writer = ImageIO.getImageWritersByFormatName("jpeg").next();
    var settings = writer.getDefaultWriteParam();
    settings.setCompressionMode(ImageWriteParam.MODE_EXPLICIT);
    settings.setCompressionQuality(1);
    try (var stream = new MemoryCacheImageOutputStream(out)) {
      writer.setOutput(stream);
      writer.write(null, new IIOImage(image, null, null), settings);
    } catch (IOException impossible) {
      throw new UncheckedIOException(impossible);
    } finally {
      writer.dispose();
    }
    return out.toByteString();
  }

  /** Returns a request for streams from their beginning, with a heartbeat every second. */
  static SubscribeFramesRequest.Builder fromBeginning(String... streams) {
    var start = StartPosition.newBuilder().setEarliest(StartEarliest.getDefaultInstance());
    var selector = StreamSelector.newBuilder().setStart(start);
    for (var stream : streams) {
      selector.addStreams(StreamMatch.newBuilder().setId(stream));
    }
    return SubscribeFramesRequest.newBuilder()
        .setHeartbeatInterval(Time.of(java.time.Duration.ofSeconds(1)))
        .addSelectors(selector);
  }

  /** Returns the numbers of the first frames of a stream, each as often as it is delivered. */
  static List<Long> numbers(FramewayClient client, String stream, int count) {
    try (var subscription = client.subscribe(fromBeginning(stream).build())) {
      var numbers = new ArrayList<Long>();
      while (numbers.size() < count) {
        numbers.add(number(subscription.poll(Server.DEADLINE).orElseThrow()));
      }
      return numbers;
    }
  }

  /** Returns the number of a frame that was delivered; a gap is a failure. */
  static long number(Event event) {
    if (event instanceof Event.Frame delivered) {
      return Long.parseLong(delivered.frame().getAttributesOrThrow("number"));
    }
    throw new AssertionError(event.toString());
  }

  static List<Long> range(long from, long to) {
    return LongStream.rangeClosed(from, to).boxed().toList();
  }

  /** Creates a group that reads streams from their beginning. */
  static void group(
      FramewayClient client,
      String id,
      Consumer<ConsumerGroup.Builder> settings,
      String... streams) {
    var group =
        ConsumerGroup.newBuilder()
            .setGroupId(id)
            .setStart(StartPosition.newBuilder().setEarliest(StartEarliest.getDefaultInstance()));
    for (var stream : streams) {
      group.addStreams(StreamMatch.newBuilder().setId(stream));
    }
    settings.accept(group);
    var request = CreateConsumerGroupRequest.newBuilder().setGroup(group).build();
    client.call(() -> client.groups().createConsumerGroup(request));
  }

  static ConsumerGroupStatus status(FramewayClient client, String group) {
    var request = GetConsumerGroupRequest.newBuilder().setGroupId(group).build();
    return client.call(() -> client.groups().getConsumerGroup(request)).getGroup().getStatus();
  }

  static void register(FramewayClient client, String... streams) {
    for (var id : streams) {
      register(client, Stream.newBuilder().setStreamId(id));
    }
  }

  static void register(FramewayClient client, Stream.Builder stream) {
    var request = RegisterStreamRequest.newBuilder().setStream(stream).build();
    client.call(() -> client.registry().registerStream(request));
  }
}
