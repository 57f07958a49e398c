/** A queue between two tasks: one puts, the other iterates. Its users bound what is in it. */
export class Mailbox<T> implements AsyncIterable<T> {
  readonly #items: T[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;

  /** Adds an item. */
  put(item: T): void {
    this.#items.push(item);
    this.#wake?.();
  }

  /** Ends the iteration after the items that are in the queue, with an error if one is given. */
  end(error?: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      const item = this.#items.shift();
      if (item !== undefined) yield item;
      else if (this.#ended) {
        if (this.#error !== undefined) throw this.#error as Error;
        return;
      } else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
