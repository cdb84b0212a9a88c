/** The wall keeps the newest of every part, and its code is never blank while it is good. */

import { ApiError, HubClock } from '@daibiao/shared';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { HallCode } from '../src/hallcode.js';
import type { CodeView } from '../src/hallcode.js';
import { clockFace, layout, timeOfDay } from '../src/layout.js';
import { after } from '../src/wall.js';
import type { HallView, Told } from '../src/wall.js';

const part = (v: number, more: object = {}): object => ({ v, at: null, ...more });
const state = {
  meeting_id: 'm', title: '第一次全体会议', state: null, meeting_v: null, speakers: null,
  pointer: part(2, { item_id: 'a', title: '甲' }), countdown: part(0), scene: part(0, { scene: 'idle' }),
  quorum: part(5, { present: 10, total: 60, needed: 31, reached: false }), speaking: part(0),
} as unknown as HallView;
const told = (type: string, v: number, more: object = {}): Told => ({ type, v, ...more });

describe('the state', () => {
  it('takes the newer version of a part, and no older one, in any order', () => {
    const counted = told('quorum.count', 6, { present: 30, total: 60, needed: 31, reached: false });
    const flipped = told('quorum', 7, { present: 31, total: 60, needed: 31, reached: true });
    for (const events of [[counted, flipped], [flipped, counted], [flipped, flipped, counted]]) {
      const now = events.reduce(after, state);
      expect([now.quorum?.present, now.quorum?.reached]).toEqual([31, true]);
    }
    expect(after(state, told('agenda.pointer', 2, { title: '乙' })).pointer?.title).toBe('甲');
    expect(after(state, told('agenda.pointer', 3, { title: '乙' })).pointer?.title).toBe('乙');
  });

  it('is not changed by parts that are not told here, nor by strange events', () => {
    expect(after(state, told('speech.queue', 9))).toBe(state);
    expect(after(state, told('result.declared', 9))).toBe(state);
  });
});

it('the scene decides what is large, and what it does not know is an arrival', () => {
  expect(layout('quorum').main).toBe('quorum');
  expect(layout('speaker').main).toBe('speaker');
  expect(layout(undefined).main).toBe('code');
  expect(layout('new-scene').main).toBe('code');
});

it('clocks read as people read them', () => {
  expect([clockFace(61_000), clockFace(-5), clockFace(3_600_000), clockFace(59_001)]).toEqual(['1:01', '0:00', '1:00:00', '1:00']);
  expect(timeOfDay(Date.parse('2026-03-01T01:02:03Z'))).toBe('09:02:03');
});

describe('the code', () => {
  const BEGIN = Date.parse('2026-03-01T01:00:03Z');
  const AHEAD = 40_000;
  let asked: number[];
  let broken: Error | undefined;
  let decoding: number;

  /** What the hub answers; its clock is forty seconds ahead of the wall's. */
  const fetch = (): Promise<CodeView> => {
    const now = Date.now() + AHEAD;
    asked.push(now);
    if (broken) return Promise.reject(broken);
    const begun = now - (now % 10_000);
    const at = (ms: number): string => new Date(ms).toISOString();
    return Promise.resolve({
      meeting_id: 'm', gate: '', code: `c${begun}`, link: '', svg: `<svg>${begun}</svg>`, window_s: 10,
      next_at: at(begun + 10_000), expires_at: at(begun + 30_000), now: at(now),
    });
  };

  function made(): HallCode {
    const clock: HubClock = new HubClock(() => code.ask());
    const code = new HallCode(clock, fetch, () => new Promise((ready) => setTimeout(ready, decoding)));
    return code;
  }

  beforeEach(() => {
    vi.useFakeTimers({ now: BEGIN });
    [asked, broken, decoding] = [[], undefined, 5];
  });
  afterEach(() => void vi.useRealTimers());

  it('changes when the window does by the clock of the hub, and is never blank in between', async () => {
    const code = made();
    code.start();
    await vi.advanceTimersByTimeAsync(10);
    const seen = new Set([code.shown.picture]);
    for (let i = 0; i < 300; i++) {
      await vi.advanceTimersByTimeAsync(100);
      expect(code.shown.picture).not.toBe('');
      seen.add(code.shown.picture);
    }
    code.stop();
    expect(seen.size).toBe(4);
    expect(asked).toHaveLength(4);
    for (const at of asked.slice(1)) expect(at % 10_000).toBeLessThan(100);
  });

  it('stays while it is good without a network, is then taken down with a word, and comes back', async () => {
    const code = made();
    code.start();
    await vi.advanceTimersByTimeAsync(10);
    broken = new ApiError(0, { code: 'unreachable', msg: '' });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(code.shown.picture).not.toBe('');
    await vi.advanceTimersByTimeAsync(10_000);
    expect([code.shown.picture, code.shown.trouble]).toEqual(['', expect.stringContaining('出示证件')]);
    broken = undefined;
    await vi.advanceTimersByTimeAsync(2000);
    expect([code.shown.picture === '', code.shown.trouble]).toEqual([false, '']);
    code.stop();
  });

  it('goes at once where the screen has lost its right', async () => {
    const code = made();
    code.start();
    await vi.advanceTimersByTimeAsync(10);
    broken = new ApiError(401, { code: 'unauthenticated', msg: '' });
    await vi.advanceTimersByTimeAsync(11_000);
    expect(code.shown.picture).toBe('');
    code.stop();
  });
});
