/** What the hub decides, as `tests/gate_cases.py` has asked it. */

import { readFileSync } from 'node:fs';

import { hex } from '../src/bytes.js';
import type { Keys } from '../src/code.js';
import type { Direction, DoorPlan, Meeting, Passing, Result, Standing, Times } from '../src/judging.js';
import { openList } from '../src/list.js';
import type { PassList, SealedList } from '../src/list.js';

export interface Cases {
  readonly token: string;
  readonly origin: string;
  readonly says: Readonly<Record<string, string>>;
  readonly keys: readonly { readonly no: number; readonly public: string }[];
  readonly list: SealedList;
  readonly codes: readonly {
    readonly code: string;
    readonly flaw?: string;
    readonly kind?: string;
    readonly claims?: Readonly<Record<string, string>>;
  }[];
  readonly times: Times;
  readonly meetings: readonly Meeting[];
  readonly plans: readonly DoorPlan[];
  readonly judged: readonly {
    readonly meeting: number;
    readonly plan: number;
    readonly standing: Standing;
    readonly passing: Omit<Passing, 'at'> & { readonly at: string };
    readonly result: Result;
    readonly presence: string;
  }[];
  readonly sequence: readonly {
    readonly code: string;
    readonly at: string;
    readonly gate: string;
    readonly dir: Direction;
    readonly result: Result;
    readonly person_id: string | null;
    readonly name: string;
    readonly note: string;
  }[];
}

const file = new URL('./cases.json', import.meta.url);
export const cases = JSON.parse(readFileSync(file, 'utf-8')) as Cases;
export const KEYS: Keys = new Map(cases.keys.map((it) => [it.no, hex(it.public)]));

export function opened(): Promise<PassList> {
  return openList(cases.list, cases.list.meeting_id, cases.token, KEYS);
}
