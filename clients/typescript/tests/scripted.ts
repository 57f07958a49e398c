/** A server with scripted answers, for what a real one cannot be made to do. */
import { once } from "node:events";
import http from "node:http";
import http2 from "node:http2";
import type net from "node:net";
import { after } from "node:test";
import { type ServiceImpl } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { StreamingService } from "frameway/v1";
import { platform } from "./support.js";

/** Starts a server that answers GetServerInfo, and otherwise as scripted. Returns its address. */
export async function scripted(answers: Partial<ServiceImpl<typeof StreamingService>>): Promise<string> {
  const handler = connectNodeAdapter({
    routes: (router) => {
      router.service(StreamingService, { getServerInfo: () => ({ version: "99.0.0" }), ...answers });
    },
  });
  const server = platform === "web" ? http.createServer(handler) : http2.createServer(handler);
  const sessions = new Set<{ destroy: () => unknown }>();
  server.on(platform === "web" ? "connection" : "session", (session: net.Socket | http2.ServerHttp2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}
