import assert from "node:assert/strict";
import { type Client, type Consumer, type Delivery, Rejected } from "frameway/node";
import { client, publish, range, scenario, Server, until } from "./support.js";

interface GroupSettings {
  ackDeadlineSeconds?: number;
  maxDeliveryAttempts?: number;
}

/** Starts a server with a group on the stream `a`, which has some frames. */
async function group(
  frames: number,
  { ackDeadlineSeconds = 30, maxDeliveryAttempts = 5 }: GroupSettings = {},
): Promise<Client> {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, frames);
  await publisher.close();
  await frameway.groups.createConsumerGroup({
    group: {
      groupId: "g",
      streams: [{ selector: { case: "id", value: "a" } }],
      start: { position: { case: "earliest", value: {} } },
      ackDeadline: { seconds: BigInt(ackDeadlineSeconds) },
      maxDeliveryAttempts,
      backoff: { minDelay: { seconds: 0n }, maxDelay: { seconds: 1n } },
    },
  });
  return frameway;
}

async function status(frameway: Client) {
  const { group } = await frameway.groups.getConsumerGroup({ groupId: "g" });
  assert.ok(group?.status);
  const { acknowledgedFrames, redeliveredFrames, deadLetterFrames, outstandingFrames } = group.status;
  return {
    acknowledged: Number(acknowledgedFrames),
    redelivered: Number(redeliveredFrames),
    dead: Number(deadLetterFrames),
    outstanding: Number(outstandingFrames),
  };
}

scenario("consume", "short", async () => {
  const frameway = await group(40);
  const handled: Record<string, number[]> = { one: [], two: [] };
  const join = (memberId: string): Consumer =>
    frameway.consume({ groupId: "g", memberId, maxOutstandingFrames: 5 }, async ({ sequence }) => {
      handled[memberId]?.push(sequence);
      await new Promise((resolve) => setTimeout(resolve, 5));
    });
  const members = [join("one"), join("two")];
  const all = () => Object.values(handled).flat();
  await until("all are handled", () => all().length >= 40);
  await Promise.all(members.map((member) => member.close()));
  assert.deepEqual(
    all().sort((a, b) => a - b),
    range(1, 40),
  );
  for (const sequences of Object.values(handled)) assert.ok(sequences.length > 0, "each member gets a share");
  assert.deepEqual(await status(frameway), { acknowledged: 40, redelivered: 0, dead: 0, outstanding: 0 });
});

scenario("handler-throws", "short", async () => {
  const frameway = await group(10, { maxDeliveryAttempts: 3 });
  const attempts: number[] = [];
  const handled = new Set<number>();
  const consumer = frameway.consume({ groupId: "g", memberId: "m" }, ({ sequence, attempt }) => {
    if (sequence === 4) {
      attempts.push(attempt);
      throw new Error("the plate is not readable");
    }
    if (sequence === 5) throw new Rejected("not for us", { deadLetter: true });
    handled.add(sequence);
  });
  await until("two are dead letters", async () => (await status(frameway)).dead === 2);
  await consumer.close();
  assert.deepEqual(attempts, [1, 2, 3]);
  assert.deepEqual(
    [...handled].sort((a, b) => a - b),
    [1, 2, 3, 6, 7, 8, 9, 10],
  );
  const { deadLetters } = await frameway.deadLetters.listDeadLetters({});
  const reasons = deadLetters
    .map((letter) => JSON.stringify(letter, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)))
    .join();
  assert.match(reasons, /the plate is not readable/);
  assert.match(reasons, /not for us/);
  assert.equal((await status(frameway)).acknowledged, 8);
});

scenario("long-handler", "long", async () => {
  const frameway = await group(2, { ackDeadlineSeconds: 2 });
  const deliveries: Delivery[] = [];
  const consumer = frameway.consume({ groupId: "g", memberId: "m", concurrency: 1 }, async (delivery) => {
    deliveries.push(delivery);
    await new Promise((resolve) => setTimeout(resolve, 5000));
  });
  await until("both are acknowledged", async () => (await status(frameway)).acknowledged === 2);
  await consumer.close();
  assert.deepEqual(
    deliveries.map(({ sequence, attempt }) => [sequence, attempt]),
    [
      [1, 1],
      [2, 1],
    ],
  );
  assert.equal((await status(frameway)).redelivered, 0);
});

scenario("consumer-drain", "long", async () => {
  const frameway = await group(10);
  const begun: number[] = [];
  const finished: number[] = [];
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const consumer = frameway.consume(
    { groupId: "g", memberId: "m", concurrency: 2, maxOutstandingFrames: 10 },
    async ({ sequence }) => {
      begun.push(sequence);
      await released;
      finished.push(sequence);
    },
  );
  await until("the member has frames", async () => begun.length === 2 && (await status(frameway)).outstanding === 10);
  const closing = consumer.close();
  // Another member gets them at once, long before the deadline of 30 s.
  const others: number[] = [];
  const other = frameway.consume({ groupId: "g", memberId: "other" }, ({ sequence }) => others.push(sequence));
  await until("the other member has them", () => others.length === 8);
  release();
  await closing;
  await other.close();
  assert.deepEqual(finished, begun);
  assert.deepEqual(
    [...finished, ...others].sort((a, b) => a - b),
    range(1, 10),
  );
  assert.deepEqual(
    { ...(await status(frameway)), redelivered: 0 },
    { acknowledged: 10, redelivered: 0, dead: 0, outstanding: 0 },
  );
});
