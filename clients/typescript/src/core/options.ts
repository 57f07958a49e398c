import { type Interceptor } from "@connectrpc/connect";
import { type Logger } from "./connection.js";
import { OptionError } from "./errors.js";
import { MAX_MESSAGE_BYTES } from "./pictures.js";

/** The options of a connection on every platform. */
export interface CommonOptions {
  /** An API key or token, or a function that returns the current one. It is sent with each call. */
  readonly credentials?: string | (() => string | Promise<string>);
  /** Sends credentials without TLS to another machine, where others can read them. */
  readonly allowPlaintextCredentials?: boolean;
  /** The maximum wait for each address, in milliseconds. The default is 10,000. */
  readonly timeoutMs?: number;
  /** The maximum size of a received message, in bytes. The default is 32 MiB. */
  readonly maxMessageBytes?: number;
  /** Gets a line for each connection that breaks. The default is none. */
  readonly logger?: Logger;
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal;
}

/** The default of `timeoutMs`. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Returns the options of a transport. */
export function transportOptions(options: CommonOptions): { readMaxBytes: number; interceptors: Interceptor[] } {
  const { credentials, maxMessageBytes = MAX_MESSAGE_BYTES } = options;
  const authorize: Interceptor = (next) => async (request) => {
    const key = typeof credentials === "function" ? await credentials() : credentials;
    if (key !== undefined) request.header.set("authorization", `Bearer ${checked(key.trim())}`);
    return next(request);
  };
  return { readMaxBytes: maxMessageBytes, interceptors: credentials === undefined ? [] : [authorize] };
}

/** Refuses what cannot be a header, since the error of the platform would show it. */
function checked(key: string): string {
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw new OptionError("the credentials are empty or have characters that no key has: check where they come from");
}

/** Reads `host:port`, `http://host:port` or `https://host:port`. */
export function parseAddress(text: string, options: CommonOptions): URL {
  const withScheme = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/") {
    throw new OptionError(
      `${text} is not an address: write HOST:PORT, for example 127.0.0.1:7400, or https://HOST:PORT for TLS`,
    );
  }
  const stays = /^(localhost|127\..*|\[::1\])$/.test(url.hostname) || url.protocol === "https:";
  if (options.credentials !== undefined && !stays && !options.allowPlaintextCredentials) {
    throw new OptionError(
      `credentials are not sent to ${url.origin} in plaintext, where others can read them: use https://, or set ` +
        "allowPlaintextCredentials if you trust the network",
    );
  }
  return url;
}
