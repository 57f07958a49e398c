package example.frameway;

import java.io.IOException;
import java.util.Map;

/** Keeps the cursors of a subscription, so that a restarted program continues after them. */
public interface CursorStore {
  /**
   * Reads the cursors.
   *
   * @return the cursors by stream; empty if none were stored
   * @throws IOException if they cannot be read, or are damaged
   */
  Map<String, String> load() throws IOException;

  /**
   * Replaces the cursors.
   *
   * @param cursors the cursors by stream
   * @throws IOException if they cannot be stored; the earlier ones are then kept
   */
  void save(Map<String, String> cursors) throws IOException;
}
