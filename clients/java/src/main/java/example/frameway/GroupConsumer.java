package example.frameway;

import com.google.protobuf.ByteString;
import example.frameway.v1.ConsumeFramesRequest;
import example.frameway.v1.ConsumeFramesResponse;
import example.frameway.v1.ConsumedFrame;
import example.frameway.v1.Gap;
import example.frameway.v1.GetConsumerGroupRequest;
import example.frameway.v1.Rejection;
import io.grpc.StatusRuntimeException;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Consumer;

/**
 * A member of a consumer group, which calls a handler for each frame. It acknowledges the frame
 * when the handler returns, rejects it with the reason when the handler throws, and extends its
 * deadline meanwhile.
 *
 * <p>When the connection breaks, the member joins again under the same id. Frames that come again
 * while they wait here or are being handled are not handled twice. A frame may still be delivered
 * more than once, for example after the program has ended.
 */
public final class GroupConsumer implements AutoCloseable {
  /** Handles frames. */
  @FunctionalInterface
  public interface Handler {
    /**
     * Handles a frame. It may be called by several threads at once.
     *
     * @param frame the frame
     * @throws Exception to reject the frame: it is delivered again, or becomes a dead letter
     */
    void handle(ConsumedFrame frame) throws Exception;

    /**
     * Notes frames that the group does not get. It is called by one thread, and does nothing by
     * default.
     *
     * @param gap the sequences and the reasons
     */
    default void gap(Gap gap) {}
  }

  private static final System.Logger LOG = System.getLogger("example.frameway");

  /** The maximum bytes of a text for people in a rejection. */
  private static final int MAX_REASON_BYTES = 512;

  private static final Duration LEAVE_TIMEOUT = Duration.ofSeconds(1);

  /** The frames that wait here are bounded by the request, so the call holds only one message. */
  private static final long MAX_CALL_BYTES = 1;

  private final Object monitor = new Object();
  private final FramewayClient client;
  private final Builder options;
  private final ConsumeFramesRequest.Builder request;
  private final Handler handler;
  private final ExecutorService owned;
  private final Executor executor;
  private final Settler settler;
  private final LongCall<ConsumeFramesRequest, ConsumeFramesResponse> call;
  private final Thread thread;

  /** The frames that no handler has begun. */
  private final ArrayDeque<ConsumedFrame> waiting = new ArrayDeque<>();

  private int running;
  private boolean isClosing;
  private volatile boolean isCancelled;
  private FramewayException failure;

  private GroupConsumer(Builder options, Handler handler) {
    this.client = options.client;
    this.options = options;
    this.handler = handler;
    request = options.request.clone();
    request.setPictures(client.bounded(request.getPictures()));
    if (!request.hasHeartbeatInterval()) {
      request.setHeartbeatInterval(Time.of(LongCall.HEARTBEAT));
    }
    owned = options.executor == null ? Executors.newFixedThreadPool(options.parallelism) : null;
    executor = options.executor == null ? owned : options.executor;
    settler = new Settler(monitor, client, request.getGroupId());
    call =
        new LongCall<>(
            monitor,
            client,
            new Retry(client.patience()),
            MAX_CALL_BYTES,
            true,
            Time.of(request.getHeartbeatInterval()),
            answers -> client.longCalls().consumeFrames(request.build(), answers));
    thread = new Thread(this::run, "frameway-consumer-" + request.getGroupId());
    thread.setDaemon(true);
    client.opened(this, this::cancel);
    thread.start();
  }

  /**
   * Waits until the consumer has ended.
   *
   * @throws FramewayException if it has failed: the server refuses the member, or cannot be reached
   *     for longer than the patience of the client
   * @throws InterruptedException if the thread is interrupted meanwhile
   */
  public void await() throws InterruptedException {
    thread.join();
    if (failure != null) {
      throw failure.with(failure.getMessage());
    }
  }

