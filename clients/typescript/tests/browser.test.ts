/** The client for browsers in Chromium. */
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import type net from "node:net";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { build } from "esbuild";
import { type Client, pictureOf } from "frameway/node";
import { PictureFormat, PictureRole } from "frameway/v1";
import { type Browser, chromium, type Page } from "playwright-core";
import {
  client,
  collect,
  DEADLINE_MS,
  PACKAGE,
  platform,
  range,
  redis,
  scenario,
  Server,
  Skip,
  temporary,
  until,
} from "./support.js";

const PROGRAM = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/google-chrome",
  "/usr/bin/chromium-browser",
].find((file) => file !== undefined && fs.existsSync(file));
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--js-flags=--expose-gc",
];
const ALL = process.env["FRAMEWAY_TESTS"] === "all";
const noChromium = PROGRAM === undefined && "there is no Chromium";
const skip = platform === "web" ? "it runs with the other tests" : noChromium;

let browser: Browser | undefined;
let pages: http.Server;
let origin: string;
const folder = temporary("pages");

/** Serves the wall, and a page without anything that has the client as `frameway`. */
before(async () => {
  if (noChromium !== false) return;
  fs.mkdirSync(folder);
  const wall = path.join(PACKAGE, "samples/wall");
  fs.copyFileSync(path.join(wall, "index.html"), path.join(folder, "index.html"));
  const common = { bundle: true, format: "esm", absWorkingDir: PACKAGE, logLevel: "error" } as const;
  await build({ ...common, outdir: folder, entryPoints: [path.join(wall, "wall.ts")] });
  await build({
    ...common,
    outfile: path.join(folder, "client.js"),
    stdin: { contents: 'import * as frameway from "frameway/web"; window.frameway = frameway;', resolveDir: PACKAGE },
  });
  fs.writeFileSync(path.join(folder, "empty.html"), '<!doctype html><script type="module" src="client.js"></script>');
  pages = http.createServer((request, response) => {
    const file = path.join(folder, path.basename(new URL(request.url ?? "/", "http://x").pathname) || "index.html");
    if (!fs.existsSync(file)) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": file.endsWith(".js") ? "text/javascript" : "text/html" });
    response.end(fs.readFileSync(file));
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  origin = `http://127.0.0.1:${(pages.address() as net.AddressInfo).port}`;
  browser = await chromium.launch({ executablePath: PROGRAM ?? "", args: FLAGS });
});

after(async () => {
  await browser?.close();
  if (noChromium !== false) return;
  pages.closeAllConnections();
  pages.close();
});

async function page(url: string): Promise<Page> {
  assert.ok(browser);
  const opened = await browser.newPage({ viewport: { width: 1000, height: 620 } });
  opened.setDefaultTimeout(DEADLINE_MS);
  opened.on("pageerror", (error) => {
    console.error("page:", error);
  });
  await opened.goto(`${origin}/${url}`);
  return opened;
}

/** A picture in which a bar moves over a gradient, in the colour of its camera. */
function picture(camera: number, number: number) {
  const [width, height] = [320, 180];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      const bar = Math.abs(x - ((number * 8) % width)) < 12;
      for (let channel = 0; channel < 3; channel++) {
        const tone = (camera >> channel) & 1 ? 255 : 60;
        data[at + channel] = bar ? 255 : ((x + y) * tone) / (width + height);
      }
    }
  }
  return { format: PictureFormat.RGB8, width, height, data };
}

