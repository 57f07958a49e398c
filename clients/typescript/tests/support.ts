/** Servers that tests start for themselves, and the register of scenarios. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import * as node from "frameway/node";
import { type Client, type Published, type Publisher, type SubscriptionEvent } from "frameway/node";
import * as web from "frameway/web";
import { PictureFormat } from "frameway/v1";

/** The maximum wait for anything that must happen, on a busy machine. */
export const DEADLINE_MS = 60_000;
/** The folder of this package. The tests run from build/tests. */
export const PACKAGE = path.resolve(import.meta.dirname, "../..");
const PROGRAM = process.env["FRAMEWAY"] ?? path.resolve(PACKAGE, "../../target/debug/frameway");
const ALL = process.env["FRAMEWAY_TESTS"] === "all";

/** With FRAMEWAY_PLATFORM=web, the tests use the client for browsers, over the fetch of Node.js. */
export const platform = process.env["FRAMEWAY_PLATFORM"] === "web" ? "web" : "node";
/** Connects with the client of the platform. */
export const connect: typeof node.connect = platform === "web" ? web.connect : node.connect;

/**
 * Registers the test of a scenario of clients/scenarios.md. Long ones run only with FRAMEWAY_TESTS=all.
 *
 * The results go to the file $FRAMEWAY_SCENARIOS, for example typescript.tsv; those of the client for browsers to
 * typescript-browser.tsv beside it. `notInBrowsers` is the reason why browsers cannot do it.
 */
export function scenario(
  id: string,
  length: "short" | "long",
  run: () => Promise<unknown>,
  notInBrowsers?: string,
): void {
  if (length === "long" && !ALL) return;
  void test(id, { timeout: 4 * DEADLINE_MS }, async (context) => {
    const report = (result: string) => {
      const file = process.env["FRAMEWAY_SCENARIOS"];
      if (file === undefined) return;
      fs.appendFileSync(platform === "web" ? file.replace(/(\.tsv)?$/, "-browser$1") : file, `${id}\t${result}\n`);
    };
    try {
      if (platform === "web" && notInBrowsers !== undefined) throw new Skip(notInBrowsers);
      await run();
      report("ok\t");
    } catch (error) {
      if (error instanceof Skip) {
        report(`skipped\t${error.message}`);
        context.skip(error.message);
        return;
      }
      report("failed\t");
      throw error;
    }
  });
}

/** A reason why a scenario cannot run here. */
export class Skip extends Error {}

/** Waits until a condition holds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`);
    await pause(20);
  }
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "frameway-ts-"));
const children = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.once("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
});

/** Returns a path in the folder of this test run. */
export function temporary(name: string): string {
  return path.join(folder, `${name}-${counter++}`);
}
let counter = 1;

/** Returns a port that is free now. */
export async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as net.AddressInfo;
  listener.close();
  await once(listener, "close");
  return port;
}

function start(program: string, args: readonly string[], log: string): ChildProcess {
  const out = fs.openSync(log, "a");
  const child = spawn(program, args, { stdio: ["ignore", out, out] });
  fs.closeSync(out);
  children.add(child);
  child.once("exit", () => children.delete(child));
  child.once("error", () => children.delete(child));
  return child;
}

async function stop(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child?.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGCONT");
  child.kill(signal);
  await exited;
}

/** `frameway serve`, on the same port after every restart. */
export class Server {
  readonly log = temporary("log");
  #child: ChildProcess | undefined;

  private constructor(
    readonly port: number,
    private readonly args: readonly string[],
  ) {}

  static async start(...args: string[]): Promise<Server> {
    const server = new Server(await freePort(), args);
    await server.start();
    after(() => server.kill());
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const file = temporary("address");
    const child = start(
      PROGRAM,
      [
        "serve",
        "--listen",
        this.address,
        "--address-file",
        file,
        "--log",
        "warn",
        "--metrics-listen",
        "none",
        ...this.args,
      ],
      this.log,
    );
    this.#child = child;
    await until("the server serves", () => fs.existsSync(file) || child.exitCode !== null || child.pid === undefined);
    if (!fs.existsSync(file)) throw new Error(`${PROGRAM} did not start: ${fs.readFileSync(this.log, "utf8")}`);
  }

