import { serviceConfig } from "../gen/service_config.js";

/** The maximum pause that a server can ask for. */
export const MAX_PAUSE_MS = 30_000;

/** The timeout of a method, and whether and how it is tried again. */
export interface Policy {
  readonly timeoutMs: number | undefined;
  readonly maxAttempts: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

/** Returns the policy of a method by the service config of the contract. */
export function policyOf(service: string, method: string): Policy {
  const config = serviceConfig.methodConfig.find(({ name }) =>
    name.some((one) => one.service === service && one.method === method),
  );
  const retry = config && "retryPolicy" in config ? config.retryPolicy : undefined;
  return {
    timeoutMs: config && "timeout" in config ? 1000 * parseFloat(config.timeout) : undefined,
    maxAttempts: retry?.maxAttempts ?? 1,
    firstPauseMs: 1000 * parseFloat(retry?.initialBackoff ?? "0.2s"),
    maxPauseMs: 1000 * parseFloat(retry?.maxBackoff ?? "5s"),
  };
}

/** The pauses between tries: the one that the server asks for, or else one that doubles; with jitter. */
export class Pauses {
  #next: number;

  constructor(private readonly policy: Pick<Policy, "firstPauseMs" | "maxPauseMs">) {
    this.#next = policy.firstPauseMs;
  }

  /** Returns the next pause in milliseconds. */
  after(requestedMs: number | undefined): number {
    const own = this.#next;
    this.#next = Math.min(own * 2, this.policy.maxPauseMs);
    const pause =
      requestedMs === undefined ? own : Math.min(Math.max(requestedMs, this.policy.firstPauseMs), MAX_PAUSE_MS);
    return pause * (1 + Math.random() / 4);
  }

  /** Starts again with the shortest pause, after progress was made. */
  reset(): void {
    this.#next = this.policy.firstPauseMs;
  }
}

/** Waits; rejects with the reason of the signal as soon as that is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
  });
}

/** The scopes below each signal: one listener serves all of them, however many calls share a signal. */
const below = new WeakMap<AbortSignal, Set<Scope>>();

/** A controller that is aborted with its parents, and leaves nothing behind on them once it has ended. */
export class Scope extends AbortController {
  readonly #siblings: Set<Scope>[] = [];

  constructor(...parents: readonly (AbortSignal | undefined)[]) {
    super();
    for (const parent of parents) {
      if (parent?.aborted) this.abort(parent.reason);
      else if (parent !== undefined) this.#siblings.push(scopesBelow(parent).add(this));
    }
  }

  /** Aborts what still runs below this scope, and detaches it from its parents. */
  end(reason: unknown = "it has ended"): void {
    for (const siblings of this.#siblings) siblings.delete(this);
    this.abort(reason);
  }
}

function scopesBelow(parent: AbortSignal): Set<Scope> {
  const known = below.get(parent);
  if (known) return known;
  const scopes = new Set<Scope>();
  below.set(parent, scopes);
  const abort = () => {
    for (const scope of scopes) scope.end(parent.reason);
  };
  parent.addEventListener("abort", abort, { once: true });
  return scopes;
}
