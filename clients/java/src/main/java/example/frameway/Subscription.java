package example.frameway;

import example.frameway.v1.CursorList;
import example.frameway.v1.StartPosition;
import example.frameway.v1.StreamCursor;
import example.frameway.v1.StreamMatch;
import example.frameway.v1.SubscribeFramesRequest;
import example.frameway.v1.SubscribeFramesResponse;
import io.grpc.Status;
import java.io.IOException;
import java.time.Duration;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;

/**
 * The frames and gaps of streams. When the connection breaks, the subscription resumes after the
 * last event that was returned.
 *
 * <p>An event counts as handled when the next one is requested. One thread at a time reads; any
 * thread may close. A loop over the subscription ends when the server has sent everything that was
 * requested, or when the subscription is closed.
 */
public final class Subscription implements Iterable<Event>, AutoCloseable {
  /** The maximum bytes of messages that wait here; one message more may be on its way. */
  private static final long MAX_BYTES = 16 << 20;

  private static final long STORE_INTERVAL = Duration.ofSeconds(1).toNanos();
  private static final Duration FOREVER = Duration.ofDays(36_500);

  private final Object monitor = new Object();
  private final FramewayClient client;
  private final SubscribeFramesRequest.Builder request;
  private final CursorStore store;
  private final TreeMap<String, String> cursors = new TreeMap<>();
  private final Retry retry;
  private final LongCall<SubscribeFramesRequest, SubscribeFramesResponse> call;
  private boolean isStarted;
  private boolean isForeign;
  private boolean isChanged;
  private boolean isClosed;
  private long storedAt = Time.now();

  /** The event that the program handles. */
  private Event current;

  /** An event that the program has not received yet. */
  private Event next;

  Subscription(FramewayClient client, SubscribeFramesRequest request, CursorStore store) {
    this.client = client;
    this.request = request.toBuilder();
    this.store = store;
    if (!request.hasHeartbeatInterval()) {
      this.request.setHeartbeatInterval(Time.of(LongCall.HEARTBEAT));
    }
    for (var selector : this.request.getSelectorsBuilderList()) {
      selector.setPictures(client.bounded(selector.getPictures()));
    }
    if (store != null) {
      load();
    }
    retry = new Retry(client.patience());
    var heartbeat = Time.of(this.request.getHeartbeatInterval());
    call =
        new LongCall<>(
            monitor,
            client,
            retry,
            MAX_BYTES,
            true,
            heartbeat,
            answers -> client.longCalls().subscribeFrames(resumedRequest(), answers));
    client.opened(this, this::close);
  }

  private void load() {
    try {
      cursors.putAll(store.load());
    } catch (IOException unreadable) {
      throw failed("read", unreadable);
    }
    isStarted = !cursors.isEmpty();
    isForeign = isStarted;
  }

  /**
   * Waits until the start of every stream is fixed. Frames that are published from then on are
   * delivered, or are in a gap.
   *
   * @throws FramewayException as {@link #take}
   */
  public void awaitStart() {
    synchronized (monitor) {
      run(FOREVER, () -> isStarted || next != null);
    }
  }

  /**
   * Waits for the next event.
   *
   * @return the event; empty when the subscription has ended or is closed
   * @throws FramewayException if the server refuses the subscription, if it cannot be reached for
   *     longer than the patience of the client, or if the cursors cannot be stored
   */
  public Optional<Event> take() {
    return poll(FOREVER);
  }

  /**
   * Waits for the next event, but not longer than {@code timeout}.
   *
   * @param timeout the maximum wait
   * @return the event; empty after the timeout, or when the subscription has ended or is closed
   * @throws FramewayException as {@link #take}
   */
  public Optional<Event> poll(Duration timeout) {
    synchronized (monitor) {
      if (current != null) {
        advance(current.streamId(), current.cursor());
        // The time that the program took for the event is no silence of the server.
        retry.alive();
      }
      run(timeout, () -> next != null);
      current = next;
      next = null;
      return Optional.ofNullable(current);
    }
  }

  /** Receives messages until a condition holds, the time is over, or the subscription ends. */
  private void run(Duration timeout, BooleanSupplier isMet) {
    var deadline = Time.now() + timeout.toNanos();
    while (!isMet.getAsBoolean() && !isEnded()) {
      storeIfDue();
      var message = call.poll();
      if (message != null) {
        record(message);
      } else if (Time.now() >= deadline) {
        return;
      } else if (!isEnded()) {
        var wait = Math.min(deadline - Time.now(), call.waitNanos());
        Time.await(monitor, isChanged ? Math.min(wait, STORE_INTERVAL) : wait);
      }
    }
    if (isEnded()) {
      storeNow();
    }
  }

