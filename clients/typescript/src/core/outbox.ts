import { durationMs } from "@bufbuild/protobuf/wkt";
import { type Frame, type FrameResult } from "../gen/frameway/v1/frame_pb.js";
import {
  type PublisherPosition,
  type SubmitBatchResult,
  type SubmitReady,
  type SubmitThrottle,
} from "../gen/frameway/v1/streaming_service_pb.js";
import { type FramewayError, itemError } from "./errors.js";
import { MAX_PAUSE_MS } from "./pauses.js";

/** The outcome of a frame. */
export type Fate =
  /** It is stored. */
  | { readonly outcome: "accepted"; readonly sequence: number }
  /** It had been stored before, under the same publisher sequence. */
  | { readonly outcome: "duplicate"; readonly sequence: number }
  /** It is not stored, and sending it again as it is would not help. */
  | { readonly outcome: "rejected"; readonly error: FramewayError }
  /** It may be stored or not, and the publisher has ended. Publish it again under the same publisher sequence. */
  | { readonly outcome: "unconfirmed"; readonly error: FramewayError | undefined };

/** The maximum bytes of a frame's fields without its picture, attributes and trace. */
const FRAME_FIELDS_BYTES = 1024;

/** Returns the maximum size of a frame in a message. */
export function frameBytes({ data, attributes, traceparent, tracestate }: Frame): number {
  const texts = Object.entries(attributes).reduce((sum, [key, value]) => sum + 8 + 3 * (key.length + value.length), 0);
  return data.length + texts + traceparent.length + tracestate.length + FRAME_FIELDS_BYTES;
}

/** An undecided frame. */
interface Entry {
  readonly frame: Frame;
  readonly bytes: number;
  readonly decide: (fate: Fate) => void;
  readonly since: number;
  sent: boolean;
  refusal: FramewayError | undefined;
}

/** The pace that the server asks for. */
interface Pace {
  pausedUntil: number;
  /** The least time between frames, and for each byte, in milliseconds. */
  perFrameMs: number;
  perByteMs: number;
  /** The time before which the next frame must not be sent. */
  next: number;
}

const FREE: Pace = { pausedUntil: 0, perFrameMs: 0, perByteMs: 0, next: 0 };

interface StreamQueue {
  readonly waiting: Entry[];
  /** Unconfirmed frames, in order. They wait until no frame of the stream is in flight. */
  readonly returned: Entry[];
  inFlight: number;
  notBefore: number;
  pace: Pace;
}

/** The bounds of a call. */
export interface Window {
  readonly batchFrames: number;
  readonly batchBytes: number;
  readonly batches: number;
  readonly bytes: number;
  readonly lingerMs: number;
}

/**
 * The undecided frames of a publisher: those that wait and those in flight. Has no clock and does no I/O.
 *
 * Frames of a stream never overtake each other: after one of them is refused for a time, its stream sends nothing until
 * all of its frames in flight are answered.
 */
export class Outbox {
  readonly #streams = new Map<string, StreamQueue>();
  #inFlight: { readonly id: bigint; readonly bytes: number; readonly entries: readonly Entry[] }[] = [];
  #inFlightBytes = 0;
  #nextId = 1n;
  #pace = FREE;
  /** The undecided frames. */
  frames = 0;
  /** Their bytes. */
  bytes = 0;

  get unanswered(): number {
    return this.#inFlight.length;
  }

