package example.frameway;

import static example.frameway.Fixtures.jpeg;
import static example.frameway.Fixtures.register;
import static example.frameway.Fixtures.status;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

class SamplesTest {
  /** Runs a sample in a process of its own, as a user does; returns what it prints. */
  private static String run(String sample, String... arguments) throws Exception {
    var command = new ArrayList<>(List.of("java", "-Xmx128m", "-cp"));
    command.addAll(List.of(System.getProperty("java.class.path"), sample));
    command.addAll(List.of(arguments));
    var process = new ProcessBuilder(command).redirectErrorStream(true).start();
    var text = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), text);
    return text;
  }

  @Test
  @Tag("short")
  @Timeout(120)
  void samplesRun(@TempDir Path folder) throws Exception {
    try (var server = new Server();
        var client = FramewayClient.builder().addresses(server.address).connect()) {
      register(client, "cam");
      var picture = folder.resolve("picture.jpg");
      Files.write(picture, jpeg(64, 48, false).toByteArray());
      var file = picture.toString();
      var submitted = run("Submit", server.address, "cam", file, file);
      assertTrue(
          submitted.contains(file + ": Accepted[streamId=cam, publisherSequence=2, sequence=2]"),
          submitted);
      var cursors = folder.resolve("cursors").toString();
      var subscribed = run("Subscribe", server.address, "cam", cursors, "2");
      assertEquals("frame 1: 64 x 48\nframe 2: 64 x 48\n", subscribed);
      run("Submit", server.address, "cam", file);
      assertEquals("frame 3: 64 x 48\n", run("Subscribe", server.address, "cam", cursors, "1"));
      var consumed = run("Consume", server.address, "group", "cam", "3");
      assertEquals(
          List.of("handled 1", "handled 2", "handled 3"), consumed.lines().sorted().toList());
      assertEquals(3, status(client, "group").getAcknowledgedFrames());
    }
  }
}
