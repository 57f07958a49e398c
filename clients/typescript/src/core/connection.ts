import {
  type DescMessage,
  type DescMethodStreaming,
  type DescMethodUnary,
  type MessageInitShape,
} from "@bufbuild/protobuf";
import { Code, type StreamResponse, type Transport, type UnaryResponse } from "@connectrpc/connect";
import { ConnectionError, FramewayError, toError } from "./errors.js";
import { Pauses, policyOf, Scope, sleep } from "./pauses.js";

/** The maximum wait for one of several tries at a call, where another address could be tried. */
const ATTEMPT_TIMEOUT_MS = 10_000;

/** One address of a server. */
export interface Endpoint {
  readonly address: string;
  /** Carries the calls that last. */
  readonly long: Transport;
  /** Carries all other calls: the number of calls on a connection is limited, and a further one waits without an error. */
  readonly unary: Transport;
  /** Closes the connections. */
  close(): void;
}

/** The logger to which the client writes, for example `console`. */
export interface Logger {
  warn(message: string): void;
}

/** All addresses of a server: the one place that knows timeouts, retries, and when to use another address. */
export class Connection implements Transport {
  readonly #closed = new AbortController();
  #current = 0;

  constructor(
    private readonly endpoints: readonly Endpoint[],
    readonly logger: Logger | undefined,
  ) {}

  /** Is aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** Ends every call and closes the connections. */
  close(reason: FramewayError): void {
    this.#closed.abort(reason);
    for (const endpoint of this.endpoints) endpoint.close();
  }

  /** Tries each address once until one passes the check. */
  async find(check: (transport: Transport) => Promise<unknown>): Promise<void> {
    for (let tried = 1; ; tried++) {
      const endpoint = this.#endpoint();
      try {
        await check(endpoint.unary);
        return;
      } catch (thrown) {
        const error = toError(thrown, endpoint.address);
        this.#failed(endpoint, error);
        if (!error.retryable && !(error instanceof ConnectionError)) throw error;
        if (tried >= this.endpoints.length) throw error;
      }
    }
  }

  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: MessageInitShape<I>,
  ): Promise<UnaryResponse<I, O>> {
    const policy = policyOf(method.parent.typeName, method.name);
    const pauses = new Pauses(policy);
    const deadline = Date.now() + (timeoutMs ?? policy.timeoutMs ?? Infinity);
    const scope = new Scope(signal, this.closed);
    try {
      for (let attempt = 1; ; attempt++) {
        const endpoint = this.#endpoint();
        const left = Math.max(deadline - Date.now(), 1);
        const others = this.endpoints.length > 1 && attempt < policy.maxAttempts;
        const limit = others ? Math.min(left, ATTEMPT_TIMEOUT_MS) : left;
        try {
          return await endpoint.unary.unary(
            method,
            scope.signal,
            limit === Infinity ? undefined : limit,
            header,
            input,
          );
        } catch (thrown) {
          scope.signal.throwIfAborted();
          const error = toError(thrown, endpoint.address);
          this.#failed(endpoint, error);
          const pause = pauses.after(error.retryDelayMs);
          if (!error.retryable || attempt >= policy.maxAttempts || Date.now() + pause >= deadline) throw error;
          await sleep(pause, scope.signal);
        }
      }
    } finally {
      scope.end();
    }
  }

  async stream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodStreaming<I, O>,
    signal: AbortSignal | undefined,
    timeoutMs: number | undefined,
    header: HeadersInit | undefined,
    input: AsyncIterable<MessageInitShape<I>>,
  ): Promise<StreamResponse<I, O>> {
    const endpoint = this.#endpoint();
    const scope = new Scope(signal, this.closed);
    const fail = (thrown: unknown): never => {
      // A call that this client ends has the reason in its signal.
      const reason: unknown = scope.signal.aborted ? scope.signal.reason : toError(thrown, endpoint.address);
      this.#failed(endpoint, reason);
      scope.end(reason);
      throw reason;
    };
    const response = await endpoint.long.stream(method, scope.signal, timeoutMs, header, input).catch(fail);
    async function* messages() {
      try {
        yield* response.message;
      } catch (thrown) {
        fail(thrown);
      } finally {
        scope.end();
      }
    }
    return { ...response, message: messages() };
  }

  #endpoint(): Endpoint {
    const endpoint = this.endpoints[this.#current];
    if (endpoint === undefined) throw new RangeError("a client has at least one address");
    return endpoint;
  }

  /** Turns to the next address if this one cannot be used now, unless another call has done so already. */
  #failed(endpoint: Endpoint, reason: unknown): void {
    if (this.closed.aborted || this.endpoints[this.#current] !== endpoint || !(reason instanceof FramewayError)) return;
    if (reason.code === Code.Unavailable || reason.code === Code.DeadlineExceeded) {
      this.#current = (this.#current + 1) % this.endpoints.length;
    }
  }
}