  /** Returns the streams with undecided frames. */
  get streams(): string[] {
    return [...this.#streams].filter(([, { waiting }]) => waiting.length > 0).map(([id]) => id);
  }

  push(frame: Frame, now: number, decide: (fate: Fate) => void): void {
    const bytes = frameBytes(frame);
    this.frames++;
    this.bytes += bytes;
    this.#stream(frame.streamId).waiting.push({ frame, bytes, decide, since: now, sent: false, refusal: undefined });
  }

  /** Returns the time at which a batch may be sent; undefined if an answer or a frame must come first. */
  readyAt(window: Window, flush: boolean): number | undefined {
    if (this.#inFlight.length >= window.batches) return undefined;
    const queues = [...this.#streams.values()].filter(canSend);
    const smallest = Math.min(...queues.map(({ waiting }) => waiting[0]?.bytes ?? 0));
    if (queues.length === 0 || (this.#inFlight.length > 0 && this.#inFlightBytes + smallest > window.bytes))
      return undefined;
    const full = flush || this.frames >= window.batchFrames || this.bytes >= window.batchBytes;
    const ready = (queue: StreamQueue) => (full ? 0 : (queue.waiting[0]?.since ?? 0) + window.lingerMs);
    return Math.min(...queues.map((queue) => Math.max(this.#readyAt(queue), ready(queue))));
  }

  /** Removes the next batch from the waiting frames. Streams take turns. */
  nextBatch(window: Window, now: number): { batchId: bigint; frames: Frame[] } | undefined {
    if (this.#inFlight.length >= window.batches) return undefined;
    const room = Math.min(window.bytes - this.#inFlightBytes, window.batchBytes);
    const entries: Entry[] = [];
    let bytes = 0;
    for (const [id, queue] of [...this.#streams]) {
      for (let entry = queue.waiting[0]; entry !== undefined; entry = queue.waiting[0]) {
        // A frame that alone exceeds the limit is sent, and the server refuses it.
        const fits = bytes + entry.bytes <= room || (entries.length === 0 && this.#inFlight.length === 0);
        if (entries.length >= window.batchFrames || !fits || !canSend(queue) || this.#readyAt(queue) > now) break;
        queue.waiting.shift();
        queue.inFlight++;
        queue.pace = sent(queue.pace, now, entry.bytes);
        this.#pace = sent(this.#pace, now, entry.bytes);
        bytes += entry.bytes;
        entry.sent = true;
        entries.push(entry);
        // The stream goes to the end of the line.
        this.#streams.delete(id);
        this.#streams.set(id, queue);
      }
    }
    if (entries.length === 0) return undefined;
    const batchId = this.#nextId++;
    this.#inFlight.push({ id: batchId, bytes, entries });
    this.#inFlightBytes += bytes;
    return { batchId, frames: entries.map(({ frame }) => frame) };
  }

  /** Records the answer to a batch. Returns false if it does not answer the oldest one in flight. */
  answered({ batchId, results }: Pick<SubmitBatchResult, "batchId" | "results">, now: number): boolean {
    const batch = this.#inFlight[0];
    if (batch?.id !== batchId || batch.entries.length !== results.length) return false;
    this.#inFlight.shift();
    this.#inFlightBytes -= batch.bytes;
    batch.entries.forEach((entry, index) => {
      const queue = this.#stream(entry.frame.streamId);
      queue.inFlight--;
      const fate = fateOf(results[index]);
      if (fate.outcome === "unconfirmed") {
        entry.refusal = fate.error;
        queue.notBefore = Math.max(queue.notBefore, now + Math.min(fate.error?.retryDelayMs ?? 0, MAX_PAUSE_MS));
        queue.returned.push(entry);
      } else {
        this.#decide(entry, fate);
      }
      requeue(queue);
    });
    return true;
  }

  /** Puts unanswered frames back, in order, after the call has ended: they may be stored. */
  callEnded(): void {
    for (const { entries } of this.#inFlight) {
      for (const entry of entries) {
        const queue = this.#stream(entry.frame.streamId);
        queue.inFlight--;
        queue.returned.push(entry);
      }
    }
    this.#inFlight = [];
    this.#inFlightBytes = 0;
    this.#pace = FREE;
    for (const [id, queue] of this.#streams) {
      requeue(queue);
      queue.pace = FREE;
      if (queue.waiting.length === 0) this.#streams.delete(id);
    }
  }

  /**
   * Decides the frames that are stored according to the server's positions.
   *
   * A position proves only that its own frame is stored. One with a lower publisher sequence may have been refused in an
   * answer that was lost, so it is sent again.
   */
  resume(positions: readonly PublisherPosition[]): void {
    for (const { streamId, lastPublisherSequence, lastSequence } of positions) {
      const waiting = this.#streams.get(streamId)?.waiting ?? [];
      const at = waiting.findIndex(({ sent, frame }) => sent && frame.publisherSequence === lastPublisherSequence);
      const [entry] = at < 0 ? [] : waiting.splice(at, 1);
      if (entry) this.#decide(entry, { outcome: "duplicate", sequence: Number(lastSequence) });
    }
  }

  /** Keeps to the pace that the server asks for, until the call ends. */
  throttle({ streamId, pause, maxFps, maxBytesPerSecond }: SubmitThrottle, now: number): void {
    const pace: Pace = {
      pausedUntil: now + (pause ? durationMs(pause) : 0),
      perFrameMs: maxFps ? 1000 / maxFps : 0,
      perByteMs: maxBytesPerSecond ? 1000 / Number(maxBytesPerSecond) : 0,
      next: 0,
    };
    if (streamId === "") this.#pace = pace;
    else this.#stream(streamId).pace = pace;
  }

  /** Decides every frame as unconfirmed. */
  abandon(error: FramewayError | undefined): void {
    this.callEnded();
    for (const { waiting } of this.#streams.values()) {
      for (const entry of waiting) this.#decide(entry, { outcome: "unconfirmed", error: entry.refusal ?? error });
    }
    this.#streams.clear();
  }

  #stream(id: string): StreamQueue {
    const queue = this.#streams.get(id) ?? { waiting: [], returned: [], inFlight: 0, notBefore: 0, pace: FREE };
    this.#streams.set(id, queue);
    return queue;
  }

  #readyAt({ notBefore, pace }: StreamQueue): number {
    return Math.max(notBefore, pace.pausedUntil, pace.next, this.#pace.pausedUntil, this.#pace.next);
  }

  #decide(entry: Entry, fate: Fate): void {
    this.frames--;
    this.bytes -= entry.bytes;
    entry.decide(fate);
  }
}

function canSend({ waiting, returned }: StreamQueue): boolean {
  return waiting.length > 0 && returned.length === 0;
}

function requeue(queue: StreamQueue): void {
  if (queue.inFlight === 0) queue.waiting.unshift(...queue.returned.splice(0));
}

function sent(pace: Pace, now: number, bytes: number): Pace {
  const wait = Math.min(Math.max(pace.perFrameMs, bytes * pace.perByteMs), 60_000);
  return wait > 0 ? { ...pace, next: now + wait } : pace;
}

/** Reads one result; a missing or unknown one is unconfirmed. */
export function fateOf(result: FrameResult | undefined): Fate {
  const outcome = result?.outcome;
  switch (outcome?.case) {
    case "accepted":
    case "duplicate":
      return { outcome: outcome.case, sequence: Number(outcome.value.sequence) };
    case "rejected":
      if (outcome.value.retryDelay === undefined) return { outcome: "rejected", error: itemError(outcome.value) };
      return { outcome: "unconfirmed", error: itemError(outcome.value) };
    case "unconfirmed":
      return { outcome: "unconfirmed", error: itemError(outcome.value) };
    case undefined:
      return { outcome: "unconfirmed", error: undefined };
  }
}

/** Returns the bounds of a call: those of the server, and those of the publisher. */
export function windowOf(
  ready: Omit<SubmitReady, "$typeName" | "positions">,
  own: Pick<Window, "batchFrames" | "batchBytes" | "lingerMs">,
): Window {
  const margin = 1 << 16;
  return {
    batchFrames: Math.max(Math.min(own.batchFrames, ready.maxBatchFrames), 1),
    batchBytes: Math.min(own.batchBytes, Number(ready.maxMessageBytes) - margin),
    batches: Math.max(ready.maxInFlightBatches, 1),
    bytes: Number(ready.maxInFlightBytes),
    lingerMs: own.lingerMs,
  };
}