/** Publishes frames of four cameras until it is told to stop. */
function cameras(frameway: Client): () => Promise<void> {
  const publisher = frameway.publisher({ publisherId: "cameras" });
  let stopping = false;
  const running = (async () => {
    for (let number = 1; !stopping; number++) {
      for (const camera of range(1, 4))
        await publisher.publish({ streamId: `cam-${camera}`, ...picture(camera, number) });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await publisher.close();
  })();
  running.catch(() => undefined);
  return () => {
    stopping = true;
    return running;
  };
}

interface Shown {
  frames: Record<string, number>;
  missing: number;
  reconnects: number;
  size: [number, number];
  error: string;
}

const shownOn = (wall: Page): Promise<Shown> => wall.evaluate("shown");

async function heap(wall: Page): Promise<number> {
  const session = await wall.context().newCDPSession(wall);
  await session.send("HeapProfiler.collectGarbage");
  const { usedSize } = await session.send("Runtime.getHeapUsage");
  await session.detach();
  return usedSize;
}

describe("in Chromium", { skip }, () => {
  void test("a wall of four cameras survives a restart of the server", { timeout: 6 * DEADLINE_MS }, async () => {
    const server = await Server.start("--auto-register", "--redis-url", await redis(), "--web-origin", origin);
    const frameway = await client(server.address);
    const stop = cameras(frameway);
    await until(
      "the cameras are registered",
      async () => (await frameway.registry.listStreams({})).streams.length === 4,
    );
    const wall = await page(`index.html?server=http://${server.address}&streams=cam-*`);
    const count = async () => {
      const { frames, error } = await shownOn(wall);
      assert.equal(error, "");
      return Math.min(...range(1, 4).map((camera) => frames[`cam-${camera}`] ?? 0));
    };
    await until("each camera is on the wall", async () => (await count()) >= 3);
    const first = await heap(wall);
    await server.kill();
    await server.start();
    await until("the wall has noticed", async () => (await shownOn(wall)).reconnects > 0);
    const since = await count();
    await until("each camera goes on", async () => (await count()) >= since + 3);
    const heaps = [first];
    const end = Date.now() + (ALL ? 60_000 : 1000);
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      heaps.push(await heap(wall));
    }
    const grown = Math.max(...heaps) - first;
    assert.ok(grown < 6 << 20, `the heap of the page grew by ${grown} bytes: ${heaps.join(", ")}`);
    const before = await count();
    await until("each camera still goes on", async () => (await count()) >= before + 3);
    assert.deepEqual((await shownOn(wall)).size, [320, 180]);
    await stop();
    const screenshot = process.env["FRAMEWAY_SCREENSHOT"];
    if (screenshot !== undefined) await wall.screenshot({ path: screenshot });
    await wall.close();
  });

  void test("a page publishes, and goes on with its stored cursors", { timeout: 4 * DEADLINE_MS }, async () => {
    const server = await Server.start("--auto-register", "--web-origin", origin);
    const empty = await page("empty.html");
    await empty.waitForFunction("window.frameway");
    const publishing = `(async () => {
      const client = await frameway.connect("http://${server.address}");
      const publisher = client.publisher({ publisherId: "page" });
      const fates = [];
      for (let n = 0; n < 10; n++) {
        const frame = { streamId: "a", format: 18, width: 16, height: 16, data: new Uint8Array(256).fill(n) };
        fates.push((await publisher.publish(frame)).fate);
      }
      await publisher.close();
      return (await Promise.all(fates)).map((fate) => fate.outcome + " " + fate.sequence);
    })()`;
    assert.deepEqual(
      await empty.evaluate(publishing),
      range(1, 10).map((sequence) => `accepted ${sequence}`),
    );
    for (const store of ["LocalStorageCursorStore", "IndexedDbCursorStore"]) {
      const reading = `(async () => {
        const client = await frameway.connect("http://${server.address}");
        const sequences = [];
        const store = new frameway.${store}("a");
        for await (const event of client.subscribe("a", { start: "earliest", store, storeIntervalMs: 0 })) {
          if (event.type === "frame") sequences.push(event.sequence);
          if (sequences.at(-1) === 10 || sequences.length === 6) break;
        }
        return sequences;
      })()`;
      assert.deepEqual(await empty.evaluate(reading), range(1, 6), store);
      await empty.reload();
      await empty.waitForFunction("window.frameway");
      assert.deepEqual(await empty.evaluate(reading), range(6, 10), store);
    }
    const full = `(async () => {
      const client = await frameway.connect("http://${server.address}");
      for (let length = 1 << 22, kept = ""; length > 0; length >>= 1) {
        const longer = kept + "x".repeat(length);
        try { localStorage.setItem("other", longer); kept = longer; } catch {}
      }
      const store = new frameway.LocalStorageCursorStore("full");
      try {
        for await (const event of client.subscribe("a", { start: "earliest", store, storeIntervalMs: 0 }));
      } catch (error) {
        return [error instanceof frameway.CursorStoreError, error.message];
      }
    })()`;
    const [isTyped, message] = await empty.evaluate<[boolean, string]>(full);
    assert.ok(isTyped);
    assert.match(message, /^the cursors cannot be written to full: QuotaExceededError/);
    await empty.close();
  });

  void test("a page that the server does not allow gets an error with advice", async () => {
    const server = await Server.start();
    const empty = await page("empty.html");
    await empty.waitForFunction("window.frameway");
    const connecting = `frameway.connect("http://${server.address}").then(String, (error) => error.name + ": " + error.message)`;
    assert.match(await empty.evaluate(connecting), /^ConnectionError: cannot reach .*let the server allow this page/);
    await empty.close();
  });
});

scenario("picture", "short", async () => {
  const server = await Server.start("--auto-register", ...(noChromium === false ? ["--web-origin", origin] : []));
  const frameway = await client(server.address);
  const publisher = frameway.publisher({ publisherId: "camera" });
  await publisher.publish({ streamId: "a", ...picture(5, 1) });
  await publisher.close();
  const [first] = (await collect(frameway.subscribe("a", { start: "earliest" }), ({ frames }) => frames.length === 1))
    .frames;
  assert.ok(first);
  const { mediaType, width, height, data } = pictureOf(first.frame, PictureRole.PROCESSED);
  assert.deepEqual([mediaType, width, height, data[0], data[1]], ["image/jpeg", 320, 180, 0xff, 0xd8]);
  assert.throws(() => pictureOf(first.frame, PictureRole.ORIGINAL), /no picture: it was not requested/);
  if (noChromium !== false) throw new Skip(noChromium);
  const empty = await page("empty.html");
  await empty.waitForFunction("window.frameway");
  const decoding = `(async () => {
    const client = await frameway.connect("http://${server.address}");
    const [latest] = await client.latest(["a"]);
    const bitmap = await frameway.bitmapOf(latest.frame);
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    const context = canvas.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const size = [bitmap.width, bitmap.height];
    bitmap.close();
    return [...size, frameway.blobOf(latest.frame).type, ...context.getImageData(310, 170, 1, 1).data];
  })()`;
  const [decodedWidth, decodedHeight, type, red, green, blue] =
    await empty.evaluate<[number, number, string, ...number[]]>(decoding);
  assert.deepEqual([decodedWidth, decodedHeight, type], [320, 180, "image/jpeg"]);
  assert.ok(red && blue && green !== undefined && red > 200 && blue > 200 && green < 100, `${red} ${green} ${blue}`);
  await empty.close();
});