  /**
   * Ends the consumer. Waits until the running handlers have ended and their frames are
   * acknowledged. Frames that no handler has begun go back at once; this counts as a delivery
   * attempt. Frames that are still on their way come back after their deadlines. A handler must not
   * call this; it may call {@link #cancel}.
   *
   * @throws FramewayException if the consumer has failed
   */
  @Override
  public void close() {
    synchronized (monitor) {
      isClosing = true;
      monitor.notifyAll();
    }
    try {
      await();
    } catch (InterruptedException interrupted) {
      cancel();
      Thread.currentThread().interrupt();
    }
  }

  /**
   * Ends the consumer at once. The threads of an executor that it owns are interrupted. Frames that
   * are not acknowledged are delivered again after their deadlines.
   */
  public void cancel() {
    synchronized (monitor) {
      isCancelled = true;
      settler.cancel();
      monitor.notifyAll();
    }
    if (owned != null) {
      owned.shutdownNow();
    }
  }

  /** Returns the number of frames that no handler has begun. */
  int waitingFrames() {
    synchronized (monitor) {
      return waiting.size();
    }
  }

  private void run() {
    try {
      for (var work = step(); work != null; work = step()) {
        work.forEach(Runnable::run);
      }
    } catch (RuntimeException | Error failed) {
      failure = FramewayException.ofThread(failed);
    }
    try {
      end();
    } catch (InterruptedException interrupted) {
      LOG.log(Level.DEBUG, "the consumer was interrupted");
    }
  }

  private boolean isEnding() {
    return isClosing || isCancelled || isComplete() && waiting.isEmpty();
  }

  private boolean isComplete() {
    return call.isDone() || request.hasStopAfterFrames() && request.getStopAfterFrames() == 0;
  }

  /**
   * Returns the code of the program to call, which is done without the monitor; null at the end.
   */
  private List<Runnable> step() {
    var work = new ArrayList<Runnable>();
    synchronized (monitor) {
      while (work.isEmpty()) {
        if (isEnding()) {
          return null;
        }
        if (settler.failure() != null) {
          throw settler.failure();
        }
        var message = isComplete() ? null : call.poll();
        if (message != null) {
          receive(message, work);
        }
        for (; running < options.parallelism && !waiting.isEmpty(); running++) {
          var frame = waiting.remove();
          work.add(() -> begin(frame));
        }
        if (message == null && work.isEmpty() && !isEnding()) {
          Time.await(monitor, isComplete() ? Long.MAX_VALUE : call.waitNanos());
        }
      }
    }
    return work;
  }

  private void receive(ConsumeFramesResponse message, List<Runnable> work) {
    switch (message.getEventCase()) {
      case READY -> settler.deadline(Time.of(message.getReady().getAckDeadline()));
      case FRAME -> {
        call.progressed();
        if (settler.hold(message.getFrame().getAckId())) {
          waiting.add(message.getFrame());
          if (request.hasStopAfterFrames()) {
            request.setStopAfterFrames(request.getStopAfterFrames() - 1);
          }
        }
      }
      case GAP -> {
        call.progressed();
        work.add(() -> handler.gap(message.getGap()));
      }
      case HEARTBEAT -> call.alive();
      // The server ends the call after `draining`, with a pause. Others are of a newer server.
      default -> {}
    }
  }

  private void begin(ConsumedFrame frame) {
    try {
      executor.execute(() -> handle(frame));
    } catch (RejectedExecutionException full) {
      settled(frame, full);
    }
  }

  private void handle(ConsumedFrame frame) {
    Throwable thrown = null;
    try {
      handler.handle(frame);
    } catch (Throwable any) {
      LOG.log(isCancelled ? Level.DEBUG : Level.WARNING, "the handler has thrown", any);
      thrown = any;
    }
    settled(frame, thrown);
  }

  private void settled(ConsumedFrame frame, Throwable thrown) {
    var ackId = frame.getAckId();
    synchronized (monitor) {
      running--;
      if (thrown == null) {
        settler.acknowledge(ackId);
      } else {
        var reason = shortened(thrown.toString());
        settler.reject(Rejection.newBuilder().setAckId(ackId).setReason(reason));
      }
    }
  }

