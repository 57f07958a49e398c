import { CursorStoreError } from "./errors.js";

/** The positions of a subscription: the cursor of each stream. */
export type Cursors = Readonly<Record<string, string>>;

/** Keeps the text of a subscription's positions where a restarted program finds it. */
export interface CursorStore {
  /** The name of the place, for errors: a file, a key. */
  readonly name: string;
  /** Returns the text that was saved last, or undefined if none ever was. */
  load(): Promise<string | undefined>;
  /** Replaces the text. When the promise resolves, the text survives the end of the program. */
  save(text: string): Promise<void>;
}

/** The positions of one subscription in a store. */
export class StoredCursors {
  #saved = "";
  #savedAt = Date.now();

  /** `selection` names what the subscription selects: positions of other selections are refused. */
  constructor(
    private readonly store: CursorStore,
    private readonly selection: readonly string[],
    private readonly intervalMs: number,
  ) {}

  /** Reads the positions; there are none at the first start. */
  async load(): Promise<Cursors> {
    const { name } = this.store;
    const text = await this.store.load().catch((cause: unknown) => {
      throw new CursorStoreError(`the cursors in ${name} cannot be read: ${String(cause)}`, cause);
    });
    if (text === undefined) return {};
    const stored = parse(text);
    if (stored === undefined) {
      throw new CursorStoreError(
        `the cursors in ${name} are damaged: restore it from a copy, or remove it to start anew`,
      );
    }
    if (!this.selection.some((one) => stored.selection.includes(one))) {
      throw new CursorStoreError(
        `the cursors in ${name} belong to ${stored.selection.join(", ")}, not to ${this.selection.join(", ")}: ` +
          "use another store, or remove it to start anew",
      );
    }
    return stored.cursors;
  }

  /** Saves positions that changed, if the last time was long enough ago, or `now`. */
  async save(cursors: Cursors, now: boolean): Promise<void> {
    if (!now && Date.now() - this.#savedAt < this.intervalMs) return;
    this.#savedAt = Date.now();
    const text = `${JSON.stringify({ frameway: 1, selection: this.selection, cursors })}\n`;
    if (text === this.#saved || Object.keys(cursors).length === 0) return;
    await this.store.save(text).catch((cause: unknown) => {
      throw new CursorStoreError(`the cursors cannot be written to ${this.store.name}: ${String(cause)}`, cause);
    });
    this.#saved = text;
  }
}

function parse(text: string): { selection: string[]; cursors: Record<string, string> } | undefined {
  try {
    const { frameway, selection, cursors } = JSON.parse(text) as Record<string, unknown>;
    const isTexts = (values: unknown[]): values is string[] => values.every((value) => typeof value === "string");
    if (frameway !== 1 || !Array.isArray(selection) || !isTexts(selection)) return undefined;
    if (typeof cursors !== "object" || cursors === null || !isTexts(Object.values(cursors))) return undefined;
    return { selection, cursors: cursors as Record<string, string> };
  } catch {
    return undefined;
  }
}
