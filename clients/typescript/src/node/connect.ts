import net from "node:net";
import tls from "node:tls";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { Client } from "../core/client.js";
import { type Endpoint } from "../core/connection.js";
import { OptionError } from "../core/errors.js";
import { type CommonOptions, CONNECT_TIMEOUT_MS, parseAddress, transportOptions } from "../core/options.js";
import { overStream } from "../core/submit.js";

/** The bytes that a call may receive before they are read. A picture fits, so that a slow link carries it in one go. */
const CALL_WINDOW_BYTES = 4 << 20;
/** The bytes that a connection may receive before they are read. */
const CONNECTION_WINDOW_BYTES = 16 << 20;

/** The options of a connection. */
export interface ConnectOptions extends CommonOptions {
  /** The CAs and the certificate of this client, in PEM. They need an https:// address. */
  readonly tls?: {
    /** The CAs that are trusted. The default are those of Node.js. */
    readonly ca?: string | Uint8Array;
    /** The client certificate. */
    readonly cert?: string | Uint8Array;
    /** The private key of the client certificate. */
    readonly key?: string | Uint8Array;
  };
}

/**
 * Connects to a server over gRPC: `host:port`, or `https://host:port` for TLS. With several addresses, the client uses
 * the first that answers, and turns to the next when that one fails.
 */
export function connect(address: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  return Promise.resolve().then(() => {
    const urls = [address].flat().map((one) => parseAddress(one, options));
    const { timeoutMs = CONNECT_TIMEOUT_MS, logger, signal } = options;
    return Client.connect(
      urls.map((url) => endpoint(url, options)),
      overStream,
      { timeoutMs, logger, signal },
    );
  });
}

function endpoint(url: URL, options: ConnectOptions): Endpoint {
  if (options.tls && url.protocol === "http:") {
    throw new OptionError(`certificates have no effect on ${url.origin}, which is without TLS: use https://`);
  }
  const managers = [sessionManager(url, options), sessionManager(url, options)] as const;
  const [long, unary] = managers.map((manager) =>
    createGrpcTransport({
      baseUrl: url.origin,
      sessionManager: manager,
      acceptCompression: [],
      ...transportOptions(options),
    }),
  ) as [ReturnType<typeof createGrpcTransport>, ReturnType<typeof createGrpcTransport>];
  return {
    address: url.origin,
    long,
    unary,
    close: () => {
      for (const manager of managers) manager.abort();
    },
  };
}

/** One connection: with keepalive, windows that fit pictures, and a bound on the time to connect. */
function sessionManager(url: URL, options: ConnectOptions): Http2SessionManager {
  const manager = new Http2SessionManager(
    url.origin,
    { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 },
    {
      settings: { initialWindowSize: CALL_WINDOW_BYTES, enablePush: false },
      createConnection: () => socket(url, options),
    },
  );
  const request = manager.request.bind(manager);
  manager.request = async (...args) => {
    const stream = await request(...args);
    const { session } = stream;
    const size = session?.state.effectiveLocalWindowSize ?? CONNECTION_WINDOW_BYTES;
    if (size < CONNECTION_WINDOW_BYTES) session?.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    return stream;
  };
  return manager;
}

function socket(url: URL, options: ConnectOptions): net.Socket {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isSecure = url.protocol === "https:";
  const port = Number(url.port || (isSecure ? 443 : 80));
  const { ca, cert, key } = options.tls ?? {};
  const certificates = { ...(ca && { ca: pem(ca) }), ...(cert && { cert: pem(cert) }), ...(key && { key: pem(key) }) };
  const name = net.isIP(host) ? {} : { servername: host };
  const opened = isSecure
    ? tls.connect({ host, port, ALPNProtocols: ["h2"], ...name, ...certificates })
    : net.connect({ host, port });
  const limit = options.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const timer = setTimeout(() => {
    opened.destroy(Object.assign(new Error(`no connection within ${limit} ms`), { code: "ETIMEDOUT" }));
  }, limit);
  const done = () => {
    clearTimeout(timer);
  };
  opened.once(isSecure ? "secureConnect" : "connect", done).once("close", done);
  opened.setNoDelay(true);
  return opened;
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}
