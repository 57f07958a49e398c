import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Client } from "../core/client.js";
import { type Endpoint } from "../core/connection.js";
import { type CommonOptions, CONNECT_TIMEOUT_MS, parseAddress, transportOptions } from "../core/options.js";
import { overBatches } from "../core/submit.js";

/** The options of a connection. */
export type ConnectOptions = Omit<CommonOptions, "maxMessageBytes">;

/**
 * Connects to a server over gRPC-Web, for example to `location.origin`. With several addresses, the client uses the
 * first that answers, and turns to the next when that one fails.
 */
export function connect(address: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  return Promise.resolve().then(() => {
    const endpoints = [address].flat().map((one) => endpoint(parseAddress(one, options), options));
    const { timeoutMs = CONNECT_TIMEOUT_MS, logger, signal } = options;
    return Client.connect(endpoints, overBatches, { timeoutMs, logger, signal });
  });
}

/** The browser manages the connections: with HTTP/2 it uses one for all calls, without TLS up to six per origin. */
function endpoint({ origin }: URL, options: ConnectOptions): Endpoint {
  const { interceptors } = transportOptions(options);
  const transport = createGrpcWebTransport({ baseUrl: origin, interceptors });
  return { address: origin, long: transport, unary: transport, close: () => undefined };
}
