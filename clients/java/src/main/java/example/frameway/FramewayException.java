package example.frameway;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import example.frameway.v1.ErrorReason;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * Reports that the server refused a call, that no server answered, or that a local file failed.
 *
 * <p>It is unchecked, like the exceptions of gRPC: it also comes out of iterators, futures and
 * {@code close}, which cannot declare a checked exception. Its message says in one line what is
 * wrong and, where that is known, what to do.
 */
public final class FramewayException extends RuntimeException {
  private static final long serialVersionUID = 1;
  private static final String PREFIX = "ERROR_REASON_";

  private final transient Status status;
  private final transient ErrorInfo info;

  /** The pause that the server asks for; null if it asks for none. */
  private final Duration retryDelay;

  private FramewayException(
      Status status, String text, ErrorInfo info, Duration retryDelay, Throwable cause) {
    super(text.replaceAll("\\s+", " ").strip(), cause);
    this.status = status;
    this.info = info;
    this.retryDelay = retryDelay;
  }

  /** Makes an error of this client, which has a status and no reason. */
  FramewayException(Status status, String text, Throwable cause) {
    this(status.withDescription(text), text, ErrorInfo.getDefaultInstance(), null, cause);
  }

  /** Returns the error of a thread of this client; anything unexpected is a fault. */
  static FramewayException ofThread(Throwable thrown) {
    return thrown instanceof FramewayException known
        ? known
        : new FramewayException(Status.INTERNAL, "a fault of the client: " + thrown, thrown);
  }

  /** Returns an error with the same facts, another text, and this error as its cause. */
  FramewayException with(String text) {
    return new FramewayException(status, text, info, retryDelay, this);
  }

  /**
   * Reads the error of a call that was made with a generated stub.
   *
   * @param error the exception that the call has thrown
   * @return the error with its reason, metadata and retry delay
   */
  public static FramewayException of(Throwable error) {
    return of(error, "the server");
  }

  /** Reads the error of a call; {@code server} names the server in the text. */
  static FramewayException of(Throwable error, String server) {
    var status = Status.fromThrowable(error);
    var info = ErrorInfo.getDefaultInstance();
    var fields = new StringBuilder();
    Duration delay = null;
    var details = StatusProto.fromThrowable(error);
    try {
      for (var any : details == null ? List.<Any>of() : details.getDetailsList()) {
        if (any.is(ErrorInfo.class)) {
          info = any.unpack(ErrorInfo.class);
        } else if (any.is(RetryInfo.class)) {
          delay = Time.of(any.unpack(RetryInfo.class).getRetryDelay());
        } else if (any.is(BadRequest.class)) {
          for (var one : any.unpack(BadRequest.class).getFieldViolationsList()) {
            fields.append("; ").append(one.getField()).append(": ").append(one.getDescription());
          }
        }
      }
    } catch (InvalidProtocolBufferException broken) {
      fields.append("; the details of the error are damaged");
    }
    var isOfServer = !info.getReason().isEmpty();
    var text = isOfServer ? describe(status, info) : explain(status, error, server);
    return new FramewayException(status, text + fields, info, delay, error);
  }

  private static String describe(Status status, ErrorInfo info) {
    var text = new StringBuilder(info.getReason().replace(PREFIX, "")).append(": ");
    text.append(status.getDescription());
    info.getMetadataMap()
        .forEach((key, value) -> text.append("; ").append(key).append(' ').append(value));
    return text.append(" [").append(status.getCode()).append(']').toString();
  }

  /** Describes an error that has no reason of the server: mostly one of the connection. */
  private static String explain(Status status, Throwable error, String server) {
    var cause = error;
    while (cause.getCause() != null && cause.getCause().getMessage() != null) {
      cause = cause.getCause();
    }
    var deepest = cause == error ? String.valueOf(status.getDescription()) : cause.getMessage();
    deepest = deepest.replaceFirst("^.* failed with error\\(-\\d+\\): ", "");
    var all = (status + " " + cause).toLowerCase(Locale.ROOT);
    if (all.contains("not an ssl/tls record") || all.contains("closed while performing tls")) {
      return server
          + " ends the handshake of TLS, most likely because it has no TLS: leave out tls()";
    }
    if (all.contains("certificate") || all.contains("sslhandshake")) {
      return "TLS with "
          + server
          + " failed: "
          + deepest
          + "; give tls() the CA of the server, and connect by a name of its certificate";
    }
    if (all.contains("inadequate_security") || all.contains("was not settings")) {
      return server + " refuses plaintext, most likely because it has TLS: use tls()";
    }
    return switch (status.getCode()) {
      case UNAVAILABLE -> "cannot reach " + server + ": " + deepest;
      case DEADLINE_EXCEEDED -> server + " did not answer in time: " + deepest;
      case RESOURCE_EXHAUSTED -> deepest + "; raise maxMessageBytes, or request smaller pictures";
      default ->
          Objects.requireNonNullElse(status.getDescription(), deepest)
              + " ["
              + status.getCode()
              + "]";
    };
  }

  /** Returns the name of a reason without its prefix, or the number of an unknown one. */
  static String name(int number) {
    var known = ErrorReason.forNumber(number);
    return known == null ? Integer.toString(number) : known.name().replace(PREFIX, "");
  }

  /** Returns whether the call may succeed when it is made again. */
  boolean isRetryable() {
    return switch (status.getCode()) {
      case UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED -> true;
      case RESOURCE_EXHAUSTED -> retryDelay != null || reason().equals(PREFIX + "SLOW_CONSUMER");
      default -> false;
    };
  }

  /**
   * Returns the status code of the call.
   *
   * @return the code
   */
  public Code code() {
    return status.getCode();
  }

  /**
   * Returns the status of the call, as gRPC reports it.
   *
   * @return the status
   */
  public Status status() {
    return status;
  }

  /**
   * Returns the server's reason, for example {@code ERROR_REASON_STREAM_NOT_FOUND}.
   *
   * @return the full name of the {@code ErrorReason}; empty if the error is not the server's
   */
  public String reason() {
    return info.getReason();
  }

  /**
   * Returns the facts that the comment of the {@code ErrorReason} lists.
   *
   * @return the facts by their keys
   */
  public Map<String, String> metadata() {
    return info.getMetadataMap();
  }

  /**
   * Returns the pause that the server asks for before the call is made again.
   *
   * @return the pause, if the server asks for one
   */
  public Optional<Duration> retryDelay() {
    return Optional.ofNullable(retryDelay);
  }
}
