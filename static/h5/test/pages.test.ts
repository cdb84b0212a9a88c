/** What the pages behind codes show: a seat in its hall, a paper's file, a deputy's public card, one's own part. */

import { ApiError } from '@daibiao/shared';
import { describe, expect, it } from 'vitest';

import { mayPass } from '../src/app/words.js';
import { card } from '../src/features/codes/contact.js';
import type { Reading } from '../src/features/codes/contact.js';
import { part } from '../src/features/home/meetings.js';
import { about, readable } from '../src/features/papers/papers.js';
import { changed, place, plan, wayTo } from '../src/features/seats/plan.js';
import type { Seat } from '../src/features/seats/plan.js';

const seat = (block: string, row: number, col: number, more: Partial<Seat> = {}): Seat => ({
  no: `${block}-${row}-${col}`, block, row, col, state: 'free', person_id: null, at: '2026-02-01T01:00:00Z', v: 1, ...more,
});
const rows = (block: string, from: number, to: number, cols: readonly number[]): Seat[] =>
  Array.from({ length: to - from + 1 }, (_, n) => cols.map((col) => seat(block, from + n, col))).flat();

describe('the plan of a hall', () => {
  const hall = [...rows('A', 1, 3, [1, 2, 3]), ...rows('B', 1, 3, [5, 6, 7])];
  const find = (no: string): Seat | undefined => hall.find((it) => it.no === no);

  it('holds every seat, with an aisle where there is none, and the block in the middle of its own', () => {
    const drawn = plan(hall, find('A-2-3'), find('B-1-7'));
    expect([drawn?.wide, drawn?.high, drawn?.seats.split('M').length]).toEqual([7, 3, 19]);
    expect(drawn?.blocks).toEqual([{ name: 'A', x: 1.5, y: 1.5 }, { name: 'B', x: 5.5, y: 1.5 }]);
    expect([drawn?.own, drawn?.asked]).toEqual([{ x: 2, y: 1 }, { x: 6, y: 0 }]);
    expect(drawn?.seats).not.toContain('M3.14 ');
    expect([drawn?.near.split('M').length, drawn?.near.includes('M4.14 ')]).toEqual([10, false]);
  });

  it('is the block of the seat where every block counts anew', () => {
    const twice = [...rows('东', 1, 2, [1, 2]), ...rows('西', 1, 4, [1, 2, 3])];
    const [east, west] = [twice[0], twice[twice.length - 1]];
    expect(plan(twice, west, east)).toMatchObject({ wide: 3, high: 4, own: { x: 2, y: 3 }, asked: undefined });
    expect(plan(twice, undefined, east)).toMatchObject({ wide: 2, high: 2, own: undefined, asked: { x: 0, y: 0 } });
  });

  it('is none without seats', () => {
    expect(plan([], undefined, undefined)).toBeUndefined();
  });

  it('is told in words: the rows, the seats of the row, and the neighbours', () => {
    expect(wayTo(seat('A', 2, 3), hall)).toEqual(['A 区是 1 至 3 排，您在 2 排。', '2 排在本区是 1 至 3 座，您在 3 座，挨着 2 座。']);
    const bare = rows('', 4, 4, [7, 8, 9]);
    expect(wayTo(seat('', 4, 8), bare)).toEqual(['会场是 4 至 4 排，您在 4 排。', '4 排是 7 至 9 座，您在 8 座，挨着 7 座和 9 座。']);
    expect([place(seat('A', 3, 8)), place(seat('', 3, 8))]).toEqual(['A 区 3 排 8 座', '3 排 8 座']);
  });

  it('follows changes: the newest version of a seat holds, and what is removed is gone', () => {
    const now = changed(hall, [
      seat('A', 1, 1, { v: 3, person_id: 'me' }), seat('A', 1, 2, { v: 2, state: 'removed' }), seat('A', 4, 1),
    ]);
    const later = changed(now, [seat('A', 1, 1, { v: 2, person_id: null })]);
    expect(later.find((it) => it.no === 'A-1-1')?.person_id).toBe('me');
    expect(later.map((it) => it.no)).not.toContain('A-1-2');
    expect(later[later.length - 1]?.no).toBe('A-4-1');
    expect(hall).toHaveLength(18);
  });
});

describe('a paper', () => {
  it('says what its file is and how big', () => {
    expect(about({ name: '报告.PDF', size: 3_500_000 })).toBe('PDF 文件，3.3 MB');
    expect(about({ name: '名单.xlsx', size: 20_480 })).toBe('Excel 表格，20 KB');
    expect(about({ name: '无名', size: 12 })).toBe('文件，12 字节');
  });

  it.each([
    ['application/pdf', true], ['image/png', true], ['text/plain; charset=utf-8', false],
    ['application/vnd.openxmlformats-officedocument.wordprocessingml.document', false],
  ])('of type %s is shown by the phone itself: %s', (mime, shown) => {
    expect(readable({ id: '1', name: 'x', mime, size: 1, sha256: '', cls: 'C2', created_at: '' })).toBe(shown);
  });
});

describe('a deputy’s public card', () => {
  const read: Reading = {
    kind: 'C', result: 'ok', title: '闻予澄', text: '人大代表公开信息。', action: 'open', page: '/contact?code=x', shown: '',
    facts: [{ label: '姓名', value: '闻予澄' }, { label: '代表团', value: '浦东新区代表团' }],
  };

  it('is what the code says, the name above', () => {
    expect(card(read)).toEqual({ ok: true, name: '闻予澄', text: read.text, facts: [{ label: '代表团', value: '浦东新区代表团' }] });
  });

  it('is not shown for another kind of code, nor for one that does not hold', () => {
    expect(card({ ...read, kind: 'P' })).toMatchObject({ ok: false, name: '这不是代表联络码', facts: [] });
    expect(card({ ...read, kind: '', result: 'bad_signature', title: '二维码无效' })).toMatchObject({ ok: false, name: '二维码无效', facts: [] });
  });
});

describe('one’s own part in a meeting', () => {
  const at = '2026-02-01T01:02:00Z';
  const record = { at, how: 'hall', gate: '' } as const;

  it.each([
    ['member', null, ''],
    ['attend', null, '列席'],
    ['member', 'present', '已签到 09:02'],
    ['observe', 'late', '旁听 · 已签到 09:02（迟到）'],
    ['member', 'left', '已离场 09:02'],
    ['member', 'absent', '记为缺席'],
  ] as const)('of %s, %s: %s', (capacity, state, said) => {
    expect(part({ capacity, attendance: state && { ...record, state } })).toBe(said);
  });
});

it('asking again helps where there is no network, too many ask, or the hub is in trouble', () => {
  const refused = (status: number): boolean => mayPass(new ApiError(status, { code: 'x', msg: '' }));
  expect([0, 429, 503, 404, 403, 422].map(refused)).toEqual([true, true, true, false, false, false]);
});
