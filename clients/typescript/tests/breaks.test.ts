import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after } from "node:test";
import { type Client, FileCursorStore } from "frameway/node";
import { client, Collected, collect, publish, range, redis, scenario, Server, temporary, until } from "./support.js";

/** Publishes frames to the stream `a` one by one until it is told to stop, and then closes. */
function steadily(frameway: Client, publisherId = "camera"): { count: () => number; stop: () => Promise<number> } {
  const publisher = frameway.publisher({ publisherId });
  let count = 0;
  let stopping = false;
  const fates: Promise<string>[] = [];
  const running = (async () => {
    while (!stopping) {
      const [published] = await publish(publisher, "a", count + 1, count + 1);
      assert.ok(published);
      fates.push(published.fate.then(({ outcome }) => outcome));
      count++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await publisher.close();
    for (const outcome of await Promise.all(fates)) assert.match(outcome, /accepted|duplicate/);
    return count;
  })();
  running.catch(() => undefined);
  return {
    count: () => count,
    stop: () => {
      stopping = true;
      return running;
    },
  };
}

/** Follows the stream `a` from its beginning. */
function following(
  frameway: Client,
  heartbeatMs = 1000,
): { seen: Collected; upTo: (sequence: number) => Promise<Collected> } {
  const seen = new Collected();
  let last = Infinity;
  const running = (async () => {
    for await (const event of frameway.subscribe("a", { start: "earliest", heartbeatMs })) {
      seen.add(event);
      if (seen.frames.length >= last) return;
    }
  })();
  running.catch(() => undefined);
  return {
    seen,
    upTo: async (sequence) => {
      last = sequence;
      await running;
      return seen;
    },
  };
}

async function streamA(frameway: Client): Promise<void> {
  await frameway.registry.registerStream({ stream: { streamId: "a" } });
}

scenario("server-restart-publisher", "long", async () => {
  const server = await Server.start("--redis-url", await redis());
  const frameway = await client(server.address);
  await streamA(frameway);
  const publishing = steadily(frameway);
  for (const round of [1, 2]) {
    await until("frames are published", () => publishing.count() > round * 20);
    await server.kill();
    await server.start();
  }
  const count = await publishing.stop();
  const seen = await following(frameway).upTo(count);
  assert.deepEqual(seen.publisherSequences("a"), range(1, count));
  assert.deepEqual(seen.sequences("a"), range(1, count));
});

scenario("server-restart-subscriber", "short", async () => {
  const server = await Server.start("--redis-url", await redis());
  const frameway = await client(server.address);
  await streamA(frameway);
  const following_ = following(frameway);
  const publishing = steadily(frameway);
  await until("frames arrive", () => following_.seen.frames.length > 10);
  await server.kill();
  await server.start();
  const before = following_.seen.frames.length;
  await until("frames arrive again", () => following_.seen.frames.length > before + 10);
  const count = await publishing.stop();
  const seen = await following_.upTo(count);
  assert.deepEqual(seen.publisherSequences("a"), range(1, count));
  assert.ok(seen.reconnects.length > 0);
  assert.equal(seen.gaps.length, 0);
});

scenario("server-restart-consumer", "long", async () => {
  const server = await Server.start("--redis-url", await redis());
  const frameway = await client(server.address);
  await streamA(frameway);
  const streams = [{ selector: { case: "id", value: "a" } } as const];
  await frameway.groups.createConsumerGroup({
    group: { groupId: "g", streams, start: { position: { case: "earliest", value: {} } } },
  });
  const handled: number[] = [];
  let release: (() => void) | undefined;
  const consumer = frameway.consume(
    { groupId: "g", memberId: "m", heartbeatMs: 1000 },
    async ({ sequence, attempt }) => {
      assert.equal(attempt, 1);
      handled.push(sequence);
      // The first frame is in work while the server is killed, and comes again over the next connection.
      if (sequence === 1) await new Promise<void>((resolve) => (release = resolve));
    },
  );
  const publishing = steadily(frameway);
  await until("frames are handled", () => handled.length > 10);
  await server.kill();
  await server.start();
  const before = handled.length;
  await until("frames are handled again", () => handled.length > before + 10);
  release?.();
  const count = await publishing.stop();
  await until("all are handled", () => handled.length >= count);
  await consumer.close();
  assert.deepEqual(
    handled.sort((a, b) => a - b),
    range(1, count),
  );
  const { group } = await frameway.groups.getConsumerGroup({ groupId: "g" });
  assert.equal(Number(group?.status?.acknowledgedFrames), count);
  assert.equal(group?.status?.deadLetterFrames, 0n);
});

scenario("drained", "long", async () => {
  const url = await redis();
  const servers = [await Server.start("--redis-url", url), await Server.start("--redis-url", url)] as const;
  const frameway = await client(servers.map(({ address }) => address));
  await streamA(frameway);
  const streams = [{ selector: { case: "id", value: "a" } } as const];
  await frameway.groups.createConsumerGroup({
    group: { groupId: "g", streams, start: { position: { case: "earliest", value: {} } } },
  });
  const handled: number[] = [];
  const consumer = frameway.consume({ groupId: "g", memberId: "m" }, ({ sequence }) => handled.push(sequence));
  const subscription = following(frameway);
  const publishing = steadily(frameway);
  await until("frames flow", () => handled.length > 10 && subscription.seen.frames.length > 10);
  await servers[0].drain();
  const before = { handled: handled.length, seen: subscription.seen.frames.length };
  await until(
    "frames flow again",
    () => handled.length > before.handled + 10 && subscription.seen.frames.length > before.seen + 10,
  );
  const count = await publishing.stop();
  const seen = await subscription.upTo(count);
  assert.deepEqual(seen.publisherSequences("a"), range(1, count));
  await until("all are handled", () => handled.length >= count);
  await consumer.close();
  assert.deepEqual(
    handled.sort((a, b) => a - b),
    range(1, count),
  );
});

scenario("two-addresses", "short", async () => {
  // This one accepts connections and says nothing.
  const silent = net.createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  after(() => silent.close());
  const dead = `127.0.0.1:${(silent.address() as net.AddressInfo).port}`;
  const server = await Server.start("--auto-register");
  for (const first of [dead, "127.0.0.1:1"]) {
    const frameway = await client([first, server.address], { timeoutMs: 1000 });
    const publisher = frameway.publisher({ publisherId: "camera" });
    const [published] = await publish(publisher, "a", 1, 1);
    assert.match((await published?.fate)?.outcome ?? "", /accepted|duplicate/);
    await publisher.close();
    const seen = await collect(frameway.subscribe("a", { start: "earliest" }), ({ frames }) => frames.length > 0);
    assert.equal(seen.reconnects.length, 0);
    frameway.close();
  }
});

scenario("silent-server", "long", async () => {
  const server = await Server.start("--redis-url", await redis());
  const frameway = await client(server.address);
  await streamA(frameway);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, 5);
  await publisher.flush();
  const subscription = following(frameway);
  await until("frames arrive", () => subscription.seen.frames.length === 5);
  await server.signal("SIGSTOP");
  const since = Date.now();
  await until("the subscriber notices", () => subscription.seen.reconnects.length > 0);
  const took = Date.now() - since;
  assert.ok(took < 10_000, `noticed after ${took} ms, with heartbeats each second`);
  assert.match(subscription.seen.reconnects[0]?.error.message ?? "", /sent nothing for 3 s/);
  await server.signal("SIGCONT");
  await publish(publisher, "a", 6, 10);
  await publisher.close();
  const seen = await subscription.upTo(10);
  assert.deepEqual(seen.sequences("a"), range(1, 10));
});

scenario("cursor-store", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, 20);
  await publisher.close();
  const store = () => new FileCursorStore(file);
  const file = temporary("cursors");
  const options = { start: "earliest", storeIntervalMs: 0 } as const;
  const first = await collect(
    frameway.subscribe("a", { ...options, store: store() }),
    ({ frames }) => frames.length === 8,
  );
  assert.deepEqual(first.sequences("a"), range(1, 8));
  // The loop ended while the program handled frame 8, so frame 8 comes again.
  const second = await collect(
    frameway.subscribe("a", { ...options, store: store() }),
    ({ frames }) => frames.at(-1)?.sequence === 20,
  );
  assert.deepEqual(second.sequences("a"), range(8, 20));
  assert.equal(second.gaps.length, 0);
});