  /**
   * Returns whether no event will follow.
   *
   * @return true if the server has sent everything, or the subscription is closed
   */
  public boolean isEnded() {
    synchronized (monitor) {
      return isClosed
          || call.isDone()
          || isStarted && request.hasStopAfterFrames() && request.getStopAfterFrames() == 0;
    }
  }

  /**
   * Returns the positions after the last events that were returned.
   *
   * @return the cursors by stream
   */
  public Map<String, String> cursors() {
    synchronized (monitor) {
      var all = new TreeMap<>(cursors);
      if (current != null) {
        all.put(current.streamId(), current.cursor());
      }
      return Collections.unmodifiableMap(all);
    }
  }

  @Override
  public Iterator<Event> iterator() {
    return new Iterator<>() {
      private Optional<Event> next = Optional.empty();

      @Override
      public boolean hasNext() {
        if (next.isEmpty()) {
          next = take();
        }
        return next.isPresent();
      }

      @Override
      public Event next() {
        if (!hasNext()) {
          throw new NoSuchElementException("the subscription has ended");
        }
        var event = next.get();
        next = Optional.empty();
        return event;
      }
    };
  }

  /** Ends the call. A thread that waits for an event returns. */
  @Override
  public void close() {
    client.closed(this);
    synchronized (monitor) {
      isClosed = true;
      call.cancel();
      monitor.notifyAll();
      storeNow();
    }
  }

  /** Records the progress of a message. A frame or a gap is the next event. */
  private void record(SubscribeFramesResponse message) {
    switch (message.getEventCase()) {
      case FRAME -> {
        var delivered = message.getFrame();
        next = new Event.Frame(delivered.getFrame(), delivered.getCursor());
        call.progressed();
        if (request.hasStopAfterFrames()) {
          request.setStopAfterFrames(request.getStopAfterFrames() - 1);
        }
      }
      case GAP -> {
        next = new Event.Gap(message.getGap().getGap(), message.getGap().getCursor());
        call.progressed();
      }
      case HEARTBEAT -> call.alive();
      case CHECKPOINT -> {
        var positions = message.getCheckpoint().getCursorsList();
        refuseForeign(positions);
        isStarted = true;
        positions.forEach(one -> advance(one.getStreamId(), one.getCursor()));
      }
      case DRAINING -> {
        var draining = message.getDraining();
        draining.getCursorsList().forEach(one -> advance(one.getStreamId(), one.getCursor()));
        call.reopenAfter(draining.getReconnectDelay());
      }
      // A message of a newer server.
      default -> {}
    }
  }

  private void advance(String stream, String cursor) {
    if (!cursor.isEmpty() && !cursor.equals(cursors.put(stream, cursor))) {
      isChanged = true;
    }
  }

  /**
   * Refuses stored cursors of other streams. The server would ignore them and start at the
   * beginning of the streams that it sends.
   */
  private void refuseForeign(List<StreamCursor> positions) {
    if (isForeign
        && !positions.isEmpty()
        && positions.stream().noneMatch(one -> cursors.containsKey(one.getStreamId()))) {
      var text =
          "the cursors in "
              + store
              + " are of other streams ("
              + cursors.firstKey()
              + "), not of "
              + positions.get(0).getStreamId()
              + ": name another file, or remove it to start anew";
      throw new FramewayException(Status.FAILED_PRECONDITION, text, null);
    }
    isForeign = false;
  }

  private SubscribeFramesRequest resumedRequest() {
    var resumed = request.clone();
    if (isStarted) {
      for (var selector : resumed.getSelectorsBuilderList()) {
        var list = CursorList.newBuilder();
        cursors.forEach(
            (stream, cursor) -> {
              if (maySelect(selector.getStreamsList(), stream)) {
                list.addCursors(StreamCursor.newBuilder().setStreamId(stream).setCursor(cursor));
              }
            });
        if (list.getCursorsCount() > 0) {
          selector.setStart(StartPosition.newBuilder().setCursors(list));
        }
      }
    }
    return resumed.build();
  }

  private static boolean maySelect(List<StreamMatch> matches, String stream) {
    return matches.stream().anyMatch(one -> !one.hasId() || one.getId().equals(stream));
  }

  private void storeIfDue() {
    if (Time.now() - storedAt >= STORE_INTERVAL) {
      storeNow();
    }
  }

  private void storeNow() {
    if (store != null && isChanged && !isForeign) {
      try {
        store.save(cursors);
      } catch (IOException full) {
        throw failed("written", full);
      }
      storedAt = Time.now();
      isChanged = false;
    }
  }

  private FramewayException failed(String verb, IOException cause) {
    var text = "the cursors in " + store + " cannot be " + verb + ": " + cause.getMessage();
    return new FramewayException(Status.DATA_LOSS, text, cause);
  }
}
