import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type HandlerContext } from "@connectrpc/connect";
import {
  AccessError,
  Code,
  ConnectionError,
  CursorStoreError,
  DeadlineError,
  FileCursorStore,
  FramewayError,
  MessageTooLargeError,
  OptionError,
} from "frameway/node";
import {
  FrameResultSchema,
  GapReason,
  ReencodeMode,
  SubmitFramesResponseSchema,
  SubscribeFramesResponseSchema,
} from "frameway/v1";
import { scripted } from "./scripted.js";
import {
  client,
  collect,
  connect,
  failure,
  freePort,
  platform,
  greyFrame,
  publish,
  range,
  scenario,
  Server,
  Skip,
  temporary,
} from "./support.js";

scenario("no-server", "short", async () => {
  const port = await freePort();
  const since = Date.now();
  const error = await failure(connect(`127.0.0.1:${port}`));
  assert.ok(error instanceof ConnectionError);
  assert.match(error.message, new RegExp(`^cannot reach http://127.0.0.1:${port}: .*(ECONNREFUSED|fetch failed)`));
  assert.ok(Date.now() - since < 10_000);
  for (const address of ["", "127.0.0.1:port", "ftp://127.0.0.1:21", "127.0.0.1:7400/path"]) {
    const wrong = await failure(connect(address));
    assert.ok(wrong instanceof OptionError, address);
    assert.match(wrong.message, /is not an address: write HOST:PORT/);
  }
});

function createKey(accessFile: string): string {
  const program = process.env["FRAMEWAY"] ?? path.resolve(import.meta.dirname, "../../../../target/debug/frameway");
  const args = ["keys", "create", "--access-file", accessFile, "--principal", "admin", "--grant", "admin"];
  return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
}

scenario("wrong-key", "short", async () => {
  const accessFile = temporary("access");
  const key = createKey(accessFile);
  const server = await Server.start("--access-file", accessFile);
  for (const [credentials, reason] of [
    [`${key}x`, "CREDENTIALS_INVALID"],
    [undefined, "CREDENTIALS_MISSING"],
  ] as const) {
    const since = Date.now();
    const error = await failure(connect(server.address, credentials === undefined ? {} : { credentials }));
    assert.ok(error instanceof AccessError);
    assert.equal(error.reason, reason);
    assert.equal(error.retryable, false);
    assert.ok(!error.message.includes(key), "the error does not show the key");
    assert.ok(Date.now() - since < 5000, "there is no retry");
  }
  const frameway = await client(server.address, { credentials: () => Promise.resolve(key) });
  assert.equal((await frameway.registry.listStreams({})).streams.length, 0);
  const exposed = await failure(connect("192.0.2.1:7400", { credentials: key }));
  assert.ok(exposed instanceof OptionError);
  assert.match(exposed.message, /in plaintext/);
});

/** Makes a CA, and certificates of it for a server on this machine and for a client. */
function certificates(): { ca: string; cert: string; key: string; args: string[]; clientArgs: string[] } {
  const folder = temporary("tls");
  fs.mkdirSync(folder);
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "ignore" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const issue = (name: string, extension: string) => {
    openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    fs.writeFileSync(path.join(folder, "extension"), extension);
    const signer = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension"];
    openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signer);
  };
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test-ca");
  issue("server", "subjectAltName=DNS:localhost,IP:127.0.0.1");
  issue("client", "subjectAltName=DNS:agent.example\nextendedKeyUsage=clientAuth");
  const [ca = "", cert = "", key = ""] = ["ca.pem", "client.pem", "client.key"].map((name) =>
    fs.readFileSync(path.join(folder, name), "utf8"),
  );
  const args = ["--tls-cert", path.join(folder, "server.pem"), "--tls-key", path.join(folder, "server.key")];
  return {
    ca,
    cert,
    key,
    args,
    clientArgs: ["--tls-client-ca", path.join(folder, "ca.pem"), "--tls-require-client-cert"],
  };
}

