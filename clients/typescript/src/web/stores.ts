import { type CursorStore } from "../core/cursors.js";

/** Keeps cursors in the local storage of the page's origin, which has some megabytes. */
export class LocalStorageCursorStore implements CursorStore {
  /** Keeps them under this key. Each subscription needs one of its own, also in each tab. */
  constructor(readonly name: string) {}

  load(): Promise<string | undefined> {
    return Promise.resolve().then(() => localStorage.getItem(this.name) ?? undefined);
  }

  save(text: string): Promise<void> {
    return Promise.resolve().then(() => {
      localStorage.setItem(this.name, text);
    });
  }
}

/** Keeps cursors in IndexedDB, which workers have too. */
export class IndexedDbCursorStore implements CursorStore {
  /** Keeps them under this key. Each subscription needs one of its own, also in each tab. */
  constructor(readonly name: string) {}

  load(): Promise<string | undefined> {
    return this.#use("readonly", (store) => store.get(this.name)) as Promise<string | undefined>;
  }

  async save(text: string): Promise<void> {
    await this.#use("readwrite", (store) => store.put(text, this.name));
  }

  async #use(mode: IDBTransactionMode, use: (store: IDBObjectStore) => IDBRequest): Promise<unknown> {
    const opening = indexedDB.open("frameway", 1);
    opening.onupgradeneeded = () => {
      opening.result.createObjectStore("cursors");
    };
    const database = await settled(opening);
    try {
      const transaction = database.transaction("cursors", mode, { durability: "strict" });
      const request = use(transaction.objectStore("cursors"));
      await new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => {
          resolve();
        };
        transaction.onabort = () => {
          reject(transaction.error ?? new Error("the transaction was aborted"));
        };
      });
      return request.result;
    } finally {
      database.close();
    }
  }
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(request.error ?? new Error("the request failed"));
    };
  });
}
