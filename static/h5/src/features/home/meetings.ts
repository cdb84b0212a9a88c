/** The meetings that somebody takes part in and that are not over. */

import type { Answer } from '@daibiao/shared';

import { api } from '../../app/house.js';

export type Meeting = Answer<'GET', '/api/v1/meetings/{meeting_id}'>;

const OVER: readonly string[] = ['planned', 'closed', 'archived', 'cancelled'];
const LISTED = 50;
/** The list does not tell who takes part, so each is asked; of the next ones, not of all. */
const ASKED = 8;

export const STATES: Readonly<Record<string, string>> = {
  announced: '已通知', registration: '报名中', ready: '待开会', in_session: '会议进行中', paused: '休会中',
};

/** Answer one's own meetings: what sits now first, then by their beginning. */
export async function mine(): Promise<readonly Meeting[]> {
  const { items } = await api.get('/api/v1/meetings', { query: { limit: LISTED } });
  const coming = items.filter((it) => !OVER.includes(it.state)).sort(sooner).slice(0, ASKED);
  const seen = await Promise.all(
    coming.map((it) => api.get('/api/v1/meetings/{meeting_id}', { path: { meeting_id: it.id } })),
  );
  return seen.filter((it) => it.capacity !== null);
}

type Row = Pick<Meeting, 'state' | 'starts_at'>;

/** Compare two meetings: which one somebody looks for first. */
export function sooner(a: Row, b: Row): number {
  const sits = Number(b.state === 'in_session') - Number(a.state === 'in_session');
  return sits || Date.parse(a.starts_at ?? '9999') - Date.parse(b.starts_at ?? '9999');
}
