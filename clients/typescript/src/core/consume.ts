import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, durationMs } from "@bufbuild/protobuf/wkt";
import { type Client as Stub } from "@connectrpc/connect";
import { type PictureSelectionSchema, type ProcessedFrame } from "../gen/frameway/v1/processed_frame_pb.js";
import {
  type AckResult,
  type ConsumedFrame,
  type ConsumeFramesResponse,
  type RejectionSchema,
  RejectionSchema as Rejection,
  type StreamingService,
} from "../gen/frameway/v1/streaming_service_pb.js";
import { type Logger } from "./connection.js";
import { FramewayError, itemError } from "./errors.js";
import { follow, HEARTBEAT_MS } from "./follow.js";
import { Pauses, policyOf, Scope, sleep } from "./pauses.js";
import { withPictureLimit } from "./pictures.js";
import { gapCauses, type GapEvent } from "./subscribe.js";

/** A frame for a handler. */
export interface Delivery {
  readonly streamId: string;
  readonly sequence: number;
  readonly frame: ProcessedFrame;
  /** The delivery attempt of the group, counted from 1. */
  readonly attempt: number;
  /** Is aborted when the frame no longer belongs to this member, or the consumer is aborted. */
  readonly signal: AbortSignal;
}

/** Handles a frame. The frame is acknowledged when the promise resolves, and rejected when it rejects. */
export type Handler = (delivery: Delivery) => unknown;

/** An error for handlers that says how the frame is rejected. */
export class Rejected extends Error {
  /** `retryDelayMs` is the wait before the next attempt; `deadLetter` makes the frame a dead letter at once. */
  constructor(
    reason: string,
    readonly options: { readonly retryDelayMs?: number; readonly deadLetter?: boolean } = {},
  ) {
    super(reason);
    this.name = "Rejected";
  }
}

/** The options of a consumer. */
export interface ConsumeOptions {
  /** The group. */
  readonly groupId: string;
  /** The name of this member; a call ends an earlier one under the same name. */
  readonly memberId: string;
  /** The number of handlers at a time. The default is 4. */
  readonly concurrency?: number;
  /** The maximum number of frames that this member holds. The default is what the server chooses. */
  readonly maxOutstandingFrames?: number;
  /** The maximum bytes of the frames that this member holds. The default is 64 MiB. */
  readonly maxOutstandingBytes?: number;
  /** The pictures that come with a frame. The default is the processed one. */
  readonly pictures?: MessageInitShape<typeof PictureSelectionSchema>;
  /** Is called for frames that no member gets. */
  readonly onGap?: (gap: Omit<GapEvent, "cursor">) => void;
  /** The time between heartbeats, in milliseconds. Three of them without a message end the call, which is resumed. */
  readonly heartbeatMs?: number;
  /** The time without a sign of life after which the consumer gives up, in milliseconds. The default is 60,000. */
  readonly patienceMs?: number;
  /** Ends the consumer at once: nothing more is acknowledged. */
  readonly signal?: AbortSignal;
}

/** A frame that this member holds: it waits for a handler, is handled, or waits for its acknowledgement. */
interface Held {
  /** The one of the newest attempt: a frame may be delivered again while its handler runs. */
  ackId: string;
  readonly message: ConsumedFrame;
  readonly frame: ProcessedFrame;
  readonly scope: Scope;
  state: "waiting" | "running" | "settling";
  /** The next attempt, which came before the answer to the acknowledgement or rejection of this one. */
  next?: ConsumedFrame;
}

/** The maximum ids of a call. */
const MAX_IDS = 1000;
/** The number of acknowledged frames that are remembered, because their acknowledgement may cross a redelivery. */
const REMEMBERED = 1000;

/** A member of a consumer group. */
export class Consumer {
  /** Resolves after `close`; rejects when the consumer ends for another reason. */
  readonly closed: Promise<void>;
  readonly #held = new Map<string, Held>();
  readonly #acknowledged = new Set<string>();
  readonly #work: Scope;
  readonly #call: Scope;
  #acks: Held[] = [];
  #rejections: { held: Held; rejection: MessageInitShape<typeof RejectionSchema> }[] = [];
  #settling: Promise<void> | undefined;
  #extending: ReturnType<typeof setTimeout> | undefined;
  #deadlineMs = 30_000;
  #running = 0;
  #closing = false;
  #idle: () => void = () => undefined;

