package example.frameway;

import com.google.protobuf.MessageLite;
import io.grpc.Status;
import io.grpc.stub.ClientResponseObserver;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.function.Consumer;

/**
 * A call that is made again, after a pause, when it breaks or when the server is silent. Its owner
 * holds the monitor during every method.
 */
final class LongCall<Q, R extends MessageLite> {
  /** The interval of heartbeats if a request states none. */
  static final Duration HEARTBEAT = Duration.ofSeconds(5);

  private static final int SILENT_HEARTBEATS = 3;

  /**
   * The minimum wait for the first message: the server first looks up the start of every stream.
   */
  private static final long FIRST_MESSAGE = Duration.ofSeconds(15).toNanos();

  /** The maximum wait for a message. A large picture over a slow link may take long. */
  private static final long MAX_SILENCE = Duration.ofSeconds(300).toNanos();

  private static final System.Logger LOG = System.getLogger("example.frameway");

  private final Object monitor;
  private final String server;
  private final long maxBytes;
  private final Retry retry;
  private final Consumer<ClientResponseObserver<Q, R>> open;
  private final boolean serverMayEnd;
  private final long usualSilence;
  private long silence;
  private boolean hasBegun;
  private boolean isDone;
  private Call<Q, R> call;
  private long openAt;

  /** Prepares calls; without {@code serverMayEnd}, one that the server ends is made again. */
  LongCall(
      Object monitor,
      FramewayClient client,
      Retry retry,
      long maxBytes,
      boolean serverMayEnd,
      Duration heartbeat,
      Consumer<ClientResponseObserver<Q, R>> open) {
    this.monitor = monitor;
    this.server = client.server();
    this.retry = retry;
    this.maxBytes = maxBytes;
    this.serverMayEnd = serverMayEnd;
    this.open = open;
    this.usualSilence = heartbeat.multipliedBy(SILENT_HEARTBEATS).toNanos();
    this.silence = usualSilence;
  }

  /**
   * Returns the next message, or null if none waits. Opens a call if there is none and the pause is
   * over.
   *
   * @throws FramewayException if the call failed for good
   */
  R poll() {
    if (isDone) {
      return null;
    }
    if (call == null) {
      if (Time.now() >= openAt) {
        hasBegun = false;
        call = new Call<>(monitor, maxBytes);
        open.accept(call);
      }
      return null;
    }
    var message = call.poll();
    if (message != null) {
      hasBegun = true;
    } else if (call.isEnded() && call.error() == null && serverMayEnd) {
      isDone = true;
    } else if (call.isEnded() && call.error() == null) {
      broken(new FramewayException(Status.UNAVAILABLE, server + " has ended the call", null));
    } else if (call.isEnded()) {
      broken(FramewayException.of(call.error(), server));
    } else if (call.silence() > allowedSilence()) {
      var error = Retry.silent(server, allowedSilence());
      silence = Math.min(2 * silence, Math.max(MAX_SILENCE, usualSilence));
      broken(error);
    }
    return message;
  }

  private void broken(FramewayException error) {
    cancel();
    openAt = Time.now() + retry.pauseAfter(error);
    LOG.log(Level.INFO, "the call is made again: {0}", error.getMessage());
  }

  private long allowedSilence() {
    return hasBegun ? silence : Math.max(silence, FIRST_MESSAGE);
  }

  /** Records a frame, a gap or a decision: the usual pauses and waits apply again. */
  void progressed() {
    retry.progressed();
    silence = usualSilence;
  }

  /** Records a sign of life, which is no progress. */
  void alive() {
    retry.alive();
    silence = usualSilence;
  }

  /** Ends the call; the next one follows after a pause. */
  void reopenAfter(com.google.protobuf.Duration pause) {
    cancel();
    openAt = Time.now() + Retry.withJitter(Retry.pause(Time.of(pause), 0));
  }

  /** Returns the nanoseconds until `poll` must be called even if nothing was notified. */
  long waitNanos() {
    return call == null ? openAt - Time.now() : allowedSilence() - call.silence();
  }

  /** Returns the open call; null during a pause. */
  Call<Q, R> open() {
    return call;
  }

  /** Returns whether the server has ended the call without an error, and every message is read. */
  boolean isDone() {
    return isDone;
  }

  void cancel() {
    if (call != null) {
      call.cancel();
      call = null;
    }
  }
}
