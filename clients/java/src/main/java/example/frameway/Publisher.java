package example.frameway;

import example.frameway.v1.Frame;
import example.frameway.v1.PublisherPosition;
import example.frameway.v1.SubmitBatch;
import example.frameway.v1.SubmitFramesRequest;
import example.frameway.v1.SubmitFramesResponse;
import example.frameway.v1.SubmitSetup;
import io.grpc.Status;
import io.grpc.stub.ClientResponseObserver;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;

/**
 * Publishes frames so that each is stored once and in order, even if connections break.
 *
 * <p>It numbers the frames of each stream, from the position on that the server reports. A frame
 * that has a publisher sequence keeps it. Frames that the server refuses for a time, or has not
 * confirmed, are sent again, in order. It is safe to use from several threads.
 *
 * <p>The frames that are not decided take a bounded number of bytes. {@link #publish} waits while
 * there is no room. The stages of a future run on the thread of the publisher, so they must be
 * short and must not publish; the methods of {@link CompletableFuture} whose names end in {@code
 * Async} have no such limits.
 */
public final class Publisher implements AutoCloseable {
  /** The maximum number of streams whose positions one call returns. */
  static final int MAX_RESUME_STREAMS = 1_000;

  /** The maximum bytes of answers that wait here. They are small. */
  private static final long MAX_ANSWER_BYTES = 1 << 20;

  private static final System.Logger LOG = System.getLogger("example.frameway");

  private final Object monitor = new Object();
  private final FramewayClient client;
  private final String publisherId;
  private final Outbox outbox;
  private final Retry retry;
  private final LongCall<SubmitFramesRequest, SubmitFramesResponse> call;
  private final Thread thread;
  private final List<Outbox.Decided> decided = new ArrayList<>();

  /** The call to which the limits in the outbox belong. */
  private Call<SubmitFramesRequest, SubmitFramesResponse> readyCall;

  private final FramewayException closed =
      new FramewayException(Status.CANCELLED, "the publisher is closed", null);

  private boolean isDraining;
  private com.google.protobuf.Duration reconnectDelay;
  private boolean isClosing;
  private boolean isReporting;

  /** The number of threads that wait for decisions. */
  private int urgent;

  private FramewayException failure;

  private Publisher(Builder options) {
    client = options.client;
    publisherId = options.publisherId;
    outbox = new Outbox(options);
    retry = new Retry(client.patience());
    call = call(List.of(), retry);
    thread = new Thread(this::run, "frameway-publisher-" + publisherId);
    thread.setDaemon(true);
    client.opened(this, this::cancel);
    thread.start();
  }

  private LongCall<SubmitFramesRequest, SubmitFramesResponse> call(
      List<String> streamIds, Retry retries) {
    var setup =
        SubmitSetup.newBuilder()
            .setPublisherId(publisherId)
            .addAllResumeStreamIds(streamIds)
            .setHeartbeatInterval(Time.of(LongCall.HEARTBEAT));
    return new LongCall<>(
        monitor,
        client,
        retries,
        MAX_ANSWER_BYTES,
        false,
        LongCall.HEARTBEAT,
        answers -> open(setup, answers));
  }

  private void open(
      SubmitSetup.Builder setup,
      ClientResponseObserver<SubmitFramesRequest, SubmitFramesResponse> answers) {
    client
        .longCalls()
        .submitFrames(answers)
        .onNext(SubmitFramesRequest.newBuilder().setSetup(setup).build());
  }

  /**
   * Publishes a frame. Waits while the frames that are not decided take too many bytes.
   *
   * @param frame the frame; its publisher id may be left out
   * @return the fate of the frame. It completes exceptionally only if it is cancelled
   * @throws FramewayException if the publisher has failed or is closed
   */
  public CompletableFuture<Fate> publish(Frame frame) {
    synchronized (monitor) {
      if (Thread.currentThread() == thread) {
        throw new IllegalStateException(
            "a stage of a fate must not publish on the publisher's thread: use an Async method");
      }
      awaitUrgently(() -> outbox.hasRoom(frame));
      var entry = outbox.add(frame);
      monitor.notifyAll();
      return entry.fate;
    }
  }

