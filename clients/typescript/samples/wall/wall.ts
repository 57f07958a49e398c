/**
 * A wall of cameras: wall.html?server=http://127.0.0.1:7400&streams=cam-*&key=...
 *
 * One subscription carries all cameras: without TLS a browser opens six connections to a server, and each call takes one.
 */
import { bitmapOf, connect, type FrameEvent, FramewayError } from "frameway/web";
import { PictureRole } from "frameway/v1";

/** The state of the wall, for people and tests: its counts, the last size, the last error. */
const shown = { frames: {} as Record<string, number>, missing: 0, reconnects: 0, size: [0, 0], error: "" };
Object.assign(window, { shown });

const parameters = new URLSearchParams(location.search);
const key = parameters.get("key");
const status = document.querySelector("#status") as HTMLOutputElement;
const wall = document.querySelector("#wall") as HTMLElement;
const tiles = new Map<string, Tile>();

/** The canvas of one camera. */
class Tile {
  readonly #figure = document.createElement("figure");
  readonly #canvas = document.createElement("canvas");
  readonly #caption = document.createElement("figcaption");

  constructor(streamId: string) {
    this.#figure.append(this.#canvas, this.#caption);
    const next = [...tiles].filter(([id]) => id > streamId).sort()[0]?.[1];
    wall.insertBefore(this.#figure, next ? next.#figure : null);
  }

  async draw({ frame, streamId, sequence }: FrameEvent): Promise<void> {
    const bitmap = await bitmapOf(frame);
    try {
      if (this.#canvas.width !== bitmap.width || this.#canvas.height !== bitmap.height) {
        Object.assign(this.#canvas, { width: bitmap.width, height: bitmap.height });
      }
      this.#canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
      shown.size = [bitmap.width, bitmap.height];
    } finally {
      bitmap.close(); // The collector would free its pixels much later.
    }
    this.#caption.textContent = `${streamId}: frame ${sequence}`;
    this.#figure.className = "";
  }

  stale(): void {
    this.#figure.className = "stale";
  }
}

function tileOf(streamId: string): Tile {
  const tile = tiles.get(streamId) ?? new Tile(streamId);
  tiles.set(streamId, tile);
  return tile;
}

async function show(): Promise<void> {
  const frameway = await connect(parameters.get("server") ?? location.origin, key ? { credentials: key } : {});
  const events = frameway.subscribe((parameters.get("streams") ?? "*").split(","), {
    // A wall wants the newest frame of each camera, and no more pixels than a tile has.
    sampling: { latestOnly: true, maxFps: 10 },
    pictures: { roles: [PictureRole.RENDITION], rendition: { maxWidth: 640, quality: 75 } },
    patienceMs: Infinity,
  });
  for await (const event of events) {
    switch (event.type) {
      case "frame":
        await tileOf(event.streamId).draw(event);
        shown.frames[event.streamId] = (shown.frames[event.streamId] ?? 0) + 1;
        status.value = `${tiles.size} live`;
        break;
      case "gap":
        for (const { reason, count } of event.causes) if (reason !== "SAMPLED") shown.missing += count;
        break;
      case "reconnecting":
        shown.reconnects++;
        status.value = event.error.message;
        for (const tile of tiles.values()) tile.stale();
    }
  }
}

show().catch((error: unknown) => {
  shown.error = String(error);
  status.value = error instanceof FramewayError ? error.message : String(error);
});
