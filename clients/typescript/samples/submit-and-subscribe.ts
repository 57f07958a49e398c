/**
 * Submits pictures and receives them: node submit-and-subscribe.js ADDRESS STREAM [FILE...]
 *
 * Registers the stream with the default settings, without privacy masks. Without files it submits ten generated
 * pictures. Exit code 0 means that every frame came back, once and in order.
 */
import { readFile } from "node:fs/promises";
import { connect, type FrameToPublish, pictureOf } from "frameway/node";
import { PictureFormat } from "frameway/v1";

const [address = "127.0.0.1:7400", streamId = "road-1", ...files] = process.argv.slice(2);

async function* pictures(): AsyncGenerator<FrameToPublish> {
  for (const file of files) yield { streamId, data: await readFile(file), captureTime: new Date() };
  for (let number = 0; files.length === 0 && number < 10; number++) {
    const data = new Uint8Array(64 * 48).map((_, at) => (at + number * 20) % 256);
    yield { streamId, format: PictureFormat.GRAY8, width: 64, height: 48, data, captureTime: new Date() };
  }
}

const frameway = await connect(address, { logger: console });
await frameway.registry.registerStream({ stream: { streamId } });

const subscription = frameway.subscribe(streamId);
await subscription.next(); // After the first event, every frame that is published arrives.

const publisher = frameway.publisher({ publisherId: "sample" });
const published = [];
for await (const picture of pictures()) published.push(await publisher.publish(picture));
await publisher.close();

const expected: number[] = [];
for (const { publisherSequence, fate } of published) {
  const decided = await fate;
  if (decided.outcome === "accepted" || decided.outcome === "duplicate") expected.push(decided.sequence);
  else console.log(`frame ${publisherSequence} ${decided.outcome}: ${decided.error?.message ?? ""}`);
}

const received: number[] = [];
for await (const event of subscription) {
  if (event.type === "frame") {
    const { mediaType, width, height, data } = pictureOf(event.frame);
    console.log(`${streamId} ${event.sequence}: ${mediaType} ${width}x${height}, ${data.length} bytes`);
    received.push(event.sequence);
  }
  if (event.type === "gap") console.log(`${streamId} ${event.from} to ${event.to}: missing`, event.causes);
  if (
    (event.type === "frame" && event.sequence === expected.at(-1)) ||
    (event.type === "gap" && event.to >= (expected.at(-1) ?? 0))
  )
    break;
}
frameway.close();
if (expected.length < published.length || received.join() !== expected.join()) process.exitCode = 1;
