/**
 * Compares the layer with the bare stubs: node build/bench/throughput.js [SECONDS]
 *
 * Publishes and receives pictures of 200 kB that the server relays. Each figure is the best of three rounds, which
 * alternate. The program is $FRAMEWAY.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Client, connect } from "frameway/node";
import { ReencodeMode, StreamingService, type SubmitFramesRequestSchema } from "frameway/v1";
import { type MessageInitShape } from "@bufbuild/protobuf";

const SECONDS = Number(process.argv[2] ?? 3);
const PROGRAM = process.env["FRAMEWAY"] ?? path.resolve(import.meta.dirname, "../../../../target/debug/frameway");
const picture = new Uint8Array(200_000).map((_, at) => (at * 2654435761) >>> 24);
picture.set([0xff, 0xd8, 0xff, 0xe0]);
/** The batches in flight: what a server accepts. Both send one picture in a batch. */
const IN_FLIGHT = 8;
const STORED = 400;

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "frameway-bench-"));
const file = path.join(folder, "address");
const server = spawn(
  PROGRAM,
  // With less memory the server throttles, which the layer obeys and the stub does not.
  ["serve", "--listen", "127.0.0.1:0", "--address-file", file, "--memory-budget", "8GiB", "--metrics-listen", "none"],
  { stdio: ["ignore", "inherit", "inherit"] },
);
process.once("exit", () => {
  server.kill("SIGKILL");
  fs.rmSync(folder, { recursive: true });
});
while (!fs.existsSync(file)) await new Promise((resolve) => setTimeout(resolve, 50));
const address = fs.readFileSync(file, "utf8").trim();
const frameway = await connect(address);
const stub = () =>
  createClient(
    StreamingService,
    createGrpcTransport({ baseUrl: `http://${address}`, nodeOptions: { settings: { initialWindowSize: 4 << 20 } } }),
  );
let streams = 0;

interface Run {
  count: number;
  ms: number;
}

async function stream(): Promise<string> {
  const streamId = `bench-${streams++}`;
  const retention = { maxFrames: 2n * BigInt(STORED) };
  const queue = { maxFrames: 100_000n, maxBytes: 8n << 30n };
  await frameway.registry.registerStream({
    stream: { streamId, retention, queue, output: { reencodeMode: ReencodeMode.RELAY } },
  });
  return streamId;
}

async function publishByLayer(client: Client): Promise<Run> {
  const streamId = await stream();
  const publisher = client.publisher({ publisherId: "layer", batchFrames: 1, maxFrames: 2 * IN_FLIGHT });
  let count = 0;
  const since = performance.now();
  while (performance.now() - since < SECONDS * 1000) {
    await publisher.publish({ streamId, data: picture });
    count++;
  }
  await publisher.close();
  return { count: count, ms: performance.now() - since };
}

async function publishByStub(): Promise<Run> {
  const streamId = await stream();
  let [sent, answered, stopping] = [0, 0, false];
  let wake: () => void = () => undefined;
  async function* requests(): AsyncGenerator<MessageInitShape<typeof SubmitFramesRequestSchema>> {
    yield { request: { case: "setup", value: { publisherId: "stub" } } };
    while (!stopping) {
      while (sent - answered >= IN_FLIGHT) await new Promise<void>((resolve) => (wake = resolve));
      sent++;
      const frame = { streamId, publisherId: "stub", publisherSequence: BigInt(sent), data: picture };
      yield { request: { case: "batch", value: { batchId: BigInt(sent), frames: [frame] } } };
    }
  }
  const since = performance.now();
  for await (const { event } of stub().submitFrames(requests())) {
    if (event.case === "batchResult") {
      if (event.value.results[0]?.outcome.case !== "accepted") throw new Error("a frame was not accepted");
      answered++;
    }
    stopping = performance.now() - since > SECONDS * 1000;
    wake();
  }
  return { count: answered, ms: performance.now() - since };
}

async function receiveByLayer(client: Client, streamId: string): Promise<Run> {
  const since = performance.now();
  let count = 0;
  for await (const event of client.subscribe(streamId, { start: "earliest", stopAfterFrames: STORED })) {
    if (event.type === "frame") count++;
  }
  return { count: count, ms: performance.now() - since };
}

async function receiveByStub(streamId: string): Promise<Run> {
  const since = performance.now();
  let count = 0;
  const start = { position: { case: "earliest", value: {} } } as const;
  const selectors = [{ streams: [{ selector: { case: "id", value: streamId } } as const], start }];
  for await (const { event } of stub().subscribeFrames({ selectors, stopAfterFrames: BigInt(STORED) })) {
    if (event.case === "frame") count++;
  }
  return { count: count, ms: performance.now() - since };
}

/** The best of some rounds: pictures a second, and the processor time of this process for a picture, in milliseconds. */
class Best {
  rate = 0;
  cpuMs = Infinity;

  async round(run: () => Promise<Run>): Promise<void> {
    const before = process.cpuUsage();
    const { count, ms } = await run();
    const { user, system } = process.cpuUsage(before);
    this.rate = Math.max(this.rate, (1000 * count) / ms);
    this.cpuMs = Math.min(this.cpuMs, (user + system) / 1000 / count);
  }
}

/** Runs both in turns, and prints the best of each. */
async function compare(what: string, layer: () => Promise<Run>, stub: () => Promise<Run>): Promise<void> {
  const [ours, bare] = [new Best(), new Best()];
  for (let round = 0; round < 3; round++) {
    await bare.round(stub);
    await ours.round(layer);
  }
  const line = [ours.rate, bare.rate, ours.rate / bare.rate, ours.cpuMs, bare.cpuMs].map((value) => value.toFixed(2));
  console.log([what.padEnd(10), ...line.map((text) => text.padStart(8))].join(""));
}

console.log("200 kB        layer/s  stub/s   ratio layer ms stub ms of processor");
await compare("publish", () => publishByLayer(frameway), publishByStub);
const stored = await stream();
const filling = frameway.publisher({ publisherId: "filling" });
for (let number = 0; number < STORED; number++) await filling.publish({ streamId: stored, data: picture });
await filling.close();
const isStored = async () =>
  (await frameway.registry.getStream({ streamId: stored })).stream?.status?.publishedSequence === BigInt(STORED);
while (!(await isStored())) await new Promise((resolve) => setTimeout(resolve, 100));
await compare(
  "subscribe",
  () => receiveByLayer(frameway, stored),
  () => receiveByStub(stored),
);
frameway.close();
server.kill("SIGKILL");
await once(server, "exit");
