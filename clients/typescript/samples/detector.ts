/**
 * Handles the frames of a consumer group until it gets SIGINT: node detector.js ADDRESS GROUP STREAM...
 *
 * Creates the group if it does not exist. Start several, with different MEMBER variables: they share the frames.
 */
import { connect, streamMatch } from "frameway/node";

const [address = "127.0.0.1:7400", groupId = "detectors", ...streams] = process.argv.slice(2);
const memberId = process.env["MEMBER"] ?? `member-${process.pid}`;

const frameway = await connect(address, { logger: console });
await frameway.groups.createConsumerGroup({
  group: { groupId, streams: (streams.length > 0 ? streams : ["*"]).map(streamMatch) },
});

const consumer = frameway.consume({ groupId, memberId, concurrency: 2 }, ({ streamId, sequence, attempt, frame }) => {
  // An error that is thrown here rejects the frame: it is delivered again, and becomes a dead letter in the end.
  const motion = frame.scene?.motionIntensity;
  console.log(
    `${streamId} ${sequence}, attempt ${attempt}: ${motion === undefined ? "no motion known" : `motion ${motion.toFixed(3)}`}`,
  );
});
console.log(`${memberId} has joined ${groupId}`);

process.once("SIGINT", () => {
  // Running handlers finish; frames that no handler has begun go to other members at once.
  void consumer.close();
});
await consumer.closed;
frameway.close();
