package example.frameway;

import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** Converts and measures times, and waits. */
final class Time {
  private static final long ORIGIN = System.nanoTime();

  private Time() {}

  /** Returns the nanoseconds since the class was loaded. Zero is long ago. */
  static long now() {
    return System.nanoTime() - ORIGIN;
  }

  static Duration of(com.google.protobuf.Duration duration) {
    return Duration.ofSeconds(duration.getSeconds(), duration.getNanos());
  }

  static com.google.protobuf.Duration of(Duration duration) {
    return com.google.protobuf.Duration.newBuilder()
        .setSeconds(duration.getSeconds())
        .setNanos(duration.getNano())
        .build();
  }

  static long nanos(com.google.protobuf.Duration duration) {
    return of(duration).toNanos();
  }

  /** Waits for a notification, but not longer than {@code nanos}. The caller holds the monitor. */
  static void await(Object monitor, long nanos) {
    try {
      TimeUnit.NANOSECONDS.timedWait(monitor, nanos);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
      throw new FramewayException(Status.CANCELLED, "the thread was interrupted", interrupted);
    }
  }
}
