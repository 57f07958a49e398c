package example.frameway;

import example.frameway.v1.Frame;
import example.frameway.v1.FrameResult;
import example.frameway.v1.ItemError;
import example.frameway.v1.SubmitBatch;
import example.frameway.v1.SubmitBatchResult;
import example.frameway.v1.SubmitReady;
import example.frameway.v1.SubmitThrottle;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The frames that the server has not decided about: those that wait, and those in flight.
 *
 * <p>Frames of a stream never overtake each other: after one of them is returned, its stream sends
 * nothing until all of its frames in flight are answered. The owner holds its monitor during every
 * method.
 */
final class Outbox {
  /** The maximum bytes of the fields around a frame, and of those around a batch. */
  private static final int OVERHEAD_BYTES = 32;

  /** The part of the server's maximum that a batch does not use. */
  private static final int MARGIN_BYTES = 1 << 16;

  /** An undecided frame. */
  static final class Entry {
    final CompletableFuture<Fate> fate = new CompletableFuture<>();
    private Frame frame;
    private final long bytes;
    private int attempts;

    private Entry(Frame frame) {
      this.frame = frame;
      this.bytes = size(frame);
    }
  }

  /** A fate that is known, and that the owner reports without holding its monitor. */
  record Decided(Entry entry, Fate fate) {
    void report() {
      entry.fate.complete(fate);
    }
  }

  /** The frames of one stream. */
  private static final class StreamQueue {
    private final String id;
    private final ArrayDeque<Entry> waiting = new ArrayDeque<>();
    private final ArrayDeque<Entry> returned = new ArrayDeque<>();
    private final Throttle throttle = new Throttle();
    private int inFlight;
    private long notBefore;

    /** The highest publisher sequence; negative if only the server knows it. */
    private long last = -1;

    private StreamQueue(String id) {
      this.id = id;
    }

    private boolean isBlocked() {
      return waiting.isEmpty() || !returned.isEmpty();
    }

    private long readyAt() {
      return Math.max(notBefore, throttle.readyAt());
    }

    /** Puts returned frames before the waiting ones, once nothing is in flight. */
    private void requeue() {
      while (inFlight == 0 && !returned.isEmpty()) {
        waiting.addFirst(returned.removeLast());
      }
    }
  }

  private record InFlight(long batchId, long bytes, List<Entry> entries) {}

  private final Publisher.Builder options;
  private final Map<String, StreamQueue> streams = new HashMap<>();

  /** The streams in the order in which they are served. */
  private final ArrayDeque<StreamQueue> turns = new ArrayDeque<>();

  private final ArrayDeque<InFlight> inFlight = new ArrayDeque<>();
  private final Throttle throttle = new Throttle();
  private SubmitReady limits;
  private long nextBatchId;
  private int frames;
  private long bytes;
  private int framesInFlight;
  private long bytesInFlight;
  private long lingerUntil;
  private long wakeAt;

  Outbox(Publisher.Builder options) {
    this.options = options;
  }

  boolean isEmpty() {
    return frames == 0;
  }

  boolean hasUnanswered() {
    return !inFlight.isEmpty();
  }

  /** Returns whether a frame may be added. One frame may always. */
  boolean hasRoom(Frame frame) {
    return frames == 0 || frames < options.maxFrames && bytes + size(frame) <= options.maxBytes;
  }

  private static long size(Frame frame) {
    return frame.getSerializedSize() + OVERHEAD_BYTES;
  }

  private StreamQueue stream(String id) {
    return streams.computeIfAbsent(
        id,
        name -> {
          var queue = new StreamQueue(name);
          turns.add(queue);
          return queue;
        });
  }

  Entry add(Frame frame) {
    var entry = new Entry(frame);
    if (frames == framesInFlight) {
      lingerUntil = Time.now() + options.linger.toNanos();
    }
    frames++;
    bytes += entry.bytes;
    stream(frame.getStreamId()).waiting.add(entry);
    return entry;
  }

  /** Returns streams whose frames have no numbers, because their positions are not known. */
  List<String> unnumbered() {
    return turns.stream()
        .filter(
            one ->
                one.last < 0
                    && !one.waiting.isEmpty()
                    && !one.waiting.peek().frame.hasPublisherSequence())
        .map(one -> one.id)
        .limit(Publisher.MAX_RESUME_STREAMS)
        .toList();
  }

  /** Continues the numbers of a stream after the last one that is stored. */
  void resume(String streamId, long lastPublisherSequence) {
    var stream = stream(streamId);
    stream.last = Math.max(stream.last, lastPublisherSequence);
  }

  /** Begins a call with the limits of the server. */
  void ready(SubmitReady ready) {
    limits = ready;
  }

  void throttled(SubmitThrottle asked) {
    var one = asked.getStreamId().isEmpty() ? throttle : stream(asked.getStreamId()).throttle;
    one.set(asked);
  }

  /** Returns the nanoseconds until a batch may be due; `nextBatch` was called just before. */
  long waitNanos() {
    return wakeAt - Time.now();
  }

