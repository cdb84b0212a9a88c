/** A safe that outlives the page of a test: what a reload finds again. */

import type { Change } from '@daibiao/shared';

import type { GateSafe, Table } from '../src/safe.js';

export class MemorySafe implements GateSafe {
  readonly tables: Record<Table, Map<string, string>> = {
    kept: new Map(), queue: new Map(), conflicts: new Map(), passed: new Map(),
  };

  get<T>(table: Table, name: string): Promise<T | undefined> {
    const found = this.tables[table].get(name);
    return Promise.resolve(found === undefined ? undefined : (JSON.parse(found) as T));
  }

  all<T>(table: Table): Promise<T[]> {
    return Promise.resolve([...this.tables[table].values()].map((it) => JSON.parse(it) as T));
  }

  change({ put = {}, remove = {}, clear = [] }: Change<Table>): Promise<void> {
    for (const table of clear) this.tables[table].clear();
    for (const [table, names] of Object.entries(remove)) {
      for (const name of names) this.tables[table as Table].delete(name);
    }
    for (const [table, rows] of Object.entries(put)) {
      for (const [name, value] of rows) this.tables[table as Table].set(name, JSON.stringify(value));
    }
    return Promise.resolve();
  }
}
