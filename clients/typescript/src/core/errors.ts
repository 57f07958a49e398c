import { type DescEnum } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { type ItemError } from "../gen/frameway/v1/error_pb.js";
import { type ErrorReason, ErrorReasonSchema } from "../gen/frameway/v1/error_reason_pb.js";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";

/** The name of an `ErrorReason`, or the number of one that this client does not know. */
export type Reason = keyof typeof ErrorReason | `${number}` | "";

/** The facts of an error. */
export interface ErrorFacts {
  /** The gRPC status code. */
  readonly code: Code;
  /** The server's reason; empty if the client itself made the error. */
  readonly reason?: Reason;
  /** The facts that belong to the reason; `ErrorReason` lists the keys. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** The wait that the server asks for before another try, in milliseconds. */
  readonly retryDelayMs?: number | undefined;
  /** The error below this one. */
  readonly cause?: unknown;
}

/** An error of the client or of the server. The message is one line: what is wrong, and what to do. */
export class FramewayError extends Error {
  /** The gRPC status code. */
  readonly code: Code;
  /** The server's reason; empty if the client itself made the error. */
  readonly reason: Reason;
  /** The facts that belong to the reason; `ErrorReason` lists the keys. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The wait that the server asks for before another try, in milliseconds. */
  readonly retryDelayMs: number | undefined;

  /** Makes an error of its message and facts. */
  constructor(message: string, facts: ErrorFacts) {
    super(message.replace(/\s+/g, " ").trim(), { cause: facts.cause });
    this.name = new.target.name;
    this.code = facts.code;
    this.reason = facts.reason ?? "";
    this.metadata = facts.metadata ?? {};
    this.retryDelayMs = facts.retryDelayMs;
  }

  /** Tells whether the same call may succeed later. It is unknown whether the failed one took effect. */
  get retryable(): boolean {
    switch (this.code) {
      case Code.Unavailable:
      case Code.DeadlineExceeded:
      case Code.Canceled: // A call that the program cancels ends with the reason of its signal instead.
        return true;
      case Code.ResourceExhausted:
        return this.retryDelayMs !== undefined || this.reason === "SLOW_CONSUMER";
      default:
        return false;
    }
  }
}

/** The server cannot be reached, or the connection to it broke. */
export class ConnectionError extends FramewayError {
  /** Another try cannot help: client and server disagree about TLS. */
  readonly lasting: boolean;

  /** Makes an error of its message. */
  constructor(message: string, cause?: unknown, lasting = false) {
    super(message, { code: Code.Unavailable, cause });
    this.lasting = lasting;
  }

  override get retryable(): boolean {
    return !this.lasting;
  }
}

/** The server does not know the credentials, or they do not allow the call. */
export class AccessError extends FramewayError {}

/** The server did not answer in time. */
export class DeadlineError extends FramewayError {}

/** A message is larger than the server or this client accepts. The same one never succeeds. */
export class MessageTooLargeError extends FramewayError {}

/** An option, or a combination of options, cannot be used. */
export class OptionError extends FramewayError {
  /** Makes an error of its message. */
  constructor(message: string) {
    super(message, { code: Code.InvalidArgument });
  }
}

/** A cursor store cannot be read or written, or belongs to another subscription. */
export class CursorStoreError extends FramewayError {
  /** Makes an error of its message. */
  constructor(message: string, cause?: unknown) {
    super(message, { code: Code.FailedPrecondition, cause });
  }
}

/** Returns the name of an enum value, or the number of one that this client does not know. */
export function enumName(schema: DescEnum, value: number): string {
  return schema.values.find(({ number }) => number === value)?.localName ?? String(value);
}

/** Turns the error of one item of a request into an error. */
export function itemError(item: ItemError): FramewayError {
  const reason = enumName(ErrorReasonSchema, item.reason) as Reason;
  const field = item.field === "" ? "" : `${item.field}: `;
  return new FramewayError(`${reason}: ${field}${item.message}`, {
    code: item.retryDelay ? Code.Unavailable : Code.FailedPrecondition,
    reason,
    metadata: item.metadata,
    retryDelayMs: item.retryDelay && durationMs(item.retryDelay),
  });
}