void test("a client certificate", { skip: platform === "web" && "a browser has none for scripts" }, async () => {
  const { ca, cert, key, args, clientArgs } = certificates();
  const server = await Server.start(...args, ...clientArgs);
  const address = `https://${server.address}`;
  const frameway = await client(address, { tls: { ca, cert, key } });
  assert.equal((await frameway.registry.listStreams({})).streams.length, 0);
  for (const [tls, says] of [
    [{ ca }, /requires a client certificate/],
    [{ ca, cert, key: "no key" }, /is not PEM/],
  ] as const) {
    const error = await failure(connect(address, { tls }));
    assert.ok(error instanceof ConnectionError);
    assert.match(error.message, says);
    assert.ok(!error.message.includes("no key"));
  }
  const plain = await failure(connect(server.address, { tls: { ca } }));
  assert.ok(plain instanceof OptionError);
});

void test("credentials that are no header are refused, and not shown", async () => {
  const error = await failure(connect("127.0.0.1:1", { credentials: "secr\u00e9t" }));
  assert.ok(error instanceof OptionError);
  assert.ok(!error.message.includes("secr\u00e9t"));
});

scenario("plaintext-to-tls", "short", async () => {
  const { ca, args } = certificates();
  const server = await Server.start(...args);
  const error = await failure(connect(server.address));
  assert.ok(error instanceof ConnectionError);
  assert.match(error.message, /the server speaks TLS: use https:|use https:\/\/ if the server speaks TLS/);
  if (platform === "web") return; // A browser trusts the CAs of the system, and says no more than "Failed to fetch".
  assert.equal(error.retryable, false);
  const untrusted = await failure(connect(`https://${server.address}`));
  assert.ok(untrusted instanceof ConnectionError);
  assert.match(untrusted.message, /not from a trusted CA: pass the CA's certificate/);
  const frameway = await client(`https://${server.address}`, { tls: { ca } });
  assert.equal((await frameway.registry.listStreams({})).streams.length, 0);
});

scenario("tls-to-plaintext", "short", async () => {
  const server = await Server.start();
  const error = await failure(connect(`https://${server.address}`));
  assert.ok(error instanceof ConnectionError);
  assert.match(error.message, /the server does not speak TLS: use http:|http:\/\/ if it does not/);
});

scenario("deadline", "short", async () => {
  const address = await scripted({ getLatestFrames: () => new Promise(() => undefined) });
  const frameway = await client(address);
  const since = Date.now();
  const error = await failure(frameway.streaming.getLatestFrames({ streamIds: ["a"] }, { timeoutMs: 500 }));
  const took = Date.now() - since;
  assert.ok(error instanceof DeadlineError, String(error));
  assert.equal(error.code, Code.DeadlineExceeded);
  assert.match(error.message, /did not answer in time/);
  assert.ok(took >= 450 && took < 3000, `${took} ms`);
  const server = await Server.start();
  await server.signal("SIGSTOP");
  assert.ok((await failure(connect(server.address, { timeoutMs: 500 }))) instanceof DeadlineError);
});

scenario("cancel", "short", async () => {
  // A process of its own ends by itself when nothing is left: no timer and no connection.
  const server = await Server.start("--auto-register");
  const code = `
    import assert from "node:assert/strict";
    import { connect } from "frameway/${platform}";
    const frameway = await connect(${JSON.stringify(server.address)});
    const frame = { streamId: "a", format: 18, width: 16, height: 16, data: new Uint8Array(256) };
    const controller = new AbortController();
    const { signal } = controller;
    const publisher = frameway.publisher({ publisherId: "camera", signal });
    await publisher.publish(frame);
    await publisher.flush();
    await frameway.groups.createConsumerGroup({ group: { groupId: "g", streams: [{ selector: { case: "id", value: "a" } }], start: { position: { case: "earliest", value: {} } } } });
    const ends = [];
    let handled;
    const handling = new Promise((resolve) => (handled = resolve));
    const consumed = frameway.consume({ groupId: "g", memberId: "m", signal }, (delivery) => new Promise((_, reject) => {
      delivery.signal.addEventListener("abort", () => reject(new Error("aborted")));
      handled();
    })).closed.catch((error) => ends.push(["consumer", error]));
    await handling;
    const subscription = (async () => {
      for await (const event of frameway.subscribe("a", { start: "earliest", signal })) if (event.type === "lag") break;
    })().catch((error) => ends.push(["subscription", error]));
    const reason = new Error("enough");
    controller.abort(reason);
    const since = Date.now();
    const published = publisher.publish(frame).catch((error) => ends.push(["publisher", error]));
    await Promise.all([subscription, published, consumed]);
    assert.deepEqual(ends.map(([name]) => name).sort(), ["consumer", "publisher", "subscription"]);
    for (const [, error] of ends) assert.equal(error, reason);
    assert.ok(Date.now() - since < 1000);
    frameway.close();
    process.on("exit", () => assert.ok(Date.now() - since < 3000, "something kept the process alive"));
  `;
  const file = path.join(import.meta.dirname, `cancel-${process.pid}.mjs`);
  fs.writeFileSync(file, code);
  try {
    execFileSync(process.execPath, [file], { stdio: "inherit", timeout: 30_000 });
  } finally {
    fs.rmSync(file);
  }
});

/** Waits until the client ends the call. */
function ended({ signal }: HandlerContext): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => {
      resolve();
    });
  });
}

