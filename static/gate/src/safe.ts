/** What the device keeps, every piece of it sealed under a key that the browser holds and never hands out.
 *
 * Whoever copies the database off the device has neither the token nor who was scanned. `queue` holds the
 * scans that the hub has not confirmed: nothing but its confirmation takes them out.
 */

import { openDB } from 'idb';
import type { DBSchema, IDBPDatabase } from 'idb';

import { utf8 } from './bytes.js';
import type { Bytes } from './bytes.js';

export type Table = 'kept' | 'queue' | 'conflicts' | 'passed';

export interface Change {
  readonly put?: Partial<Record<Table, readonly (readonly [string, unknown])[]>>;
  readonly remove?: Partial<Record<Table, readonly string[]>>;
  readonly clear?: readonly Table[];
}

/** Keeps values by table and name. */
export interface Safe {
  get<T>(table: Table, name: string): Promise<T | undefined>;
  all<T>(table: Table): Promise<T[]>;
  /** Everything of a change at once, or nothing. */
  change(change: Change): Promise<void>;
}

interface Sealed {
  readonly iv: Bytes;
  readonly body: ArrayBuffer;
}

interface Schema extends DBSchema {
  seals: { key: string; value: CryptoKey };
  kept: { key: string; value: Sealed };
  queue: { key: string; value: Sealed };
  conflicts: { key: string; value: Sealed };
  passed: { key: string; value: Sealed };
}

const TABLES: readonly Table[] = ['kept', 'queue', 'conflicts', 'passed'];
const SEAL = 'seal';

export class BrowserSafe implements Safe {
  private constructor(private readonly db: IDBPDatabase<Schema>, private readonly seal: CryptoKey) {}

  static async open(name = 'daibiao-gate'): Promise<BrowserSafe> {
    const db = await openDB<Schema>(name, 1, {
      upgrade(fresh) {
        fresh.createObjectStore('seals');
        for (const table of TABLES) fresh.createObjectStore(table);
      },
    });
    const made = (await db.get('seals', SEAL)) ?? (await crypto.subtle.generateKey(
      { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'],
    ));
    // Another tab may have been faster: the first key holds.
    const writing = db.transaction('seals', 'readwrite');
    const kept = await writing.store.get(SEAL);
    if (!kept) await writing.store.put(made, SEAL);
    await writing.done;
    return new BrowserSafe(db, kept ?? made);
  }

  async get<T>(table: Table, name: string): Promise<T | undefined> {
    const found = await this.db.get(table, name);
    return found && ((await this.unsealed(found)) as T);
  }

  async all<T>(table: Table): Promise<T[]> {
    const found = await this.db.getAll(table);
    return Promise.all(found.map(async (it) => (await this.unsealed(it)) as T));
  }

  async change({ put = {}, remove = {}, clear = [] }: Change): Promise<void> {
    const sealed: [Table, string, Sealed][] = [];
    for (const table of TABLES) {
      for (const [name, value] of put[table] ?? []) sealed.push([table, name, await this.sealed(value)]);
    }
    const writing = this.db.transaction(TABLES, 'readwrite', { durability: 'strict' });
    const steps: Promise<unknown>[] = clear.map((table) => writing.objectStore(table).clear());
    for (const table of TABLES) {
      for (const name of remove[table] ?? []) steps.push(writing.objectStore(table).delete(name));
    }
    for (const [table, name, value] of sealed) steps.push(writing.objectStore(table).put(value, name));
    await Promise.all([...steps, writing.done]);
  }

  private async sealed(value: unknown): Promise<Sealed> {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    return { iv, body: await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, this.seal, utf8(JSON.stringify(value))) };
  }

  private async unsealed({ iv, body }: Sealed): Promise<unknown> {
    return JSON.parse(new TextDecoder().decode(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, this.seal, body)));
  }
}
