package example.frameway;

import example.frameway.v1.AckResult;
import example.frameway.v1.AcknowledgeFramesRequest;
import example.frameway.v1.ExtendAckDeadlineRequest;
import example.frameway.v1.RejectFramesRequest;
import example.frameway.v1.Rejection;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Queue;
import java.util.Set;
import java.util.function.Supplier;

/**
 * Acknowledges and rejects the frames of a member, and extends the deadlines of those that it
 * holds. It runs on a thread of its own, so that a server that is away delays nothing else.
 */
final class Settler {
  /** The maximum ack ids of a call. */
  private static final int MAX_IDS = 1_000;

  /** Deadlines are extended when this part of them has passed. */
  private static final int PARTS = 3;

  private static final System.Logger LOG = System.getLogger("example.frameway");

  private final Object monitor;
  private final FramewayClient client;
  private final String groupId;
  private final Thread thread;
  private final Set<String> held = new LinkedHashSet<>();
  private final Queue<String> acks = new ArrayDeque<>();
  private final Queue<Rejection> rejections = new ArrayDeque<>();
  private long interval = Duration.ofSeconds(10).toNanos();
  private long extendAt = Long.MAX_VALUE;
  private Duration patience;
  private boolean isFinishing;
  private boolean isCancelled;
  private FramewayException failure;

  /** Shares the monitor of the consumer, which holds it during every method but {@code join}. */
  Settler(Object monitor, FramewayClient client, String groupId) {
    this.monitor = monitor;
    this.client = client;
    this.groupId = groupId;
    this.patience = client.patience();
    thread = new Thread(this::run, "frameway-settler-" + groupId);
    thread.setDaemon(true);
    thread.start();
  }

  /** Records the group's time to acknowledge a frame. */
  void deadline(Duration ackDeadline) {
    interval = ackDeadline.toNanos() / PARTS;
    extendAt = Math.min(extendAt, Time.now() + interval);
    monitor.notifyAll();
  }

  /** Begins to hold a frame; returns false if it is held already, so that it came again. */
  boolean hold(String ackId) {
    return held.add(ackId);
  }

  void acknowledge(String ackId) {
    acks.add(ackId);
    monitor.notifyAll();
  }

  void reject(Rejection.Builder rejection) {
    rejections.add(rejection.build());
    monitor.notifyAll();
  }

  /** Ends the thread when everything is settled. */
  void finish() {
    isFinishing = true;
    monitor.notifyAll();
  }

  /** Ends the thread after one attempt, because the server is away or refuses the member. */
  void hurry() {
    patience = Duration.ZERO;
  }

  /** Ends the thread at once. */
  void cancel() {
    isCancelled = true;
    thread.interrupt();
  }

  /** Returns the error after which nothing is settled any more; null if there is none. */
  FramewayException failure() {
    return failure;
  }

  void join() throws InterruptedException {
    thread.join();
  }

  private void run() {
    try {
      while (step()) {}
    } catch (RuntimeException | Error failed) {
      synchronized (monitor) {
        failure = isCancelled ? null : FramewayException.ofThread(failed);
        monitor.notifyAll();
      }
    }
  }

  private boolean step() {
    List<String> done;
    List<Rejection> refused;
    List<String> extended = List.of();
    synchronized (monitor) {
      while (acks.isEmpty() && rejections.isEmpty() && !isFinishing && Time.now() < extendAt) {
        Time.await(monitor, extendAt - Time.now());
      }
      if (isCancelled || isFinishing && acks.isEmpty() && rejections.isEmpty()) {
        return false;
      }
      done = take(acks);
      refused = take(rejections);
      if (Time.now() >= extendAt) {
        extended = new ArrayList<>(held);
        extended.removeAll(done);
        extendAt = Time.now() + interval;
      }
    }
    var stub = client.streaming();
    var ids = refused.stream().map(Rejection::getAckId).toList();
    settle(
        "acknowledged",
        done,
        () ->
            stub.acknowledgeFrames(
                    AcknowledgeFramesRequest.newBuilder()
                        .setGroupId(groupId)
                        .addAllAckIds(done)
                        .build())
                .getResultsList());
    settle(
        "rejected",
        ids,
        () ->
            stub.rejectFrames(
                    RejectFramesRequest.newBuilder()
                        .setGroupId(groupId)
                        .addAllRejections(refused)
                        .build())
                .getResultsList());
    for (var from = 0; from < extended.size(); from += MAX_IDS) {
      var part = extended.subList(from, Math.min(from + MAX_IDS, extended.size()));
      settle(
          "extended",
          part,
          () ->
              stub.extendAckDeadline(
                      ExtendAckDeadlineRequest.newBuilder()
                          .setGroupId(groupId)
                          .addAllAckIds(part)
                          .build())
                  .getResultsList());
    }
    synchronized (monitor) {
      done.forEach(held::remove);
      ids.forEach(held::remove);
    }
    return true;
  }

  private static <T> List<T> take(Queue<T> queue) {
    var taken = new ArrayList<T>();
    while (!queue.isEmpty() && taken.size() < MAX_IDS) {
      taken.add(queue.remove());
    }
    return taken;
  }

  /** Makes a call, and repeats it while that may help. */
  private void settle(String verb, Collection<String> ids, Supplier<List<AckResult>> call) {
    var retry = new Retry(patience);
    while (!ids.isEmpty()) {
      try {
        for (var result : client.call(call)) {
          if (!result.hasDone()) {
            var error = result.getRefused();
            var reason = FramewayException.name(error.getReasonValue());
            LOG.log(
                Level.WARNING,
                "a frame of {0} is not {1}: {2} ({3})",
                groupId,
                verb,
                reason,
                error.getMessage());
          }
        }
        return;
      } catch (FramewayException failed) {
        var until = Time.now() + retry.pauseAfter(failed);
        LOG.log(
            Level.INFO, "frames of {0} are not {1} yet: {2}", groupId, verb, failed.getMessage());
        synchronized (monitor) {
          while (!isCancelled && Time.now() < until) {
            Time.await(monitor, until - Time.now());
          }
        }
      }
    }
  }
}
