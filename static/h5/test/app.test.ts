/** Small things that every page leans on. */

import { ApiError } from '@daibiao/shared';
import { describe, expect, it, vi } from 'vitest';

import { spell, words } from '../src/app/words.js';
import { sooner } from '../src/features/home/meetings.js';
import { NotProven, asked, proven } from '../src/features/identity/step_up.js';
import { inWeChat } from '../src/features/wechat/wechat.js';

const STEP_UP = new ApiError(403, { code: 'step_up_required', msg: '请再次验证身份' });

describe('proving oneself once more', () => {
  it('is asked for where the hub wants it, and the act is done again', async () => {
    const act = vi.fn(() => Promise.resolve('done')).mockRejectedValueOnce(STEP_UP);
    const done = proven(act);
    await vi.waitFor(() => expect(asked.value).toBeDefined());
    asked.value?.settle(true);
    await expect(done).resolves.toBe('done');
    expect([act.mock.calls.length, asked.value]).toEqual([2, undefined]);
  });

  it('may be declined, and then nothing is done', async () => {
    const act = vi.fn(() => Promise.reject(STEP_UP));
    const done = proven(act);
    await vi.waitFor(() => expect(asked.value).toBeDefined());
    asked.value?.settle(false);
    await expect(done).rejects.toBeInstanceOf(NotProven);
    expect(act).toHaveBeenCalledTimes(1);
  });

  it('is not asked for where the hub refuses for another reason', async () => {
    const refused = new ApiError(403, { code: 'consent_required', msg: '请先同意' });
    await expect(proven(() => Promise.reject(refused))).rejects.toBe(refused);
    expect(asked.value).toBeUndefined();
  });
});

describe('words', () => {
  it('are the hub’s own, with how long to wait', () => {
    expect(words(new ApiError(403, { code: 'x', msg: '没有权限' }))).toBe('没有权限');
    expect(words(new ApiError(429, { code: 'x', msg: '操作过于频繁' }, 600))).toBe('操作过于频繁（10 分钟后再试）');
  });

  it('never show the inside of an error', () => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    expect(words(new TypeError('x is undefined'))).toBe('页面出错了，请刷新后重试');
    expect(log).toHaveBeenCalledTimes(1);
    log.mockRestore();
  });

  it('spell a time as people say it', () => {
    expect([0, 14, 89, 90, 600].map(spell)).toEqual(['1 秒', '14 秒', '89 秒', '2 分钟', '10 分钟']);
  });
});

it('what sits now comes first, then what begins first, then what has no time', () => {
  const rows = [
    { state: 'ready', starts_at: null }, { state: 'announced', starts_at: '2026-02-02T01:00:00Z' },
    { state: 'in_session', starts_at: '2026-02-03T01:00:00Z' }, { state: 'ready', starts_at: '2026-02-01T01:00:00Z' },
  ] as const;
  expect([...rows].sort(sooner).map((row) => row.starts_at?.slice(8, 10))).toEqual(['03', '01', '02', undefined]);
});

it('WeChat is known by how it calls itself', () => {
  expect(inWeChat('Mozilla/5.0 (iPhone) Mobile/15E148 MicroMessenger/8.0.50')).toBe(true);
  expect(inWeChat('Mozilla/5.0 (Linux; Android 14) Chrome/120')).toBe(false);
});
