/** One's own code, kept fresh on a phone whose network comes and goes. */

import { ApiError } from '@daibiao/shared';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Keeper } from '../src/features/passes/keeper.js';
import type { Kept, Pass } from '../src/features/passes/keeper.js';

const pass = (code: string): Pass => ({
  meeting_id: 'm', title: '第一次全体会议', code, svg: '<svg/>', refresh_s: 10, expires_at: '2000-01-01T00:00:00Z',
});
const AWAY = new ApiError(0, { code: 'unreachable', msg: '网络不可用' });

function keeper(fetch: () => Promise<Pass>) {
  const seen: Kept[] = [];
  const made = new Keeper({
    fetch, now: () => Date.now(), changed: (kept) => seen.push(kept), words: (error) => String((error as Error).message),
  });
  made.start();
  return { made, now: () => seen.at(-1) as Kept };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('the keeper of a code', () => {
  it('fetches anew before the code expires, whatever this phone’s clock says', async () => {
    let count = 0;
    const { now } = keeper(() => Promise.resolve(pass(`c${++count}`)));
    await vi.advanceTimersByTimeAsync(9_000);
    expect(now()).toMatchObject({ pass: { code: 'c1' }, age: 9, left: 6 });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(now().pass?.code).toBe('c2');
  });

  it('shows the old one without a network, with its age, until it is too old, and goes on trying', async () => {
    const fetch = vi.fn(() => Promise.reject(AWAY) as Promise<Pass>).mockResolvedValueOnce(pass('c1'));
    const { now } = keeper(fetch);
    await vi.advanceTimersByTimeAsync(13_000);
    expect(now()).toMatchObject({ pass: { code: 'c1' }, age: 13, left: 2, problem: '网络不可用', refused: false });
    await vi.advanceTimersByTimeAsync(3_000);
    expect(now()).toMatchObject({ pass: { code: 'c1' }, age: 16, left: -1 });
    expect(fetch.mock.calls.length).toBeGreaterThanOrEqual(3);
    fetch.mockResolvedValue(pass('c2'));
    await vi.advanceTimersByTimeAsync(4_000);
    expect(now()).toMatchObject({ pass: { code: 'c2' }, problem: '' });
  });

  it('counts the age from the question, not from a slow answer', async () => {
    const { now } = keeper(() => new Promise((resolve) => setTimeout(() => resolve(pass('c1')), 5_000)));
    await vi.advanceTimersByTimeAsync(6_000);
    expect(now()).toMatchObject({ age: 6, left: 9 });
  });

  it('does not insist where the hub refuses, and shows nothing on', async () => {
    const fetch = vi.fn(() => Promise.reject(new ApiError(403, { code: 'forbidden', msg: '不在名单中' })) as Promise<Pass>)
      .mockResolvedValueOnce(pass('c1'));
    const { made, now } = keeper(fetch);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetch).toHaveBeenCalledTimes(2);
    expect(now()).toMatchObject({ pass: undefined, problem: '不在名单中', refused: true });
    fetch.mockResolvedValue(pass('c2'));
    made.renew();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(now()).toMatchObject({ pass: { code: 'c2' }, refused: false });
  });

  it('waits as long as a busy hub asks', async () => {
    const fetch = vi.fn(() => Promise.reject(new ApiError(429, { code: 'rate_limited', msg: '慢一点' }, 20)) as Promise<Pass>);
    const { now } = keeper(fetch);
    await vi.advanceTimersByTimeAsync(19_000);
    expect(fetch).toHaveBeenCalledTimes(1);
    expect(now().refused).toBe(false);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(fetch).toHaveBeenCalledTimes(2);
  });

  it('asks nobody any more once the page is left', async () => {
    const fetch = vi.fn(() => Promise.resolve(pass('c')));
    const { made } = keeper(fetch);
    await vi.advanceTimersByTimeAsync(1_000);
    made.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(fetch).toHaveBeenCalledTimes(1);
  });
});
