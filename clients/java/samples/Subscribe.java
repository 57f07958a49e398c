import example.frameway.Event;
import example.frameway.FileCursorStore;
import example.frameway.FramewayClient;
import example.frameway.Pictures;
import example.frameway.v1.StartEarliest;
import example.frameway.v1.StreamMatch;
import example.frameway.v1.SubscribeFramesRequest;
import java.nio.file.Path;

/**
 * Follows a stream, and goes on after a restart. Arguments: the address, the stream, the file for
 * the cursors, the number of frames.
 */
public final class Subscribe {
  private Subscribe() {}

  /**
   * Runs the program.
   *
   * @param arguments the address, the stream, the file for the cursors, the number of frames
   */
  public static void main(String[] arguments) {
    var request = SubscribeFramesRequest.newBuilder();
    request.setStopAfterFrames(Long.parseLong(arguments[3]));
    var selector = request.addSelectorsBuilder();
    selector.addStreams(StreamMatch.newBuilder().setId(arguments[1]));
    selector.getStartBuilder().setEarliest(StartEarliest.getDefaultInstance());
    var store = new FileCursorStore(Path.of(arguments[2]));
    try (var client = FramewayClient.builder().addresses(arguments[0]).connect();
        var subscription = client.subscribe(request.build(), store)) {
      for (var event : subscription) {
        if (event instanceof Event.Frame delivered) {
          var image = Pictures.image(delivered.frame());
          var sequence = delivered.frame().getSequence();
          System.out.println(
              "frame " + sequence + ": " + image.getWidth() + " x " + image.getHeight());
        } else if (event instanceof Event.Gap missing) {
          System.out.println("gap: " + missing.gap());
        }
      }
    }
  }
}
