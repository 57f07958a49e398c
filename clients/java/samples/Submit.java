import com.google.protobuf.ByteString;
import example.frameway.FramewayClient;
import example.frameway.v1.Frame;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** Submits picture files to a stream. Arguments: the address, the stream, the files. */
public final class Submit {
  private Submit() {}

  /**
   * Runs the program.
   *
   * @param arguments the address, the stream, the files
   * @throws Exception if a file cannot be read, or the server refuses the frames as a whole
   */
  public static void main(String[] arguments) throws Exception {
    try (var client = FramewayClient.builder().addresses(arguments[0]).connect();
        var publisher = client.publisher("submit-sample").open()) {
      for (var file : Arrays.asList(arguments).subList(2, arguments.length)) {
        var data = ByteString.copyFrom(Files.readAllBytes(Path.of(file)));
        var frame = Frame.newBuilder().setStreamId(arguments[1]).setData(data).build();
        publisher.publish(frame).thenAccept(fate -> System.out.println(file + ": " + fate));
      }
    }
  }
}
