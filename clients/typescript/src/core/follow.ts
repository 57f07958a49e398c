import { ConnectionError, FramewayError } from "./errors.js";
import { Pauses, type Policy, Scope, sleep } from "./pauses.js";

/** The interval of heartbeats that the client asks for, in milliseconds. */
export const HEARTBEAT_MS = 5_000;
/** The number of heartbeat intervals without a message after which a call is given up. */
const MAX_SILENT_HEARTBEATS = 3;
/** The minimum wait for the first message: the server first looks up the start of every stream. */
const FIRST_MESSAGE_MS = 15_000;
/** The maximum wait for one message. A large picture over a slow link may take long. */
const MAX_SILENCE_MS = 300_000;

/** Yields the messages of a call, and aborts the call when none arrives for too long. */
export async function* watched<M>(
  messages: AsyncIterable<M>,
  call: Scope,
  firstMs: number,
  silenceMs: number,
): AsyncGenerator<M, void> {
  const iterator = messages[Symbol.asyncIterator]();
  for (let limit = firstMs; ; limit = silenceMs) {
    const timer = setTimeout(() => {
      call.abort(new ConnectionError(`the server sent nothing for ${Math.round(limit / 1000)} s`));
    }, limit);
    const next = await iterator.next().finally(() => {
      clearTimeout(timer);
    });
    if (next.done) return;
    yield next.value;
  }
}

/** The connection broke. The next event comes over another one. */
export interface Reconnecting {
  readonly type: "reconnecting";
  /** The reason. */
  readonly error: FramewayError;
  /** The pause before the next try, in milliseconds. */
  readonly delayMs: number;
}

/** A call that continues over any number of connections. */
export interface LongCall<M> {
  /** Opens a call that continues where the last one ended. */
  open(signal: AbortSignal): AsyncIterable<M>;
  /** Says what a message proves: `alive` restarts the time to give up, `progress` also the pauses. */
  proves(message: M): "nothing" | "alive" | "progress";
  readonly policy: Policy;
  readonly heartbeatMs: number;
  /** The time without a sign of life after which following gives up. */
  readonly patienceMs: number;
  readonly signal: AbortSignal;
}

/** Yields every message of a call and of those that continue it, until the server ends it without an error. */
export async function* follow<M extends object>(long: LongCall<M>): AsyncGenerator<M | Reconnecting, void> {
  const pauses = new Pauses(long.policy);
  const usual = MAX_SILENT_HEARTBEATS * long.heartbeatMs;
  let silence = usual;
  let alive = Date.now();
  for (;;) {
    const call = new Scope(long.signal);
    let error: FramewayError;
    try {
      for await (const message of watched(long.open(call.signal), call, Math.max(silence, FIRST_MESSAGE_MS), silence)) {
        const proof = long.proves(message);
        if (proof !== "nothing") {
          alive = Date.now();
          silence = usual;
        }
        if (proof === "progress") pauses.reset();
        const yielded = Date.now();
        yield message;
        alive += Date.now() - yielded; // The time that the program takes does not count.
      }
      return;
    } catch (thrown) {
      long.signal.throwIfAborted();
      if (!(thrown instanceof FramewayError) || !thrown.retryable) throw thrown;
      error = thrown;
      if (call.signal.reason === error) silence = Math.min(silence * 2, Math.max(MAX_SILENCE_MS, usual));
    } finally {
      call.end();
    }
    const delayMs = pauses.after(error.retryDelayMs);
    if (Date.now() - alive + delayMs > long.patienceMs) {
      error.message += `; tried for ${Math.round((Date.now() - alive) / 1000)} s`;
      throw error;
    }
    yield { type: "reconnecting", error, delayMs };
    await sleep(delayMs, long.signal);
  }
}
