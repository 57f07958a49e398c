import { open, readFile, rename, stat } from "node:fs/promises";
import { type CursorStore } from "../core/cursors.js";

/** Keeps cursors in a file. A program that ends in the middle of a save leaves the file as it was. */
export class FileCursorStore implements CursorStore {
  /** Keeps them in the file at this path. Each subscription needs one of its own. */
  constructor(readonly name: string) {}

  async load(): Promise<string | undefined> {
    try {
      return await readFile(this.name, "utf8");
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
  }

  async save(text: string): Promise<void> {
    const old = await stat(this.name).catch(() => undefined);
    if (old && !old.isFile()) throw new Error("it is not a file");
    const next = `${this.name}.next`;
    const file = await open(next, "w");
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(next, this.name);
  }
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