/** Turns whatever a transport throws into an error that names the address. */
export function toError(thrown: unknown, address: string): FramewayError {
  if (thrown instanceof FramewayError) return thrown;
  const error = ConnectError.from(thrown);
  if (error.cause instanceof FramewayError) return error.cause;
  const text = error.rawMessage;
  if (!isFromServer(error)) {
    if (error.code === Code.DeadlineExceeded) {
      return new DeadlineError(`${address} did not answer in time`, { code: error.code, cause: thrown });
    }
    if (text.includes("larger than configured")) {
      const advice = "raise maxMessageBytes, or ask for smaller pictures (maxPictureBytes)";
      return new MessageTooLargeError(`a message of ${address} is too large: ${text}: ${advice}`, {
        code: Code.ResourceExhausted,
        cause: thrown,
      });
    }
    if (isLostConnection(error)) return connectionError(error, address);
  }
  const info = error.findDetails(ErrorInfoSchema)[0];
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  const reason = (info?.reason.replace(/^ERROR_REASON_/, "") ?? "") as Reason;
  const facts: ErrorFacts = {
    code: error.code,
    reason,
    metadata: info?.metadata ?? {},
    retryDelayMs: delay && durationMs(delay),
    cause: thrown,
  };
  const message = `${reason || Code[error.code]}: ${text}`;
  switch (error.code) {
    case Code.Unauthenticated:
    case Code.PermissionDenied:
      return new AccessError(message, facts);
    case Code.DeadlineExceeded:
      return new DeadlineError(message, facts);
    case Code.ResourceExhausted:
      if (delay === undefined && reason === "BATCH_TOO_LARGE") return new MessageTooLargeError(message, facts);
  }
  return new FramewayError(message, facts);
}

function isFromServer(error: ConnectError): boolean {
  return error.details.length > 0 || error.metadata.has("grpc-status") || /^HTTP (?!400)/.test(error.rawMessage);
}

/** Tells whether the client's stack made the error: a socket failed, a stream was reset or cut. */
function isLostConnection(error: ConnectError): boolean {
  const { cause } = error;
  return (
    error.code === Code.Unavailable ||
    (error.code === Code.Canceled && cause === undefined) ||
    (cause instanceof Error && ("syscall" in cause || "code" in cause || cause.name === "TypeError")) ||
    /^http\/2 |^HTTP 400|premature EOF|missing (status|trailer|response body)|session|PING/.test(error.rawMessage)
  );
}

/** The messages of the gRPC stack when the two sides disagree about TLS, the advice for each, and whether it lasts. */
const TLS_CAUSES: readonly (readonly [RegExp, string, boolean])[] = [
  [/^HTTP 400/, "the answer is not one of Frameway: use https:// if the server speaks TLS", true],
  [/error code 12\b|INADEQUATE_SECURITY/, "the server speaks TLS: use https://", true],
  [
    /wrong version number|before secure TLS|packet length too long/,
    "the server does not speak TLS: use http://",
    false,
  ],
  [
    /unable to verify|self-signed|unable to get (local )?issuer/,
    "the server's certificate is not from a trusted CA: pass the CA's certificate (tls.ca)",
    true,
  ],
  [/does not match certificate/, "the server's certificate is for another name: connect by a name in it", true],
  [/certificate has expired/, "the server's certificate has expired: renew it", true],
  [/certificate required|alert number 116/, "the server requires a client certificate (tls.cert and tls.key)", true],
  [/DECODER|PEM|no start line/, "a certificate or key (tls) is not PEM: check where it comes from", true],
  [
    /alert (unknown ca|certificate unknown|bad certificate|decrypt error)/,
    "the server refuses the client certificate (tls.cert)",
    true,
  ],
];

function connectionError(error: ConnectError, address: string): ConnectionError {
  if (error.cause instanceof TypeError) {
    // Browsers hide the reason from scripts.
    const advice =
      "check the address, use https:// if the server speaks TLS and http:// if it does not, and let the server allow this page (--web-origin)";
    return new ConnectionError(`cannot reach ${address}: ${error.rawMessage}: ${advice}`, error);
  }
  const known = TLS_CAUSES.find(([text]) => text.test(error.rawMessage));
  const why = known ? `${known[1]} (${error.rawMessage})` : error.rawMessage;
  return new ConnectionError(`cannot reach ${address}: ${why}`, error, known?.[2]);
}
