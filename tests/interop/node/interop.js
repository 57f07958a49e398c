// A grpc-js client of Frameway without generated code: @grpc/proto-loader reads the proto files.
//
//   node interop.js CASE ADDRESS [ROOT-CERTIFICATE]
//
// The exit code is 0 if the case passes. The lines for which run.py waits go to standard output.
"use strict";

const fs = require("fs");
const path = require("path");
const crypto = require("crypto");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const PATIENCE_MS = 60_000;
const proto = path.join(__dirname, "../../../proto");
const definition = loader.loadSync(["frameway/v1/streaming_service.proto", "frameway/v1/stream_registry_service.proto"], {
  includeDirs: [proto], keepCase: true, longs: String, enums: String, oneofs: true,
});
const { StreamingService, StreamRegistryService } = grpc.loadPackageDefinition(definition).frameway.v1;
// The timeouts and retries of the contract.
const serviceConfig = fs.readFileSync(path.join(proto, "frameway_v1_service_config.json"), "utf8");

// Both services over one connection.
class Client extends StreamingService {
  constructor(address, secrets, options) {
    super(address, secrets, options);
    this.registry = new StreamRegistryService(address, secrets, { ...options, channelOverride: this.getChannel() });
  }

  RegisterStream(...call) {
    return this.registry.RegisterStream(...call);
  }

  GetStream(...call) {
    return this.registry.GetStream(...call);
  }
}

function connect(address, rootFile, options = {}) {
  const secrets = rootFile ? grpc.credentials.createSsl(fs.readFileSync(rootFile)) : grpc.credentials.createInsecure();
  const all = { "grpc.max_receive_message_length": 32 << 20, "grpc.use_local_subchannel_pool": 1, "grpc.service_config": serviceConfig, ...options };
  if (rootFile) all["grpc.ssl_target_name_override"] = "localhost";
  return new Client(address, secrets, all);
}

const within = (ms) => ({ deadline: Date.now() + ms });