  /**
   * Waits until every frame that was published is decided.
   *
   * @throws FramewayException if the publisher fails; the fates of the frames are then unconfirmed
   */
  public void flush() {
    synchronized (monitor) {
      awaitUrgently(() -> outbox.isEmpty() && decided.isEmpty() && !isReporting);
    }
  }

  /** Waits for a condition. Meanwhile, no frame waits for others to fill a batch. */
  private void awaitUrgently(BooleanSupplier isMet) {
    urgent++;
    monitor.notifyAll();
    try {
      while (failure == null && !isMet.getAsBoolean()) {
        Time.await(monitor, Duration.ofDays(1).toNanos());
      }
    } finally {
      urgent--;
    }
    throwFailure();
  }

  /**
   * Asks the server which frame of this publisher it has stored last in a stream. A program that
   * restarts continues after it, and so do the numbers of the publisher.
   *
   * @param streamId the stream
   * @return the publisher sequence; empty if no frame is stored
   * @throws FramewayException if no server answers
   */
  public OptionalLong lastPublisherSequence(String streamId) {
    synchronized (monitor) {
      var position = positions(List.of(streamId)).get(0);
      outbox.resume(streamId, position.getLastPublisherSequence());
      return position.hasLastPublisherSequence()
          ? OptionalLong.of(position.getLastPublisherSequence())
          : OptionalLong.empty();
    }
  }

  /**
   * Waits until every frame is decided, and ends the publisher.
   *
   * @throws FramewayException if the publisher fails before; the fates of the frames that are left
   *     are then unconfirmed
   */
  @Override
  public void close() {
    synchronized (monitor) {
      isClosing = true;
      monitor.notifyAll();
    }
    try {
      thread.join();
    } catch (InterruptedException interrupted) {
      cancel();
      Thread.currentThread().interrupt();
    }
    if (failure != closed) {
      throwFailure();
    }
  }

  /** Ends the publisher at once. Frames that are not decided are unconfirmed. */
  public void cancel() {
    synchronized (monitor) {
      failure = failure == null ? closed : failure;
      monitor.notifyAll();
    }
  }

  private void throwFailure() {
    if (failure != null) {
      // A new one for each thread and call: it has their stack.
      throw failure.with(failure.getMessage());
    }
  }

  private void run() {
    var why = closed;
    try {
      while (step()) {}
    } catch (RuntimeException | Error failed) {
      why = FramewayException.ofThread(failed);
    }
    List<Outbox.Decided> left;
    synchronized (monitor) {
      failure = failure == null ? why : failure;
      call.cancel();
      left = outbox.abandon(failure);
      monitor.notifyAll();
    }
    left.forEach(Outbox.Decided::report);
    client.closed(this);
  }

  /** Sends a batch or reports fates, without the monitor. Returns false at the end. */
  private boolean step() {
    SubmitBatch batch;
    List<Outbox.Decided> reports;
    synchronized (monitor) {
      while (true) {
        throwFailure();
        if (outbox.isEmpty()) {
          retry.alive();
          if (isClosing && decided.isEmpty()) {
            return false;
          }
        }
        askForPositions();
        receive();
        var canSend = readyCall != null && !isDraining && readyCall.isReady();
        batch = canSend ? outbox.nextBatch(isClosing || urgent > 0) : null;
        if (batch != null || !decided.isEmpty()) {
          break;
        }
        if (retry.leftNanos() <= 0) {
          var text =
              client.server()
                  + " has decided about no frame for "
                  + client.patience().toSeconds()
                  + " s";
          throw new FramewayException(Status.DEADLINE_EXCEEDED, text, null);
        }
        var wait = Math.min(call.waitNanos(), retry.leftNanos());
        Time.await(monitor, canSend ? Math.min(wait, outbox.waitNanos()) : wait);
      }
      reports = List.copyOf(decided);
      decided.clear();
      isReporting = true;
    }
    reports.forEach(Outbox.Decided::report);
    synchronized (monitor) {
      isReporting = false;
      monitor.notifyAll();
    }
    if (batch != null) {
      // Only this thread replaces the call.
      readyCall.send(SubmitFramesRequest.newBuilder().setBatch(batch).build());
    }
    return true;
  }

