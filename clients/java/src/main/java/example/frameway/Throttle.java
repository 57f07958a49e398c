package example.frameway;

import example.frameway.v1.SubmitThrottle;
import java.time.Duration;

/** The pace that the server asks for: of one stream, or of all together. */
final class Throttle {
  private static final double MAX_PAUSE_SECONDS = 60;

  private long pausedUntil;
  private double maxFps;
  private double maxBytesPerSecond;
  private long next;

  /** Replaces the bounds. */
  void set(SubmitThrottle asked) {
    pausedUntil = asked.hasPause() ? Time.now() + Time.nanos(asked.getPause()) : 0;
    maxFps = asked.hasMaxFps() ? Math.max(asked.getMaxFps(), 0.01) : 0;
    maxBytesPerSecond =
        asked.hasMaxBytesPerSecond() ? Math.max(asked.getMaxBytesPerSecond(), 1) : 0;
    next = maxFps + maxBytesPerSecond > 0 ? next : 0;
  }

  void reset() {
    set(SubmitThrottle.getDefaultInstance());
  }

  /** Counts a frame that is sent. */
  void sent(long bytes) {
    var byFrames = maxFps > 0 ? 1 / maxFps : 0;
    var byBytes = maxBytesPerSecond > 0 ? bytes / maxBytesPerSecond : 0;
    var seconds = Math.min(Math.max(byFrames, byBytes), MAX_PAUSE_SECONDS);
    next = Time.now() + (long) (seconds * Duration.ofSeconds(1).toNanos());
  }

  /** Returns when the next frame may be sent. */
  long readyAt() {
    return Math.max(pausedUntil, next);
  }
}
