/** What a device keeps, every piece of it sealed under a key that the browser holds and never hands out.
 *
 * Whoever copies the database off the device has neither its token nor what it has seen.
 */

import { openDB } from 'idb';
import type { IDBPDatabase } from 'idb';

export interface Change<T extends string> {
  readonly put?: Partial<Record<T, readonly (readonly [string, unknown])[]>>;
  readonly remove?: Partial<Record<T, readonly string[]>>;
  readonly clear?: readonly T[];
}

/** Keeps values by table and name. */
export interface Safe<T extends string> {
  get<V>(table: T, name: string): Promise<V | undefined>;
  all<V>(table: T): Promise<V[]>;
  /** Everything of a change at once, or nothing. */
  change(change: Change<T>): Promise<void>;
}

interface Sealed {
  readonly iv: Uint8Array<ArrayBuffer>;
  readonly body: ArrayBuffer;
}

const SEALS = 'seals';
const SEAL = 'seal';

export class BrowserSafe<T extends string> implements Safe<T> {
  private constructor(
    private readonly db: IDBPDatabase,
    private readonly tables: readonly T[],
    private readonly seal: CryptoKey,
  ) {}

  static async open<T extends string>(name: string, tables: readonly T[]): Promise<BrowserSafe<T>> {
    const db = await openDB(name, 1, {
      upgrade(fresh) {
        for (const table of [SEALS, ...tables]) fresh.createObjectStore(table);
      },
    });
    const found = (await db.get(SEALS, SEAL)) as CryptoKey | undefined;
    const made = found ?? (await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']));
    // Another tab may have been faster: the first key holds.
    const writing = db.transaction(SEALS, 'readwrite');
    const kept = (await writing.store.get(SEAL)) as CryptoKey | undefined;
    if (!kept) await writing.store.put(made, SEAL);
    await writing.done;
    return new BrowserSafe(db, tables, kept ?? made);
  }

  async get<V>(table: T, name: string): Promise<V | undefined> {
    const found = (await this.db.get(table, name)) as Sealed | undefined;
    return found && ((await this.unsealed(found)) as V);
  }

  async all<V>(table: T): Promise<V[]> {
    const found = (await this.db.getAll(table)) as Sealed[];
    return Promise.all(found.map(async (it) => (await this.unsealed(it)) as V));
  }

  async change({ put = {}, remove = {}, clear = [] }: Change<T>): Promise<void> {
    const sealed: [T, string, Sealed][] = [];
    for (const table of this.tables) {
      for (const [name, value] of put[table] ?? []) sealed.push([table, name, await this.sealed(value)]);
    }
    const writing = this.db.transaction(this.tables, 'readwrite', { durability: 'strict' });
    const steps: Promise<unknown>[] = clear.map((table) => writing.objectStore(table).clear());
    for (const table of this.tables) {
      for (const name of remove[table] ?? []) steps.push(writing.objectStore(table).delete(name));
    }
    for (const [table, name, value] of sealed) steps.push(writing.objectStore(table).put(value, name));
    await Promise.all([...steps, writing.done]);
  }

  private async sealed(value: unknown): Promise<Sealed> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const plain = new TextEncoder().encode(JSON.stringify(value));
    return { iv, body: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, this.seal, plain) };
  }

  private async unsealed({ iv, body }: Sealed): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, this.seal, body)));
  }
}