function call(client, name, request, ms = PATIENCE_MS) {
  return new Promise((resolve, reject) => {
    client[name](request, within(ms), (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// Registering again with equal settings succeeds.
const register = (client, stream) => call(client, "RegisterStream", { stream: { stream_id: stream } });

// Submits frames of noise, which no codec compresses much.
async function submit(client, stream, side, from, to, ms = PATIENCE_MS) {
  for (let number = from; number <= to; number++) {
    const frame = {
      stream_id: stream, publisher_id: "node", publisher_sequence: number, format: "PICTURE_FORMAT_GRAY8",
      width: side, height: side, data: crypto.randomBytes(side * side),
    };
    const { results } = await call(client, "SubmitFrameBatch", { frames: [frame] }, ms);
    if (!["accepted", "duplicate"].includes(results[0].outcome)) throw new Error(`not accepted: ${JSON.stringify(results)}`);
  }
}

const selection = (stream, start) => ({
  // A large picture of noise exceeds the default bound and would be omitted.
  selectors: [{ streams: [{ id: stream }], start, pictures: { roles: ["PICTURE_ROLE_PROCESSED"], max_picture_bytes: 31 << 20 } }],
  heartbeat_interval: { seconds: 1 },
});
const earliest = { earliest: {} };

// The messages of a subscription, in order; `next` rejects with the status that ended it.
class Subscription {
  constructor(client, request) {
    this.call = client.SubscribeFrames(request, within(PATIENCE_MS));
    this.waiting = [];
    this.arrived = [];
    const settle = (settled) => (this.waiting.length ? this.waiting.shift()(settled) : this.arrived.push(settled));
    this.call.on("data", (message) => settle({ message }));
    this.call.on("error", (error) => settle({ error }));
    this.call.on("end", () => settle({ error: new Error("the call ended") }));
  }

  async next() {
    const settled = this.arrived.shift() ?? (await new Promise((resolve) => this.waiting.push(resolve)));
    if (settled.error) throw settled.error;
    return settled.message;
  }

  async expect(from, to) {
    for (let number = from; number <= to;) {
      const message = await this.next();
      if (message.event !== "frame") continue;
      const { sequence, pictures } = message.frame.frame;
      if (sequence !== String(number)) throw new Error(`frame ${sequence}, not ${number}`);
      if (!pictures[0].data?.length) throw new Error("no picture");
      number++;
    }
  }

  end() {
    this.call.cancel();
  }
}

async function submitAndSubscribe(client, stream, side) {
  await register(client, stream);
  const sub = new Subscription(client, selection(stream, { live: {} }));
  if ((await sub.next()).event !== "checkpoint") throw new Error("the first message is no checkpoint");
  await submit(client, stream, side, 1, 3);
  await sub.expect(1, 3);
  sub.end();
}

const cases = {
  "submit-subscribe": (client) => submitAndSubscribe(client, "node-submit-subscribe", 16),
  "large-pictures": (client) => submitAndSubscribe(client, "node-large-pictures", 3000),

  // Opens many subscriptions on one connection. Each must begin, and a unary call must succeed.
  async "many-calls"(client) {
    await register(client, "node-many");
    const subs = Array.from({ length: 300 }, () => new Subscription(client, selection("node-many", earliest)));
    await Promise.all(subs.map((sub) => sub.next()));
    await subs[0].next(); // none had to wait for the end of another
    await call(client, "GetStream", { stream_id: "node-many" });
    subs.forEach((sub) => sub.end());
  },

  // Opens calls and cancels each at once. A subscription on the same connection must continue.
  async cancellations(client) {
    await register(client, "node-cancel");
    const bystander = new Subscription(client, selection("node-cancel", earliest));
    await bystander.next();
    let round = 0;
    for (const count of [22, 50, 200]) {
      round++;
      const subs = Array.from({ length: count }, () => new Subscription(client, selection("node-cancel", earliest)));
      await new Promise((resolve) => setImmediate(resolve));
      subs.forEach((sub) => sub.end());
      await submit(client, "node-cancel", 16, round, round);
      await bystander.expect(round, round);
    }
    bystander.end();
  },

  "hung-server": (client) => resume(client, "node-hung-server"),
  drain: (client) => resume(client, "node-drain"),

  // The queue backend hangs: calls must end with DEADLINE_EXCEEDED or UNAVAILABLE, never CANCELLED.
  async deadlines(client) {
    const { DEADLINE_EXCEEDED, UNAVAILABLE } = grpc.status;
    let late = 0;
    for (let number = 1000; number < 1040; number++) {
      const error = await submit(client, "node-submit-subscribe", 16, number, number, 300).then(() => null, (error) => error);
      if (![DEADLINE_EXCEEDED, UNAVAILABLE].includes(error?.code)) throw error ?? new Error("accepted by a queue that hangs");
      late += error.code === DEADLINE_EXCEEDED;
    }
    if (late === 0) throw new Error("no deadline passed");
  },

  async "error-details"(client) {
    const error = await call(client, "GetStream", { stream_id: "nobody" }).then(() => null, (error) => error);
    if (error?.code !== grpc.status.NOT_FOUND) throw error ?? new Error("found");
    const details = error.metadata.get("grpc-status-details-bin")[0];
    // The reason is plain text within the message.
    if (!details?.includes("ERROR_REASON_STREAM_NOT_FOUND")) throw new Error("no ErrorInfo in the details");
  },

  async "receive-limit"(client, address, root) {
    await register(client, "node-limit");
    await submit(client, "node-limit", 1024, 1, 1);
    const narrow = connect(address, root, { "grpc.max_receive_message_length": 256 << 10 });
    const sub = new Subscription(narrow, selection("node-limit", earliest));
    const error = await sub.expect(1, 1).then(() => null, (error) => error);
    if (error?.code !== grpc.status.RESOURCE_EXHAUSTED) throw error ?? new Error("a message over the limit came");
    narrow.close();
  },

  // Keeps a subscription without frames open: heartbeats keep it alive, also in a proxy.
  async idle(client) {
    await register(client, "node-idle");
    const sub = new Subscription(client, selection("node-idle", { live: {} }));
    for (let beats = 0; beats < 8;) if ((await sub.next()).event === "heartbeat") beats++;
    sub.end();
  },
};

// Receives six frames over any number of calls. Cancels and resumes a call without messages for
// three heartbeats.
async function resume(client, stream) {
  await register(client, stream);
  await submit(client, stream, 16, 1, 3);
  let start = earliest;
  for (let next = 1; next <= 6;) {
    const sub = new Subscription(client, selection(stream, start));
    try {
      while (next <= 6) {
        const watchdog = setTimeout(() => {
          console.log("noticed");
          sub.end();
        }, 3000);
        const message = await sub.next().finally(() => clearTimeout(watchdog));
        if (message.event === "draining") console.log("draining");
        if (message.event !== "frame") continue;
        const { sequence } = message.frame.frame;
        if (sequence !== String(next)) throw new Error(`frame ${sequence} where ${next} was next`);
        start = { cursors: { cursors: [{ stream_id: stream, cursor: message.frame.cursor }] } };
        next++;
        console.log("frame", sequence);
      }
    } catch (error) {
      const { UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED } = grpc.status;
      if (![UNAVAILABLE, DEADLINE_EXCEEDED, CANCELLED].includes(error.code)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    sub.end();
  }
}

async function main([name, address, root]) {
  if (!cases[name] || !address) throw new Error("usage: node interop.js CASE ADDRESS [ROOT-CERTIFICATE]");
  const client = connect(address, root);
  await cases[name](client, address, root);
  client.close();
}

main(process.argv.slice(2)).then(() => process.exit(0), (error) => {
  console.error(`${process.argv[2]}: ${error.stack ?? error}`);
  process.exit(1);
});
