package example.frameway;

import java.text.MessageFormat;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/** The log lines of the client. */
final class Log extends Handler implements AutoCloseable {
  private final Logger logger = Logger.getLogger("example.frameway");
  private final List<String> lines = new CopyOnWriteArrayList<>();

  Log() {
    logger.addHandler(this);
  }

  boolean has(String text) {
    return lines.stream().anyMatch(line -> line.contains(text));
  }

  List<String> lines() {
    return lines;
  }

  @Override
  public void publish(LogRecord entry) {
    lines.add(MessageFormat.format(entry.getMessage(), entry.getParameters()));
  }

  @Override
  public void flush() {}

  @Override
  public void close() {
    logger.removeHandler(this);
  }
}
