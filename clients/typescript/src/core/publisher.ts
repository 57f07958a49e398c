import { create } from "@bufbuild/protobuf";
import { durationFromMs, durationMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { type Frame, FrameSchema } from "../gen/frameway/v1/frame_pb.js";
import { type PublisherPosition } from "../gen/frameway/v1/streaming_service_pb.js";
import { type Logger } from "./connection.js";
import { ConnectionError, FramewayError } from "./errors.js";
import { type Fate, Outbox, type Window, windowOf } from "./outbox.js";
import { Pauses, policyOf, Scope, sleep } from "./pauses.js";
import { type SubmitCall, type SubmitMode } from "./submit.js";

type Stated = "$typeName" | "$unknown" | "streamId" | "data" | "captureTime" | "publisherId" | "publisherSequence";

/** A frame to publish. */
export interface FrameToPublish extends Partial<Omit<Frame, Stated>> {
  readonly streamId: string;
  /** The picture: a JPEG, PNG or WebP file, or raw pixels with `format`, `width` and `height`. */
  readonly data: Uint8Array;
  /** When the camera took the picture, by its own clock. */
  readonly captureTime?: Date;
  /** The number of the frame in its stream, which must rise. By default the publisher numbers the frames. */
  readonly publisherSequence?: number;
}

/** A frame that the publisher has taken. */
export interface Published {
  /** Its number in its stream. */
  readonly publisherSequence: number;
  /** The outcome of the frame. The promise never rejects. */
  readonly fate: Promise<Fate>;
}

/** The options of a publisher. */
export interface PublisherOptions {
  /** The name of the publisher. One program at a time uses it: with it, a frame that is sent again is stored once. */
  readonly publisherId: string;
  /** The maximum number of frames in a batch. The default is 100; the server's maximum applies too. */
  readonly batchFrames?: number;
  /** The maximum bytes of a batch. The default is 8 MiB; the server's maximum applies too. */
  readonly batchBytes?: number;
  /** The time that a frame may wait for others before its batch is sent, in milliseconds. The default is 0. */
  readonly lingerMs?: number;
  /** The maximum number of undecided frames: a further `publish` waits. The default is 1,000. */
  readonly maxFrames?: number;
  /** The maximum bytes of undecided frames: a further `publish` waits. The default is 64 MiB. */
  readonly maxBytes?: number;
  /** The time without any decision after which the publisher gives up, in milliseconds. The default is 60,000. */
  readonly patienceMs?: number;
  /** Ends the publisher at once: undecided frames are unconfirmed. */
  readonly signal?: AbortSignal;
}

/** Numbers frames, sends them in batches, and sends them again when that is safe, in order. */
export class Publisher {
  readonly #outbox = new Outbox();
  readonly #numbers = new Map<string, number>();
  readonly #scope: Scope;
  readonly #own: Pick<Window, "batchFrames" | "batchBytes" | "lingerMs">;
  readonly #running: Promise<void>;
  #turn: Promise<unknown> = Promise.resolve();
  #wakes: (() => void)[] = [];
  #decidedAt = Date.now();
  #flushing = 0;
  #closing = false;

  constructor(
    private readonly mode: SubmitMode,
    private readonly options: PublisherOptions,
    closed: AbortSignal,
    private readonly logger: Logger | undefined,
  ) {
    this.#scope = new Scope(options.signal, closed);
    this.#own = {
      batchFrames: options.batchFrames ?? 100,
      batchBytes: options.batchBytes ?? 8 << 20,
      lingerMs: options.lingerMs ?? 0,
    };
    this.#scope.signal.addEventListener("abort", () => {
      const { reason } = this.#scope.signal as { reason: unknown };
      this.#outbox.abandon(reason instanceof FramewayError ? reason : undefined);
      this.#wake();
    });
    this.#running = this.#run().catch((error: unknown) => {
      this.#scope.end(error);
    });
  }

  /**
   * Takes a frame, in the order of the calls. Waits while the undecided frames reach a bound.
   *
   * Rejects when the publisher has ended, with the reason, or with the reason of `signal`. The frame is not taken then.
   */
  publish(frame: FrameToPublish, signal?: AbortSignal): Promise<Published> {
    const taken = this.#turn.then(() => this.#take(frame, signal));
    this.#turn = taken.catch(() => undefined);
    return taken;
  }

  /** Returns the number of this publisher's last stored frame in a stream, or undefined if none is stored. */
  async position(streamId: string): Promise<number | undefined> {
    const [position] = await this.#retrying(() =>
      this.mode.positions(this.options.publisherId, [streamId], this.#scope.signal),
    );
    return position?.lastPublisherSequence === undefined ? undefined : Number(position.lastPublisherSequence);
  }

  /** Waits until every frame that was taken is decided. Rejects when the publisher has ended, with the reason. */
  async flush(): Promise<void> {
    this.#flushing++;
    try {
      await this.#turn;
      await this.#until(() => this.#outbox.frames === 0);
    } finally {
      this.#flushing--;
    }
  }

  /** Flushes, and ends the publisher. Rejects if frames are left unconfirmed, with the reason. */
  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      this.#closing = true;
      this.#wake();
      await this.#running;
      this.#scope.end(new FramewayError("the publisher is closed", { code: Code.Canceled }));
    }
  }

  async #take(frame: FrameToPublish, signal: AbortSignal | undefined): Promise<Published> {
    const { captureTime, publisherSequence, ...fields } = frame;
    if (this.#closing) throw new FramewayError("the publisher is closed", { code: Code.FailedPrecondition });
    const { maxFrames = 1000, maxBytes = 64 << 20 } = this.options;
    await this.#until(
      () =>
        this.#outbox.frames === 0 ||
        (this.#outbox.frames < maxFrames && this.#outbox.bytes + frame.data.length <= maxBytes),
      signal,
    );
    const number = publisherSequence ?? (await this.#nextNumber(frame.streamId));
    signal?.throwIfAborted();
    this.#numbers.set(frame.streamId, number);
    const message = create(FrameSchema, {
      ...fields,
      ...(captureTime && { captureTime: timestampFromDate(captureTime) }),
      publisherId: this.options.publisherId,
      publisherSequence: BigInt(number),
    });
    if (this.#outbox.frames === 0) this.#decidedAt = Date.now();
    const fate = new Promise<Fate>((resolve) => {
      this.#outbox.push(message, Date.now(), (fate) => {
        this.#decidedAt = Date.now();
        resolve(fate);
      });
    });
    this.#wake();
    return { publisherSequence: number, fate };
  }

  async #nextNumber(streamId: string): Promise<number> {
    const last = this.#numbers.get(streamId) ?? (await this.position(streamId)) ?? 0;
    return Math.max(last + 1, this.mode.firstNumber());
  }

  /** Sends while there are frames, over one call after the other. */
  async #run(): Promise<void> {
    const { patienceMs = 60_000 } = this.options;
    const pauses = new Pauses(policyOf("frameway.v1.StreamingService", "SubmitFrames"));
    for (;;) {
      await this.#until(() => this.#outbox.frames > 0 || this.#closing);
      if (this.#outbox.frames === 0) return;
      const decided = this.#decidedAt;
      const call = new Scope(this.#scope.signal);
      const error = await this.#call(call, patienceMs).catch((thrown: unknown) => {
        this.#scope.signal.throwIfAborted();
        if (!(thrown instanceof FramewayError) || !thrown.retryable) throw thrown;
        return thrown;
      });
      call.end();
      this.#outbox.callEnded();
      if (this.#decidedAt > decided) pauses.reset();
      if (error === undefined) continue;
      const pause = pauses.after(error.retryDelayMs);
      if (this.#outbox.frames > 0 && Date.now() - this.#decidedAt + pause > patienceMs)
        throw gaveUp(error, this.#decidedAt);
      this.logger?.warn(
        `publisher ${this.options.publisherId}: ${error.message}; trying again in ${Math.round(pause)} ms`,
      );
      await sleep(pause, this.#scope.signal);
    }
  }

  /** Sends over one call. Returns undefined when it ended because nothing is left to send. */
  async #call(scope: Scope, patienceMs: number): Promise<FramewayError | undefined> {
    const streams = this.#outbox.streams.slice(0, 1000);
    const setup = {
      publisherId: this.options.publisherId,
      resumeStreamIds: streams,
      heartbeatInterval: durationFromMs(this.mode.heartbeatMs),
    };
    const call = await this.mode.open(setup, scope);
    this.#outbox.resume(call.ready.positions);
    const window = windowOf(call.ready, this.#own);
    const state: { ended?: unknown; isEnded: boolean; draining?: FramewayError } = { isEnded: false };
    const receiving = this.#receive(call, state).then(
      () => (state.isEnded = true),
      (error: unknown) => {
        state.ended = error;
        state.isEnded = true;
        this.#wake();
      },
    );
    for (;;) {
      const now = Date.now();
      if (state.isEnded) {
        if (state.ended !== undefined) throw state.ended as Error;
        return state.draining ?? new ConnectionError("the server ended the call");
      }
      if (this.#outbox.frames === 0) this.#decidedAt = now;
      if (state.draining && this.#outbox.unanswered === 0) return state.draining;
      if (this.#closing && this.#outbox.frames === 0) {
        call.close();
        await receiving;
        return undefined;
      }
      const flush = this.#flushing > 0 || this.#closing;
      const readyAt = state.draining ? undefined : this.#outbox.readyAt(window, flush);
      if (readyAt !== undefined && readyAt <= now) {
        const batch = this.#outbox.nextBatch(window, now);
        if (batch) call.send(batch);
        continue;
      }
      const giveUpAt = this.#outbox.frames > 0 ? this.#decidedAt + patienceMs : Infinity;
      if (now >= giveUpAt)
        throw gaveUp(new FramewayError("no frame was decided", { code: Code.Aborted }), this.#decidedAt);
      await this.#woken(Math.min(readyAt ?? Infinity, giveUpAt) - now);
      this.#scope.signal.throwIfAborted();
    }
  }

  async #receive(call: SubmitCall, state: { draining?: FramewayError }): Promise<void> {
    for await (const { event } of call.events) {
      const now = Date.now();
      if (event.case === "batchResult" && !this.#outbox.answered(event.value, now)) {
        throw new ConnectionError("the server answered a batch that was not sent");
      }
      if (event.case === "throttle") this.#outbox.throttle(event.value, now);
      if (event.case === "draining") {
        const delay = event.value.reconnectDelay && durationMs(event.value.reconnectDelay);
        state.draining = new FramewayError("the server is draining", { code: Code.Unavailable, retryDelayMs: delay });
      }
      this.#wake();
    }
  }

  /** Calls until there is an answer or an error that lasts. */
  async #retrying(call: () => Promise<PublisherPosition[]>): Promise<PublisherPosition[]> {
    const { patienceMs = 60_000 } = this.options;
    const pauses = new Pauses(policyOf("frameway.v1.StreamingService", "SubmitFrames"));
    for (const since = Date.now(); ;) {
      try {
        return await call();
      } catch (error) {
        this.#scope.signal.throwIfAborted();
        if (!(error instanceof FramewayError) || !error.retryable) throw error;
        const pause = pauses.after(error.retryDelayMs);
        if (Date.now() - since + pause > patienceMs) throw gaveUp(error, since);
        await sleep(pause, this.#scope.signal);
      }
    }
  }

  /** Waits for a condition of the outbox. */
  async #until(holds: () => boolean, signal?: AbortSignal): Promise<void> {
    const wake = () => {
      this.#wake();
    };
    signal?.addEventListener("abort", wake);
    try {
      for (;;) {
        this.#scope.signal.throwIfAborted();
        signal?.throwIfAborted();
        if (holds()) return;
        await this.#woken(Infinity);
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  #wake(): void {
    for (const wake of this.#wakes.splice(0)) wake();
  }

  async #woken(ms: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#wakes.push(resolve);
      if (ms !== Infinity) timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
  }
}

function gaveUp(error: FramewayError, since: number): FramewayError {
  error.message += `; tried for ${Math.round((Date.now() - since) / 1000)} s`;
  return error;
}