  constructor(
    private readonly stub: Stub<typeof StreamingService>,
    private readonly options: ConsumeOptions,
    private readonly handler: Handler,
    clientClosed: AbortSignal,
    private readonly logger: Logger | undefined,
  ) {
    this.#work = new Scope(options.signal, clientClosed);
    this.#call = new Scope(this.#work.signal);
    this.closed = this.#run().finally(() => {
      clearTimeout(this.#extending);
      this.#work.end();
      for (const { scope } of this.#held.values()) scope.end();
    });
    // The program may look at `closed` later.
    this.closed.catch(() => undefined);
  }

  /** Takes no more frames, gives back those that no handler has begun, and waits for the running handlers. */
  close(): Promise<void> {
    this.#closing = true;
    this.#call.abort();
    return this.closed;
  }

  async #run(): Promise<void> {
    try {
      await this.#receive();
    } catch (error) {
      if (!this.#closing || this.#work.signal.aborted) throw error;
    }
    for (const held of this.#held.values()) {
      if (held.state === "waiting")
        this.#reject(held, { reason: "the consumer closed", retryDelay: durationFromMs(0) });
    }
    this.#settle();
    if (this.#held.size > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        this.#work.signal.addEventListener("abort", () => {
          resolve();
        });
      });
    }
    this.#work.signal.throwIfAborted();
  }

  async #receive(): Promise<void> {
    const { groupId, memberId, maxOutstandingFrames, maxOutstandingBytes, heartbeatMs = HEARTBEAT_MS } = this.options;
    const request = {
      groupId,
      memberId,
      ...(maxOutstandingFrames !== undefined && { maxOutstandingFrames }),
      maxOutstandingBytes: BigInt(maxOutstandingBytes ?? 64 << 20),
      pictures: withPictureLimit(this.options.pictures),
      heartbeatInterval: durationFromMs(heartbeatMs),
    };
    const messages = follow<ConsumeFramesResponse>({
      open: (signal) => this.stub.consumeFrames(request, { signal }),
      proves: ({ event }) =>
        event.case === "frame" || event.case === "gap" ? "progress" : event.case === "heartbeat" ? "alive" : "nothing",
      policy: policyOf("frameway.v1.StreamingService", "ConsumeFrames"),
      heartbeatMs,
      patienceMs: this.options.patienceMs ?? 60_000,
      signal: this.#call.signal,
    });
    for await (const message of messages) {
      if ("type" in message) {
        this.logger?.warn(
          `consumer ${memberId} of ${groupId}: ${message.error.message}; joining again in ${Math.round(message.delayMs)} ms`,
        );
        continue;
      }
      const { event } = message;
      if (event.case === "ready") {
        if (event.value.ackDeadline) this.#deadlineMs = durationMs(event.value.ackDeadline);
        if (this.#extending === undefined) this.#extendLater();
      }
      if (event.case === "frame") this.#delivered(event.value);
      if (event.case === "gap") {
        const { streamId, fromSequence, toSequence } = event.value;
        const causes = gapCauses(event.value);
        this.options.onGap?.({
          type: "gap",
          streamId,
          from: Number(fromSequence),
          to: Number(toSequence),
          causes,
          gap: event.value,
        });
      }
    }
  }

  /** Takes a frame. One that this member holds already is matched to the work in progress. */
  #delivered(message: ConsumedFrame, isHandled = false): void {
    const { frame, ackId } = message;
    if (frame === undefined) return;
    const key = `${frame.streamId} ${frame.sequence}`;
    const held = this.#held.get(key);
    if (held?.state === "settling") {
      if (held.ackId !== ackId) held.next = message;
    } else if (held) {
      held.ackId = ackId;
    } else {
      const taken: Held = { ackId, message, frame, scope: new Scope(this.#work.signal), state: "waiting" };
      this.#held.set(key, taken);
      if (isHandled || this.#acknowledged.has(ackId)) this.#acknowledge(taken);
      else this.#start();
    }
  }

  #start(): void {
    for (const held of this.#held.values()) {
      if (this.#running >= (this.options.concurrency ?? 4) || this.#closing) return;
      if (held.state === "waiting") void this.#handle(held);
    }
  }

  async #handle(held: Held): Promise<void> {
    held.state = "running";
    this.#running++;
    const { frame, message, scope } = held;
    const delivery = {
      streamId: frame.streamId,
      sequence: Number(frame.sequence),
      frame,
      attempt: message.deliveryAttempt,
      signal: scope.signal,
    };
    try {
      await this.handler(delivery);
      this.#acknowledge(held);
    } catch (error) {
      const { retryDelayMs, deadLetter = false } = error instanceof Rejected ? error.options : {};
      const retryDelay = retryDelayMs === undefined ? {} : { retryDelay: durationFromMs(retryDelayMs) };
      this.#reject(held, { reason: shortened(error), deadLetter, ...retryDelay });
    } finally {
      this.#running--;
      this.#start();
    }
  }

  #acknowledge(held: Held): void {
    held.state = "settling";
    this.#acks.push(held);
    this.#settle();
  }

  #reject(held: Held, rejection: MessageInitShape<typeof RejectionSchema>): void {
    held.state = "settling";
    this.#rejections.push({ held, rejection });
    this.#settle();
  }

  /** Sends the acknowledgements and rejections that have gathered, one call after the other. */
  #settle(): void {
    this.#settling ??= Promise.resolve()
      .then(async () => {
        const { groupId } = this.options;
        while (this.#acks.length + this.#rejections.length > 0) {
          const acks = this.#acks.splice(0, MAX_IDS);
          const rejections = this.#rejections.splice(0, MAX_IDS);
          if (acks.length > 0) {
            const { results } = await this.#insist(() =>
              this.stub.acknowledgeFrames({ groupId, ackIds: acks.map(({ ackId }) => ackId) }, this.#options),
            );
            acks.forEach((held, index) => {
              this.#settled(held, results[index], true);
            });
          }
          if (rejections.length > 0) {
            const request = () =>
              rejections.map(({ held, rejection }) => create(Rejection, { ...rejection, ackId: held.ackId }));
            const { results } = await this.#insist(() =>
              this.stub.rejectFrames({ groupId, rejections: request() }, this.#options),
            );
            rejections.forEach(({ held }, index) => {
              this.#settled(held, results[index], false);
            });
          }
        }
      })
      .catch((error: unknown) => {
        this.#work.abort(error);
      })
      .finally(() => {
        this.#settling = undefined;
        if (this.#acks.length + this.#rejections.length > 0 && !this.#work.signal.aborted) this.#settle();
      });
  }

  get #options(): { signal: AbortSignal } {
    return { signal: this.#work.signal };
  }

  #settled(held: Held, result: AckResult | undefined, isAck: boolean): void {
    const key = `${held.frame.streamId} ${held.frame.sequence}`;
    this.#held.delete(key);
    held.scope.end();
    if (result?.outcome.case === "done" && isAck) {
      this.#acknowledged.add(held.ackId);
      const [oldest] = this.#acknowledged;
      if (this.#acknowledged.size > REMEMBERED && oldest !== undefined) this.#acknowledged.delete(oldest);
    }
    if (result?.outcome.case !== "done") {
      this.logger?.warn(
        `${key}: the ${isAck ? "acknowledgement" : "rejection"} took no effect: ${result?.outcome.value?.message ?? "unknown"}`,
      );
    }
    if (held.next) this.#delivered(held.next, isAck);
    if (this.#held.size === 0) this.#idle();
  }

  /** Calls until there is an answer or an error that lasts: frames stay held meanwhile. */
  async #insist<T>(call: () => Promise<T>): Promise<T> {
    const pauses = new Pauses(policyOf("frameway.v1.StreamingService", "AcknowledgeFrames"));
    for (const since = Date.now(); ;) {
      try {
        return await call();
      } catch (error) {
        this.#work.signal.throwIfAborted();
        const patience = this.options.patienceMs ?? 60_000;
        if (!(error instanceof FramewayError) || !error.retryable || Date.now() - since > patience) throw error;
        await sleep(pauses.after(error.retryDelayMs), this.#work.signal);
      }
    }
  }

  /** Extends the deadline of every frame that this member holds, three times in each deadline. */
  #extendLater(): void {
    this.#extending = setTimeout(() => {
      const held = [...this.#held.values()];
      const calls = [];
      for (let at = 0; at < held.length; at += MAX_IDS) calls.push(this.#extend(held.slice(at, at + MAX_IDS)));
      void Promise.allSettled(calls).then(() => {
        if (!this.#work.signal.aborted) this.#extendLater();
      });
    }, this.#deadlineMs / 3);
  }

  /** If the call fails, the deadlines pass, and the frames are delivered again. */
  async #extend(held: readonly Held[]): Promise<void> {
    const request = { groupId: this.options.groupId, ackIds: held.map(({ ackId }) => ackId) };
    const { results } = await this.stub.extendAckDeadline(request, { ...this.#options, timeoutMs: this.#deadlineMs });
    held.forEach(({ scope, ackId }, index) => {
      const outcome = results[index]?.outcome;
      if (outcome?.case === "refused" && ackId === request.ackIds[index]) scope.abort(itemError(outcome.value));
    });
  }
}

/** Returns the message of an error, at most 512 bytes long. */
function shortened(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const bytes = new TextEncoder().encode(text);
  return bytes.length <= 512 ? text : new TextDecoder().decode(bytes.subarray(0, 509)).replace(/\uFFFD$/, "");
}
