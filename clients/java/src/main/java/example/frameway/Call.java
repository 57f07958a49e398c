package example.frameway;

import com.google.protobuf.MessageLite;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.ArrayDeque;

/**
 * One call with a stream of answers. It asks for a further message only while those that wait are
 * within a limit of bytes. Its owner holds the monitor, which is notified of every change.
 */
final class Call<Q, R extends MessageLite> implements ClientResponseObserver<Q, R> {
  /** The memory that a message takes beside its bytes. */
  private static final int OVERHEAD_BYTES = 64;

  /** With two, gRPC takes one message apart while the program handles the other. */
  private static final int MAX_ASKED = 2;

  private final Object monitor;
  private final long maxBytes;
  private final ArrayDeque<R> messages = new ArrayDeque<>();
  private ClientCallStreamObserver<Q> requests;
  private long bytes;

  /** The messages that were asked for and have not come. */
  private int asked;

  private long heardAt = Time.now();
  private Throwable error;
  private boolean isEnded;

  Call(Object monitor, long maxBytes) {
    this.monitor = monitor;
    this.maxBytes = maxBytes;
  }

  @Override
  public void beforeStart(ClientCallStreamObserver<Q> stream) {
    requests = stream;
    asked = MAX_ASKED;
    stream.disableAutoRequestWithInitial(MAX_ASKED);
    stream.setOnReadyHandler(this::changed);
  }

  @Override
  public void onNext(R message) {
    synchronized (monitor) {
      messages.add(message);
      bytes += size(message);
      asked--;
      askForMore();
      monitor.notifyAll();
    }
  }

  @Override
  public void onError(Throwable why) {
    synchronized (monitor) {
      error = why;
      onCompleted();
    }
  }

  @Override
  public void onCompleted() {
    synchronized (monitor) {
      isEnded = true;
      monitor.notifyAll();
    }
  }

  private void changed() {
    synchronized (monitor) {
      monitor.notifyAll();
    }
  }

  private long size(R message) {
    return message.getSerializedSize() + OVERHEAD_BYTES;
  }

  private void askForMore() {
    heardAt = Time.now();
    if (bytes < maxBytes && asked < MAX_ASKED) {
      requests.request(MAX_ASKED - asked);
      asked = MAX_ASKED;
    }
  }

  /** Returns the next message, or null if none waits. */
  R poll() {
    var message = messages.poll();
    if (message != null) {
      bytes -= size(message);
      askForMore();
    }
    return message;
  }

  /** Returns the nanoseconds for which the server has sent nothing. */
  long silence() {
    return messages.isEmpty() ? Time.now() - heardAt : 0;
  }

  /** Returns the error that ended the call; null if it continues, or ended without one. */
  Throwable error() {
    return error;
  }

  boolean isEnded() {
    return isEnded;
  }

  /** Returns whether the connection takes a further message at once. */
  boolean isReady() {
    return requests.isReady();
  }

  void send(Q message) {
    requests.onNext(message);
  }

  void cancel() {
    requests.cancel("the client has ended the call", null);
  }
}
