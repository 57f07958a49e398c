import assert from "node:assert/strict";
import { pictureOf } from "frameway/node";
import { ReencodeMode } from "frameway/v1";
import { client, collect, publish, range, scenario, Server, until } from "./support.js";

scenario("gap", "short", async () => {
  const server = await Server.start();
  const frameway = await client(server.address);
  await frameway.registry.registerStream({ stream: { streamId: "a", retention: { maxFrames: 5n } } });
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, 20);
  await publisher.close();
  await until("the first frames expire", async () => {
    const { stream } = await frameway.registry.getStream({ streamId: "a" });
    return stream?.status?.publishedSequence === 20n && stream.status.oldestSequence > 10n;
  });
  const seen = await collect(
    frameway.subscribe("a", { start: { sequence: 1 } }),
    ({ frames }) => frames.at(-1)?.sequence === 20,
  );
  const [gap] = seen.gaps;
  assert.ok(gap);
  assert.deepEqual([gap.streamId, gap.from], ["a", 1]);
  assert.deepEqual(gap.causes, [{ reason: "RETENTION", count: gap.to }]);
  assert.deepEqual(seen.sequences("a"), range(gap.to + 1, 20));
});

/** Bytes that begin like a JPEG; a stream that only relays does not look further. */
function bytesLikeJpeg(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at++) bytes[at] = (at * 2654435761) >>> 24;
  bytes.set([0xff, 0xd8, 0xff, 0xe0]);
  return bytes;
}

scenario("large-picture", "short", async () => {
  const server = await Server.start();
  const frameway = await client(server.address);
  await frameway.registry.registerStream({ stream: { streamId: "a", output: { reencodeMode: ReencodeMode.RELAY } } });
  const data = bytesLikeJpeg(6 << 20);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publisher.publish({ streamId: "a", data });
  await publisher.close();
  const seen = await collect(frameway.subscribe("a", { start: "earliest" }), ({ frames }) => frames.length === 1);
  assert.ok(seen.frames[0]);
  const picture = pictureOf(seen.frames[0].frame);
  assert.ok(Buffer.from(picture.data).equals(data));
  assert.equal(picture.mediaType, "image/jpeg");
});

scenario("latest", "short", async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publish(publisher, "a", 1, 3);
  await publish(publisher, "b", 1, 2);
  await publisher.close();
  await frameway.registry.registerStream({ stream: { streamId: "empty" } });
  await until("the frames are processed", async () =>
    (await frameway.latest(["a", "b"])).every((one, index) => one.status === "frame" && one.sequence === 3 - index),
  );
  const [a, b, empty, unknown] = await frameway.latest(["a", "b", "empty", "unknown"]);
  assert.ok(a?.status === "frame" && a.sequence === 3 && a.ageMs >= 0);
  assert.ok(pictureOf(a.frame).data.length > 100);
  assert.ok(b?.status === "frame" && b.streamId === "b" && b.sequence === 2);
  assert.deepEqual(empty, { status: "missing", streamId: "empty", reason: "NOT_ACCEPTED" });
  assert.deepEqual(unknown, { status: "missing", streamId: "unknown", reason: "STREAM_NOT_FOUND" });
});

scenario("slow-consumer", "long", async () => {
  const server = await Server.start();
  const frameway = await client(server.address);
  const output = { reencodeMode: ReencodeMode.RELAY };
  await frameway.registry.registerStream({ stream: { streamId: "a", output, retention: { maxBytes: 16n << 20n } } });
  const publisher = frameway.publisher({ publisherId: "camera", maxBytes: 8 << 20 });
  const data = bytesLikeJpeg(1 << 20);
  const subscription = frameway.subscribe("a", { start: "live", heartbeatMs: 1000 });
  assert.equal((await subscription.next()).value?.type, "started");
  const reading = subscription.next();
  const rss = () => process.memoryUsage().rss;
  const before = rss();
  let peak = before;
  for (let number = 1; number <= 200; number++) {
    await publisher.publish({ streamId: "a", data });
    peak = Math.max(peak, rss());
  }
  await publisher.close();
  assert.ok(
    peak - before < 120 << 20,
    `the client grew by ${(peak - before) >> 20} MiB while it read nothing of 200 MiB`,
  );
  const first = await reading;
  let [frames, missing, last] = [first.value?.type === "frame" ? 1 : 0, 0, 0];
  while (last < 200) {
    const { value: event } = await subscription.next();
    if (event?.type === "gap") missing += event.to - event.from + 1;
    if (event?.type === "gap") last = event.to;
    if (event?.type === "frame") [frames, last] = [frames + 1, event.sequence];
  }
  await subscription.return();
  assert.ok(missing > 100, `${missing} frames are missing`);
  assert.equal(frames + missing, 200);
});
