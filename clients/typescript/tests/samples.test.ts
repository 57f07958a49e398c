import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { client, platform, publish, Server, until } from "./support.js";

const sample = (name: string) => path.resolve(import.meta.dirname, `../samples/${name}.js`);
const skip = platform === "web" && "they run with the client for Node.js";

void test("the sample submits and receives every frame", { skip }, async () => {
  const server = await Server.start();
  const { stdout } = await promisify(execFile)(process.execPath, [
    sample("submit-and-subscribe"),
    server.address,
    "road-1",
  ]);
  assert.equal(stdout.match(/^road-1 \d+: image\/jpeg 64x48, \d+ bytes$/gm)?.length, 10, stdout);
});

void test("the detector handles frames until it is interrupted", { skip }, async () => {
  const server = await Server.start("--auto-register");
  const frameway = await client(server.address);
  const detector = spawn(process.execPath, [sample("detector"), server.address, "detectors", "a"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(detector, "exit");
  let output = "";
  detector.stdout.on("data", (data: Buffer) => (output += data.toString()));
  try {
    await until("it has joined", () => output.includes("has joined detectors"));
    const publisher = frameway.publisher({ publisherId: "camera" });
    await publish(publisher, "a", 1, 3);
    await publisher.close();
    await until("it has handled them", () => (output.match(/^a \d, attempt 1/gm) ?? []).length === 3);
    detector.kill("SIGINT");
    assert.deepEqual((await exited)[0], 0);
  } finally {
    detector.kill("SIGKILL");
  }
});
