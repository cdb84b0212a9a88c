/** The meetings that somebody takes part in and that are not over. */

import type { Answer } from '@daibiao/shared';

import { api } from '../../app/house.js';
import { time } from '../../app/words.js';

export type Meeting = Answer<'GET', '/api/v1/me/meetings'>['items'][number];

const AT_ONCE = 50;

export const STATES: Readonly<Record<string, string>> = {
  announced: '已通知', registration: '报名中', ready: '待开会', in_session: '会议进行中', paused: '休会中',
};

/** Answer one's own meetings: what sits now first, then by their beginning. */
export async function mine(): Promise<readonly Meeting[]> {
  const found: Meeting[] = [];
  let cursor: string | undefined;
  do {
    const page = await api.get('/api/v1/me/meetings', { query: { limit: AT_ONCE, cursor } });
    found.push(...page.items);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return found.sort(sooner);
}

type Row = Pick<Meeting, 'state' | 'starts_at'>;

/** Compare two meetings: which one somebody looks for first. */
export function sooner(a: Row, b: Row): number {
  const sits = Number(b.state === 'in_session') - Number(a.state === 'in_session');
  return sits || Date.parse(a.starts_at ?? '9999') - Date.parse(b.starts_at ?? '9999');
}

const CAPACITIES: Readonly<Record<string, string>> = { attend: '列席', observe: '旁听', staff: '工作人员' };

/** Say in which capacity somebody takes part, if not as a member, and what is on record of them. */
export function part({ capacity, attendance }: Pick<Meeting, 'capacity' | 'attendance'>): string {
  return [CAPACITIES[capacity], attendance && recorded(attendance)].filter(Boolean).join(' · ');
}

function recorded({ state, at }: NonNullable<Meeting['attendance']>): string {
  switch (state) {
    case 'present': return `已签到 ${time(at)}`;
    case 'late': return `已签到 ${time(at)}（迟到）`;
    case 'left': return `已离场 ${time(at)}`;
    case 'absent': return '记为缺席';
    default: return '';
  }
}
