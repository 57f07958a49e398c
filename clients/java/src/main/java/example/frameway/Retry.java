package example.frameway;

import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** Decides whether a call is made again, and after which pause. */
final class Retry {
  private static final Duration FIRST = Duration.ofMillis(200);
  private static final Duration LONGEST = Duration.ofSeconds(5);

  /** The longest pause that a server can ask for. */
  private static final Duration MAX = Duration.ofSeconds(30);

  private final Duration patience;
  private int attempts;
  private long quietSince = Time.now();

  /** Gives up when there was no progress for {@code patience}. */
  Retry(Duration patience) {
    this.patience = patience;
  }

  /** Starts again with the shortest pause, after a frame or a gap. */
  void progressed() {
    attempts = 0;
    alive();
  }

  /** Starts the patience again: the server has shown life, or there was nothing to wait for. */
  void alive() {
    quietSince = Time.now();
  }

  /** Returns the nanoseconds that are left of the patience. */
  long leftNanos() {
    return quietSince + patience.toNanos() - Time.now();
  }

  /**
   * Returns the nanoseconds to wait after an error.
   *
   * @throws FramewayException if another call would not help, or the patience has ended
   */
  long pauseAfter(FramewayException error) {
    if (!error.isRetryable()) {
      throw error;
    }
    var pause = pause(error.retryDelay().orElse(null), attempts++);
    var quiet = Time.now() - quietSince;
    if (quiet + pause > patience.toNanos()) {
      throw error.with(error.getMessage() + "; tried for " + quiet / 1_000_000_000 + " s");
    }
    return withJitter(pause);
  }

  /** Returns the nanoseconds before the nth repetition, from 0; {@code asked} may be null. */
  static long pause(Duration asked, int repetition) {
    var longest = asked == null ? LONGEST : MAX;
    var pause = asked == null ? FIRST.multipliedBy(1L << Math.min(repetition, 10)) : asked;
    return Math.max(FIRST.toNanos(), Math.min(pause.toNanos(), longest.toNanos()));
  }

  /** Returns a pause that is up to a quarter longer. */
  static long withJitter(long nanos) {
    return nanos + ThreadLocalRandom.current().nextLong(nanos / 4 + 1);
  }

  /** Makes the error of a server that sends nothing. */
  static FramewayException silent(String server, long nanos) {
    var text =
        server
            + " sent nothing for "
            + Duration.ofNanos(nanos).toSeconds()
            + " s: it hangs, it cannot be reached, or the connection has as many calls as the"
            + " server allows";
    return new FramewayException(Status.UNAVAILABLE, text, null);
  }
}
