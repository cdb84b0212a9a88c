/** Handing scans in: what is sent, and what the answer means. */

import type { Answer, Body } from '@daibiao/shared';

import { ACCEPTED, DUPLICATE } from './judging.js';
import type { Result } from './judging.js';
import type { Conflict, Queued } from './state.js';

/** What may be left out is left out. */
export type Scans = Body<'POST', '/api/v1/scans'>;
export type ScanAnswer = Extract<Answer<'POST', '/api/v1/scans'>, { nonce: unknown }>;
export type BatchAnswer = Extract<Answer<'POST', '/api/v1/scans'>, { results: unknown }>;

export const AT_ONCE = 500;

/** A batch, with what the clock of this device says now: the hub puts a wrong one right by it. */
export function batch(rows: readonly Queued[], now: number): Scans {
  return {
    sent_at: new Date(now).toISOString(),
    scans: rows.map((it) => ({ ...it, at: new Date(it.at).toISOString(), offline: true })),
  };
}

export interface Settled {
  /** The numbers of those that the hub has: kept, or not fit to be read at all. */
  readonly done: readonly string[];
  readonly conflicts: readonly Conflict[];
  /** People whom we let pass and the hub does not count. */
  readonly gone: readonly string[];
  readonly skew: number | undefined;
}

export function settled(rows: readonly Queued[], answer: BatchAnswer): Settled {
  const said = new Map(rows.map((it) => [it.nonce, it.said]));
  const conflicts: Conflict[] = [];
  const gone: string[] = [];
  let skew: number | undefined;
  for (const one of answer.results) {
    const mine = said.get(one.nonce) as Result;
    if (one.conflict) {
      conflicts.push({ nonce: one.nonce, at: one.at, name: one.name, said: mine, result: one.result, msg: one.msg });
    }
    const counted = one.accepted || DUPLICATE.has(one.result);
    if (one.person_id && ACCEPTED.has(mine) && !counted) gone.push(one.person_id);
    skew = one.skew_ms ?? skew;
  }
  const unread = answer.faults.flatMap((fault) => {
    const row = rows[fault.index];
    const msg = `${fault.field} ${fault.msg}`;
    return row ? [{ nonce: row.nonce, at: new Date(row.at).toISOString(), name: '', said: row.said, result: 'unread', msg }] : [];
  });
  return {
    done: [...answer.results, ...unread].map((it) => it.nonce), conflicts: [...conflicts, ...unread], gone, skew,
  };
}
