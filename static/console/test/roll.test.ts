/** The roll follows the events: whatever their order, snapshot and events come to the later snapshot. */

import { describe, expect, it } from 'vitest';

import { byDelegation, counts, found, marked, refreshed, roll } from '../src/features/checkins/roll.js';
import type { Attendee, Line, Overview } from '../src/features/checkins/roll.js';

const person = (n: number, more: Partial<Attendee> = {}): Attendee => ({
  person_id: `p${n}`, name: `代表${n}`, delegation_id: n % 2 ? 'pudong' : 'xuhui', capacity: 'member',
  status: 'missing', on_leave: false, v: 0, py: `daibiao${n}`, initials: `db${n}`, ...more,
});
const overview = (people: Attendee[]): Overview => ({ meeting_id: 'm', counts: {}, people });
const line = (n: number, state: string, v: number): Line => ({ person_id: `p${n}`, state, v });

describe('the roll', () => {
  it('takes the newest line of each person, in any order and however often', () => {
    const start = roll(overview([person(1), person(2, { on_leave: true, status: 'on_leave' }), person(3)]));
    const lines = [line(1, 'present', 1), line(1, 'left', 2), line(2, 'late', 1), line(2, 'void', 2), line(3, 'present', 1), line(3, 'void', 2)];
    for (const order of [lines, [...lines].reverse(), [...lines, ...lines]]) {
      const now = order.reduce((it, one) => marked(it, [one]), start);
      expect([...now.values()].map((it) => [it.status, it.v])).toEqual([['left', 2], ['on_leave', 2], ['missing', 2]]);
    }
  });

  it('does not go back where an overview is older than what was told meanwhile', () => {
    const now = marked(roll(overview([person(1), person(2)])), [line(1, 'present', 3)]);
    const later = refreshed(now, overview([person(1, { status: 'missing', v: 2 }), person(2, { on_leave: true, status: 'on_leave' }), person(9)]));
    expect([...later.values()].map((it) => [it.person_id, it.status])).toEqual([['p1', 'present'], ['p2', 'on_leave'], ['p9', 'missing']]);
  });

  it('counts by delegation, and puts first where most are missing', () => {
    const all = roll(overview([person(1, { status: 'present' }), person(2), person(3, { status: 'late' }), person(4), person(6, { delegation_id: '' })]));
    expect(counts(all.values())).toMatchObject({ total: 5, inside: 2, present: 1, late: 1, missing: 3 });
    const shown = byDelegation(all, new Map([['xuhui', '徐汇团'], ['pudong', '浦东团']]));
    expect(shown.map((it) => [it.name, it.counts.missing])).toEqual([['徐汇团', 2], ['未分团', 1], ['浦东团', 0]]);
  });

  it('finds people by name, pinyin and initials, with a state and in a delegation', () => {
    const all = roll(overview([
      person(1, { name: '卓慕青', py: 'zhuomuqing', initials: 'zmq' }), person(2, { name: '苗听澜', py: 'miaotinglan', initials: 'mtl', status: 'late' }),
    ]));
    const names = (text: string, status: '' | 'late' = '', delegation?: string): string[] =>
      found(all, { text, status, delegation }).map((it) => it.name);
    expect(names('慕')).toEqual(['卓慕青']);
    expect(names('ZhuoMu')).toEqual(['卓慕青']);
    expect(names('mtl')).toEqual(['苗听澜']);
    expect(names('q')).toEqual([]);
    expect(names('', 'late')).toEqual(['苗听澜']);
    expect(names('', '', 'pudong')).toEqual(['卓慕青']);
    expect(names(' ')).toHaveLength(2);
  });
});