  /** Asks for the positions of streams that are new here, so that their frames can be numbered. */
  private void askForPositions() {
    var streams = outbox.unnumbered();
    if (!streams.isEmpty()) {
      for (var one : positions(streams)) {
        outbox.resume(one.getStreamId(), one.getLastPublisherSequence());
      }
    }
  }

  private List<PublisherPosition> positions(List<String> streamIds) {
    var probe = call(streamIds, new Retry(client.patience()));
    try {
      while (true) {
        throwFailure();
        var answer = probe.poll();
        if (answer != null && answer.hasReady()) {
          return answer.getReady().getPositionsList();
        } else if (answer == null) {
          Time.await(monitor, probe.waitNanos());
        }
      }
    } finally {
      probe.cancel();
    }
  }

  /** Handles every message that waits. */
  private void receive() {
    for (SubmitFramesResponse message; (message = call.poll()) != null; ) {
      switch (message.getEventCase()) {
        case READY -> {
          readyCall = call.open();
          outbox.ready(message.getReady());
        }
        case BATCH_RESULT -> {
          if (!outbox.answered(message.getBatchResult(), decided::add)) {
            LOG.log(Level.WARNING, "the server answered a batch that was not sent");
            call.reopenAfter(com.google.protobuf.Duration.getDefaultInstance());
          }
        }
        case THROTTLE -> outbox.throttled(message.getThrottle());
        case DRAINING -> {
          isDraining = true;
          reconnectDelay = message.getDraining().getReconnectDelay();
        }
        // A heartbeat, or a message of a newer server.
        default -> {}
      }
    }
    if (!decided.isEmpty()) {
      call.progressed();
    }
    if (isDraining && !outbox.hasUnanswered()) {
      call.reopenAfter(reconnectDelay);
    }
    if (readyCall != null && call.open() != readyCall) {
      readyCall = null;
      isDraining = false;
      outbox.callEnded();
    }
  }

  /** The settings of a publisher. */
  public static final class Builder {
    private final FramewayClient client;
    private final String publisherId;
    int maxFrames = 1_000;
    long maxBytes = 64 << 20;
    int batchFrames = 100;
    long batchBytes = 1 << 20;
    Duration linger = Duration.ofMillis(5);

    Builder(FramewayClient client, String publisherId) {
      this.client = client;
      this.publisherId = publisherId;
    }

    /**
     * Sets the maximum of the frames that are not decided: 1,000 and 64 MiB if unset. One frame is
     * always taken.
     *
     * @param frames the maximum number, up to 1,000: the server remembers no more
     * @param bytes the maximum bytes
     * @return this builder
     */
    public Builder bounds(int frames, long bytes) {
      maxFrames = Math.max(1, Math.min(frames, 1_000));
      maxBytes = bytes;
      return this;
    }

    /**
     * Sets the size of a batch: 100 frames and 1 MiB if unset. A larger frame is a batch of its
     * own.
     *
     * @param frames the maximum number
     * @param bytes the maximum bytes
     * @return this builder
     */
    public Builder batches(int frames, long bytes) {
      batchFrames = frames;
      batchBytes = bytes;
      return this;
    }

    /**
     * Sets the time that a frame waits for others before its batch is sent, 5 ms if unset.
     *
     * @param longest the maximum wait
     * @return this builder
     */
    public Builder linger(Duration longest) {
      linger = longest;
      return this;
    }

    /**
     * Begins to publish. The connection is opened in the background.
     *
     * @return the publisher
     */
    public Publisher open() {
      return new Publisher(this);
    }
  }
}