  /** Sends a signal. After SIGSTOP, waits until each thread has stopped (on Linux). */
  async signal(name: NodeJS.Signals): Promise<void> {
    this.#child?.kill(name);
    const threads = `/proc/${String(this.#child?.pid)}/task`;
    if (name !== "SIGSTOP" || !fs.existsSync(threads)) return;
    // The state follows the name, which is in parentheses.
    const hasStopped = (thread: string) => fs.readFileSync(path.join(threads, thread, "stat"), "utf8").includes(") T ");
    await until("the server has stopped", () => fs.readdirSync(threads).every(hasStopped));
  }

  kill(): Promise<void> {
    return stop(this.#child, "SIGKILL");
  }

  /** Lets it drain, and waits for its end. */
  drain(): Promise<void> {
    return stop(this.#child, "SIGTERM");
  }
}

/** Starts a Redis, and returns its URL. */
export async function redis(): Promise<string> {
  const port = await freePort();
  const args = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--save",
    "",
    "--maxmemory-policy",
    "noeviction",
    "--dir",
    folder,
  ];
  const child = start("redis-server", args, temporary("redis"));
  after(() => stop(child, "SIGKILL"));
  await until("Redis listens", async () => {
    if (child.exitCode !== null || child.pid === undefined)
      throw new Error("redis-server did not start: is it installed?");
    const socket = net.connect(port, "127.0.0.1");
    const listens = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(() => false),
    ]).catch(() => false);
    socket.destroy();
    return listens;
  });
  return `redis://127.0.0.1:${port}/0`;
}

/** Connects, and closes the client after the test. */
export async function client(address: string | readonly string[], options: node.ConnectOptions = {}): Promise<Client> {
  const connected = await connect(address, { logger: { warn: () => undefined }, ...options });
  after(() => {
    connected.close();
  });
  return connected;
}

/** A frame with a raw picture of 16 x 16 pixels, which differs from one number to the next. */
export function greyFrame(streamId: string, number: number) {
  return { streamId, format: PictureFormat.GRAY8, width: 16, height: 16, data: new Uint8Array(256).fill(number % 256) };
}

/** Publishes frames from one number to another. */
export async function publish(publisher: Publisher, streamId: string, from: number, to: number): Promise<Published[]> {
  const published = [];
  for (let number = from; number <= to; number++) {
    // Browsers number frames by the clock, but the tests count.
    const own = platform === "web" ? { publisherSequence: number } : {};
    published.push(await publisher.publish({ ...greyFrame(streamId, number), ...own }));
  }
  return published;
}

/** The frames and gaps that a subscription receives until the test has seen enough. */
export async function collect(
  events: AsyncIterable<SubscriptionEvent>,
  enough: (seen: Collected) => boolean,
): Promise<Collected> {
  const seen = new Collected();
  for await (const event of events) {
    seen.add(event);
    if (enough(seen)) break;
  }
  return seen;
}

/** The events that a subscription received. */
export class Collected {
  readonly events: SubscriptionEvent[] = [];
  readonly frames: Extract<SubscriptionEvent, { type: "frame" }>[] = [];
  readonly gaps: Extract<SubscriptionEvent, { type: "gap" }>[] = [];
  readonly reconnects: Extract<SubscriptionEvent, { type: "reconnecting" }>[] = [];

  add(event: SubscriptionEvent): void {
    this.events.push(event);
    if (event.type === "frame") this.frames.push(event);
    if (event.type === "gap") this.gaps.push(event);
    if (event.type === "reconnecting") this.reconnects.push(event);
  }

  sequences(streamId: string): number[] {
    return this.frames.filter((frame) => frame.streamId === streamId).map(({ sequence }) => sequence);
  }

  publisherSequences(streamId: string): number[] {
    return this.frames
      .filter((frame) => frame.streamId === streamId)
      .map(({ frame }) => Number(frame.publisherSequence));
  }
}

/** Returns the numbers from one to another. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** Returns what a promise rejects with. */
export async function failure(promise: Promise<unknown>): Promise<Error & Record<string, unknown>> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof Error);
    return error as Error & Record<string, unknown>;
  }
  assert.fail("it did not fail");
}