  private static String shortened(String text) {
    var bytes = ByteString.copyFromUtf8(text);
    return bytes.size() <= MAX_REASON_BYTES
        ? text
        : bytes.substring(0, MAX_REASON_BYTES - 3).toStringUtf8();
  }

  /** Ends what the consumer has begun. */
  private void end() throws InterruptedException {
    boolean hasWaiting;
    synchronized (monitor) {
      call.cancel();
      hasWaiting = failure == null && !waiting.isEmpty();
    }
    if (hasWaiting) {
      awaitLeave();
    }
    synchronized (monitor) {
      if (failure == null) {
        waiting.forEach(this::giveBack);
      } else {
        settler.hurry();
      }
      waiting.clear();
      while (running > 0 && !isCancelled) {
        monitor.wait();
      }
      settler.finish();
    }
    settler.join();
    failure = failure == null ? settler.failure() : failure;
    if (owned != null) {
      owned.shutdown();
    }
    client.closed(this);
  }

  /**
   * Waits, for a second at most, until the server has noticed that the member has left. Frames that
   * go back before could be sent to this member again.
   */
  private void awaitLeave() throws InterruptedException {
    var ask = GetConsumerGroupRequest.newBuilder().setGroupId(request.getGroupId()).build();
    var groups = client.groups().withDeadlineAfter(LEAVE_TIMEOUT);
    try {
      while (!isCancelled) {
        var members = groups.getConsumerGroup(ask).getGroup().getStatus().getMembersList();
        if (members.stream().noneMatch(one -> one.getMemberId().equals(request.getMemberId()))) {
          return;
        }
        Thread.sleep(20);
      }
    } catch (StatusRuntimeException notReadable) {
      LOG.log(Level.DEBUG, "the members cannot be read: {0}", notReadable.getMessage());
    }
  }

  private void giveBack(ConsumedFrame frame) {
    settler.reject(
        Rejection.newBuilder()
            .setAckId(frame.getAckId())
            .setReason("the member was closed before it began")
            .setRetryDelay(Time.of(Duration.ZERO)));
  }

  /** The settings of a consumer. */
  public static final class Builder {
    private final FramewayClient client;
    private ConsumeFramesRequest.Builder request = ConsumeFramesRequest.newBuilder();
    private int parallelism = Runtime.getRuntime().availableProcessors();
    private Executor executor;

    Builder(FramewayClient client, String groupId) {
      this.client = client;
      request.setGroupId(groupId).setMemberId("java-" + UUID.randomUUID());
    }

    /**
     * Sets the name of the member. A program that restarts under the same name receives its frames
     * again at once; by default each consumer has a random name.
     *
     * @param memberId the name; a call ends an earlier one under the same name
     * @return this builder
     */
    public Builder memberId(String memberId) {
      request.setMemberId(memberId);
      return this;
    }

    /**
     * Sets everything else that the contract offers: pictures, bounds, the end.
     *
     * @param settings changes the request
     * @return this builder
     */
    public Builder request(Consumer<ConsumeFramesRequest.Builder> settings) {
      settings.accept(request);
      return this;
    }

    /**
     * Sets the maximum number of handlers that run at once; the number of processors if unset.
     *
     * @param handlers the maximum number
     * @return this builder
     */
    public Builder parallelism(int handlers) {
      parallelism = handlers;
      return this;
    }

    /**
     * Runs handlers on an executor of the program. By default the consumer has threads of its own.
     *
     * @param handlers the executor, which is not shut down
     * @return this builder
     */
    public Builder executor(Executor handlers) {
      executor = handlers;
      return this;
    }

    /**
     * Joins the group. The connection is opened in the background.
     *
     * @param handler the code that handles a frame
     * @return the consumer
     */
    public GroupConsumer start(Handler handler) {
      return new GroupConsumer(this, handler);
    }
  }
}