const response = (init: MessageInitShape<typeof SubscribeFramesResponseSchema>) =>
  create(SubscribeFramesResponseSchema, init);
const submitted = (init: MessageInitShape<typeof SubmitFramesResponseSchema>) =>
  create(SubmitFramesResponseSchema, init);

scenario("newer-server", "short", async () => {
  const unknownEvent = create(SubscribeFramesResponseSchema);
  unknownEvent.$unknown = [{ no: 99, wireType: 2, data: new Uint8Array([2, 8, 1]) }];
  const unknownOutcome = create(FrameResultSchema);
  unknownOutcome.$unknown = [{ no: 99, wireType: 2, data: new Uint8Array([2, 8, 1]) }];
  const accepted = create(FrameResultSchema, { outcome: { case: "accepted", value: { sequence: 7n } } });
  let batches = 0;
  const address = await scripted({
    async *subscribeFrames(_request, context) {
      yield unknownEvent;
      yield response({ event: { case: "checkpoint", value: {} } });
      const causes = [
        { reason: 99 as GapReason, count: 2n },
        { reason: GapReason.SAMPLED, count: 1n },
      ];
      yield response({
        event: {
          case: "gap",
          value: { cursor: "c", gap: { streamId: "a", fromSequence: 1n, toSequence: 3n, causes } },
        },
      });
      yield response({ event: { case: "frame", value: { cursor: "d", frame: { streamId: "a", sequence: 4n } } } });
      await ended(context);
    },
    submitFrameBatch: () => ({ results: [batches++ === 0 ? unknownOutcome : accepted] }),
    async *submitFrames(requests) {
      for await (const { request } of requests) {
        if (request.case === "setup") {
          yield submitted({ event: { case: undefined } });
          const bounds = {
            maxBatchFrames: 100,
            maxMessageBytes: 32n << 20n,
            maxInFlightBatches: 4,
            maxInFlightBytes: 32n << 20n,
          };
          yield submitted({ event: { case: "ready", value: bounds } });
        }
        if (request.case === "batch") {
          const results = batches++ === 0 ? [unknownOutcome] : [accepted];
          yield submitted({ event: { case: "batchResult", value: { batchId: request.value.batchId, results } } });
        }
      }
    },
  });
  const frameway = await client(address);
  const seen = await collect(frameway.subscribe("a"), ({ frames }) => frames.length === 1);
  assert.deepEqual(
    seen.events.map(({ type }) => type),
    ["started", "gap", "frame"],
  );
  assert.deepEqual(seen.gaps[0]?.causes, [
    { reason: "99", count: 2 },
    { reason: "SAMPLED", count: 1 },
  ]);
  const publisher = frameway.publisher({ publisherId: "camera" });
  const published = await publisher.publish(greyFrame("a", 1));
  await publisher.close();
  assert.deepEqual(await published.fate, { outcome: "accepted", sequence: 7 });
  assert.equal(batches, 2, "an unknown outcome is unconfirmed: the frame is sent again");
});

