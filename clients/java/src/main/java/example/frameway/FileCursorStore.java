package example.frameway;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.CRC32;

/**
 * Keeps cursors in a file, which is replaced as a whole. Only one subscription may use a file at a
 * time.
 */
public final class FileCursorStore implements CursorStore {
  private static final String HEADER = "frameway-cursors 1 ";

  private final Path file;

  /**
   * Makes a store.
   *
   * @param file the file, which need not exist
   */
  public FileCursorStore(Path file) {
    this.file = file;
  }

  @Override
  public Map<String, String> load() throws IOException {
    var cursors = new TreeMap<String, String>();
    String text;
    try {
      text = Files.readString(file, StandardCharsets.ISO_8859_1);
    } catch (NoSuchFileException none) {
      return cursors;
    }
    var header = text.indexOf('\n') + 1;
    var body = text.substring(header);
    if (!text.substring(0, header).equals(header(body))) {
      throw new IOException("the file is damaged, or is no cursor file: remove it to start anew");
    }
    for (var line : body.lines().toList()) {
      var space = line.indexOf(' ');
      cursors.put(line.substring(0, space), line.substring(space + 1));
    }
    return cursors;
  }

  @Override
  public void save(Map<String, String> cursors) throws IOException {
    if (Files.exists(file) && !Files.isRegularFile(file)) {
      throw new IOException("it is not a regular file");
    }
    var body = new StringBuilder();
    cursors.forEach(
        (stream, cursor) -> body.append(stream).append(' ').append(cursor).append('\n'));
    var bytes = (header(body.toString()) + body).getBytes(StandardCharsets.ISO_8859_1);
    var next = file.resolveSibling(file.getFileName() + ".new");
    try (var channel =
        FileChannel.open(
            next,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      for (var buffer = ByteBuffer.wrap(bytes); buffer.hasRemaining(); ) {
        channel.write(buffer);
      }
      channel.force(true);
    }
    Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
  }

  /** Returns the first line, which has a checksum of all others. */
  private static String header(String body) {
    var sum = new CRC32();
    sum.update(body.getBytes(StandardCharsets.ISO_8859_1));
    return HEADER + Long.toHexString(sum.getValue()) + "\n";
  }

  /** Returns the path of the file. */
  @Override
  public String toString() {
    return file.toString();
  }
}