  /** Removes the next batch from the waiting frames; null if none is due. */
  SubmitBatch nextBatch(boolean isUrgent) {
    wakeAt = Long.MAX_VALUE;
    var waitingFrames = frames - framesInFlight;
    if (limits == null
        || waitingFrames == 0
        || inFlight.size() >= Math.max(1, limits.getMaxInFlightBatches())) {
      return null;
    }
    var isFull =
        waitingFrames >= options.batchFrames || bytes - bytesInFlight >= options.batchBytes;
    if (!isUrgent && !isFull && Time.now() < lingerUntil) {
      wakeAt = lingerUntil;
      return null;
    }
    var maxFrames = Math.max(1, Math.min(options.batchFrames, limits.getMaxBatchFrames()));
    var room =
        Math.min(
            options.batchBytes,
            Math.min(
                limits.getMaxMessageBytes() - MARGIN_BYTES,
                limits.getMaxInFlightBytes() - bytesInFlight));
    var taken = new ArrayList<Entry>();
    var size = take(taken, maxFrames, room);
    if (taken.isEmpty()) {
      return null;
    }
    inFlight.add(new InFlight(nextBatchId, size, taken));
    framesInFlight += taken.size();
    bytesInFlight += size;
    var batch = SubmitBatch.newBuilder().setBatchId(nextBatchId++);
    taken.forEach(entry -> batch.addFrames(entry.frame));
    return batch.build();
  }

  /** Takes frames of the streams in turn; returns their bytes. */
  private long take(List<Entry> taken, int maxFrames, long room) {
    long size = 0;
    for (var left = turns.size(); left > 0 && taken.size() < maxFrames; left--) {
      var stream = turns.remove();
      turns.add(stream);
      while (!stream.isBlocked() && taken.size() < maxFrames) {
        var readyAt = Math.max(stream.readyAt(), throttle.readyAt());
        if (readyAt > Time.now()) {
          wakeAt = Math.min(wakeAt, readyAt);
          break;
        }
        var entry = stream.waiting.peek();
        // A frame that alone exceeds the limit is sent, and the server refuses it.
        var fits =
            size + entry.bytes <= room
                || taken.isEmpty()
                    && (inFlight.isEmpty()
                        || bytesInFlight + entry.bytes <= limits.getMaxInFlightBytes());
        if (!fits || !number(stream, entry)) {
          break;
        }
        stream.waiting.remove();
        stream.inFlight++;
        stream.throttle.sent(entry.bytes);
        throttle.sent(entry.bytes);
        entry.attempts++;
        size += entry.bytes;
        taken.add(entry);
      }
    }
    return size;
  }

  /** Gives a frame its publisher sequence; returns false if the position is not known yet. */
  private static boolean number(StreamQueue stream, Entry entry) {
    if (!entry.frame.hasPublisherSequence()) {
      if (stream.last < 0) {
        return false;
      }
      entry.frame = entry.frame.toBuilder().setPublisherSequence(stream.last + 1).build();
    }
    stream.last = Math.max(stream.last, entry.frame.getPublisherSequence());
    return true;
  }

  /** Records the answer to a batch; returns false if the batch is not the oldest in flight. */
  boolean answered(SubmitBatchResult answer, Consumer<Decided> decided) {
    var batch = inFlight.peek();
    if (batch == null
        || batch.batchId != answer.getBatchId()
        || batch.entries.size() != answer.getResultsCount()) {
      return false;
    }
    inFlight.remove();
    landed(batch);
    for (var i = 0; i < batch.entries.size(); i++) {
      var entry = batch.entries.get(i);
      var stream = stream(entry.frame.getStreamId());
      stream.inFlight--;
      var fate = fate(entry.frame, answer.getResults(i));
      if (fate == null) {
        stream.notBefore =
            Math.max(stream.notBefore, Time.now() + pause(entry, answer.getResults(i)));
        stream.returned.add(entry);
      } else {
        frames--;
        bytes -= entry.bytes;
        decided.accept(new Decided(entry, fate));
      }
      stream.requeue();
    }
    return true;
  }

  private void landed(InFlight batch) {
    framesInFlight -= batch.entries.size();
    bytesInFlight -= batch.bytes;
  }

  /** Returns the fate of a frame; null if it is to be sent again. */
  private static Fate fate(Frame frame, FrameResult result) {
    var stream = frame.getStreamId();
    var number = frame.getPublisherSequence();
    return switch (result.getOutcomeCase()) {
      case ACCEPTED -> new Fate.Accepted(stream, number, result.getAccepted().getSequence());
      case DUPLICATE -> new Fate.Duplicate(stream, number, result.getDuplicate().getSequence());
      case REJECTED ->
          result.getRejected().hasRetryDelay()
              ? null
              : new Fate.Rejected(stream, number, result.getRejected());
      // Unconfirmed, or an outcome of a newer server.
      default -> null;
    };
  }

  /** Returns the pause before a frame is sent again: at least a short one, which grows. */
  private static long pause(Entry entry, FrameResult result) {
    ItemError error = result.hasRejected() ? result.getRejected() : result.getUnconfirmed();
    return Retry.withJitter(
        Retry.pause(
            error.hasRetryDelay() ? Time.of(error.getRetryDelay()) : null, entry.attempts - 1));
  }

  /** Puts unanswered frames back to the waiting ones, in order, after the call has ended. */
  void callEnded() {
    for (InFlight batch; (batch = inFlight.poll()) != null; ) {
      landed(batch);
      for (var entry : batch.entries) {
        var stream = stream(entry.frame.getStreamId());
        stream.inFlight--;
        stream.returned.add(entry);
      }
    }
    limits = null;
    throttle.reset();
    turns.forEach(
        stream -> {
          stream.requeue();
          stream.throttle.reset();
        });
  }

  /** Removes every frame, which is unconfirmed. */
  List<Decided> abandon(FramewayException why) {
    callEnded();
    var all = new ArrayList<Decided>();
    for (var stream : turns) {
      for (Entry entry; (entry = stream.waiting.poll()) != null; ) {
        all.add(
            new Decided(
                entry, new Fate.Unconfirmed(stream.id, entry.frame.getPublisherSequence(), why)));
      }
    }
    frames = 0;
    bytes = 0;
    return all;
  }
}
