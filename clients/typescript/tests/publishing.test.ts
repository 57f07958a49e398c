import assert from "node:assert/strict";
import { PictureFormat } from "frameway/v1";
import { client, collect, greyFrame, platform, publish, range, redis, scenario, Server, until } from "./support.js";

scenario("submit-and-subscribe", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  const published = [...(await publish(publisher, "a", 1, 10)), ...(await publish(publisher, "b", 1, 10))];
  await publisher.close();
  const fates = await Promise.all(published.map(({ fate }) => fate));
  assert.deepEqual(
    fates.map((fate) => fate.outcome === "accepted" && fate.sequence),
    [...range(1, 10), ...range(1, 10)],
  );
  const seen = await collect(
    frameway.subscribe(["a", "b"], { start: "earliest" }),
    ({ frames }) => frames.length === 20,
  );
  for (const stream of ["a", "b"]) assert.deepEqual(seen.sequences(stream), range(1, 10));
  for (const { frame } of seen.frames) {
    const content = frame.pictures[0]?.content;
    assert.ok(content?.case === "data" && content.value.length > 100, "a picture comes with each frame");
  }
  assert.equal(seen.gaps.length, 0);
});

scenario("duplicate", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const send = async () => {
    const publisher = frameway.publisher({ publisherId: "camera" });
    const published = [];
    for (const number of range(1, 5))
      published.push(await publisher.publish({ ...greyFrame("a", number), publisherSequence: number }));
    await publisher.close();
    return Promise.all(published.map(({ fate }) => fate));
  };
  assert.deepEqual(
    (await send()).map(({ outcome }) => outcome),
    Array(5).fill("accepted"),
  );
  assert.deepEqual(
    await send(),
    range(1, 5).map((sequence) => ({ outcome: "duplicate", sequence })),
  );
  const seen = await collect(
    frameway.subscribe("a", { start: "earliest", heartbeatMs: 1000 }),
    ({ frames, events }) => {
      // Nothing follows the five frames: the heartbeat after them shows no lag.
      const last = events.at(-1);
      return frames.length >= 5 && last?.type === "lag" && last.frames === 0;
    },
  );
  assert.deepEqual(seen.sequences("a"), range(1, 5));
});

scenario("bad-frame", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  const good = await publisher.publish(greyFrame("a", 1));
  const bad = await publisher.publish({ streamId: "a", width: 16, height: 16, data: Buffer.from("no picture") });
  const better = await publisher.publish(greyFrame("a", 3));
  await publisher.close();
  assert.ok(bad.publisherSequence === 2 || platform === "web");
  const fate = await bad.fate;
  assert.ok(fate.outcome === "rejected", JSON.stringify(fate));
  assert.equal(fate.error.reason, "PICTURE_FORMAT_UNKNOWN");
  assert.match(fate.error.message, /^PICTURE_FORMAT_UNKNOWN: .+/);
  assert.equal((await good.fate).outcome, "accepted");
  assert.equal((await better.fate).outcome, "accepted");
});

scenario("order-after-refusal", "short", async () => {
  const server = await Server.start();
  const frameway = await client(server.address);
  await frameway.registry.registerStream({ stream: { streamId: "a", queue: { maxFrames: 3n } } });
  const target = { case: "allQueues", value: true } as const;
  await frameway.queues.pauseQueue({ target });
  const publisher = frameway.publisher({ publisherId: "camera" });
  const published = await publish(publisher, "a", 1, 20);
  const decided: number[] = [];
  for (const { publisherSequence, fate } of published) void fate.then(() => decided.push(publisherSequence));
  await until("the queue is full", () => decided.length === 3);
  await frameway.queues.resumeQueue({ target });
  await publisher.close();
  assert.deepEqual(decided, range(1, 20));
  const seen = await collect(frameway.subscribe("a", { start: "earliest" }), ({ frames }) => frames.length === 20);
  assert.deepEqual(seen.publisherSequences("a"), range(1, 20));
  assert.deepEqual(seen.sequences("a"), range(1, 20));
});

scenario(
  "publisher-restart",
  "long",
  async () => {
    const server = await Server.start("--auto-register", "--redis-url", await redis());
    const frameway = await client(server.address);
    const first = frameway.publisher({ publisherId: "camera" });
    const ended = new AbortController();
    const doomed = frameway.publisher({ publisherId: "camera", signal: ended.signal });
    await publish(first, "a", 1, 10);
    await first.close();
    const unknown = await publish(doomed, "a", 11, 20);
    ended.abort();
    await Promise.all(unknown.map(({ fate }) => fate));
    const next = frameway.publisher({ publisherId: "camera" });
    const position = await next.position("a");
    assert.ok(position !== undefined && position >= 10 && position <= 20, String(position));
    const published = await publish(next, "a", position + 1, 40);
    await next.close();
    assert.deepEqual(
      published.map(({ publisherSequence }) => publisherSequence),
      range(position + 1, 40),
    );
    const seen = await collect(frameway.subscribe("a", { start: "earliest" }), ({ frames }) => frames.length === 40);
    assert.deepEqual(seen.publisherSequences("a"), range(1, 40));
  },
  "a browser has no SubmitFrames, which tells positions: frames are numbered by the clock",
);

scenario("bounded-publisher", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera", maxBytes: 1 << 20 });
  await publisher.publish(greyFrame("a", 1));
  await publisher.flush();
  await server.signal("SIGSTOP");
  const picture = new Uint8Array(100_000);
  let taken = 0;
  const publishing = (async () => {
    for (let number = 0; number < 50; number++) {
      await publisher.publish({ streamId: "a", format: PictureFormat.GRAY8, width: 1000, height: 100, data: picture });
      taken++;
    }
  })();
  await until("the publisher is full", () => taken === 10);
  assert.equal(await Promise.race([publishing, new Promise((resolve) => setTimeout(resolve, 300, "waits"))]), "waits");
  assert.equal(taken, 10, "1 MiB holds ten pictures of 100 kB");
  await server.signal("SIGCONT");
  await publishing;
  await publisher.close();
  assert.equal(taken, 50);
});