scenario(
  "message-too-large",
  "short",
  async () => {
    const server = await Server.start();
    const frameway = await client(server.address, { maxMessageBytes: 100_000 });
    const output = { reencodeMode: ReencodeMode.RELAY };
    await frameway.registry.registerStream({ stream: { streamId: "a", output } });
    const data = new Uint8Array(200_000);
    data.set([0xff, 0xd8, 0xff, 0xe0]);
    const publisher = frameway.publisher({ publisherId: "camera" });
    await publisher.publish({ streamId: "a", data });
    await publisher.close();
    let reconnects = 0;
    const error = await failure(
      collect(frameway.subscribe("a", { start: "earliest" }), ({ reconnects: { length } }) => {
        reconnects = length;
        return false;
      }),
    );
    assert.ok(error instanceof MessageTooLargeError, String(error));
    assert.match(error.message, /raise maxMessageBytes/);
    assert.equal(reconnects, 0);
  },
  "fetch has no limit for messages; maxPictureBytes of a selection bounds the pictures",
);

scenario("foreign-cursor", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, 5);
  await publish(publisher, "b", 1, 5);
  await publisher.close();
  const file = temporary("cursors");
  const store = new FileCursorStore(file);
  await collect(
    frameway.subscribe("a", { start: "earliest", store, storeIntervalMs: 0 }),
    ({ frames }) => frames.length === 3,
  );
  const kept = fs.readFileSync(file, "utf8");

  const foreign = await failure(frameway.subscribe("b", { start: "earliest", store }).next());
  assert.ok(foreign instanceof CursorStoreError);
  assert.match(foreign.message, new RegExp(`^the cursors in ${file} belong to a, not to b: `));
  for (const text of ["", "{", kept.slice(0, -10), '{"frameway":2}', "[]", "null"]) {
    fs.writeFileSync(file, text);
    const damaged = await failure(frameway.subscribe("a", { start: "earliest", store }).next());
    assert.ok(damaged instanceof CursorStoreError, text);
    assert.match(damaged.message, /are damaged/);
    assert.equal(fs.readFileSync(file, "utf8"), text, "it is left as it was");
  }
  // A cursor that was moved to another stream.
  fs.writeFileSync(file, kept.replaceAll('"a"', '"b"'));
  const moved = await failure(frameway.subscribe("b", { store }).next());
  assert.ok(moved instanceof FramewayError);
  assert.equal(moved.reason, "CURSOR_INVALID");
  // A cursor of another store.
  fs.writeFileSync(file, kept);
  await server.kill();
  await server.start();
  const again = frameway.publisher({ publisherId: "camera" });
  await publish(again, "a", 1, 5);
  await again.close();
  const seen = await collect(frameway.subscribe("a", { store }), ({ frames }) => frames.length === 5);
  assert.deepEqual(
    seen.gaps.map(({ causes }) => causes[0]?.reason),
    ["STORE_REPLACED"],
  );
  assert.deepEqual(seen.sequences("a"), range(1, 5));
});

scenario(
  "full-disk",
  "long",
  async () => {
    const folder = temporary("full");
    fs.mkdirSync(folder);
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=4k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      throw new Skip("this user cannot mount a file system that is full");
    }
    try {
      const server = await Server.start("--auto-register");
      const frameway = await client(server.address);
      const publisher = frameway.publisher({ publisherId: "camera" });
      await publish(publisher, "a", 1, 5);
      await publisher.close();
      fs.writeFileSync(path.join(folder, "other"), Buffer.alloc(4096));
      const file = path.join(folder, "cursors");
      let frames = 0;
      const error = await failure(
        collect(
          frameway.subscribe("a", { start: "earliest", store: new FileCursorStore(file), storeIntervalMs: 0 }),
          (seen) => {
            frames = seen.frames.length;
            return false;
          },
        ),
      );
      assert.ok(error instanceof CursorStoreError);
      assert.match(error.message, new RegExp(`^the cursors cannot be written to ${file}: .*ENOSPC`));
      assert.ok(frames <= 1, "delivery does not continue");
    } finally {
      execFileSync("umount", [folder]);
    }
  },
  "a browser has no files; the quota of its storage is tested in Chromium",
);
