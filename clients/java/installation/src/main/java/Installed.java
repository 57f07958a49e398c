import com.google.protobuf.ByteString;
import example.frameway.Event;
import example.frameway.FramewayClient;
import example.frameway.v1.Frame;
import example.frameway.v1.PictureFormat;
import example.frameway.v1.RegisterStreamRequest;
import example.frameway.v1.Stream;

/** Submits a frame and receives it. Argument: the address. */
public final class Installed {
  private Installed() {}

  public static void main(String[] arguments) {
    var stream = Stream.newBuilder().setStreamId("cam");
    var frame =
        Frame.newBuilder()
            .setStreamId("cam")
            .setFormat(PictureFormat.PICTURE_FORMAT_GRAY8)
            .setWidth(16)
            .setHeight(16)
            .setData(ByteString.copyFrom(new byte[256]));
    try (var client = FramewayClient.builder().addresses(arguments[0]).connect()) {
      var register = RegisterStreamRequest.newBuilder().setStream(stream).build();
      client.call(() -> client.registry().registerStream(register));
      try (var subscription = client.subscribe("cam");
          var publisher = client.publisher("camera").open()) {
        subscription.awaitStart();
        publisher.publish(frame.build());
        if (subscription.take().orElseThrow() instanceof Event.Frame delivered) {
          System.out.println("frame " + delivered.frame().getSequence() + " of cam");
        }
      }
    }
  }
}
