import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Feed, Seen } from '../src/feed.js';
import type { Announced } from '../src/feed.js';

const event = (id: string): Announced => ({ id, type: 'test.told', v: 1, at: '2026-11-24T04:00:00Z' });

/** A reader that writes down what happens to it, and whose snapshots a test answers. */
function reader() {
  const answers: { resolve(state: string): void; reject(error: Error): void }[] = [];
  const log: string[] = [];
  const feed = new Feed<string, Announced>({
    snapshot: () => new Promise((resolve, reject) => answers.push({ resolve, reject })),
    show: (state) => log.push(`show ${state}`),
    apply: ({ id }) => {
      log.push(`apply ${id}`);
      if (id === 'bad') throw new Error('bad');
    },
    failed: (error) => log.push(`failed ${(error as Error).message}`),
    ended: (code) => log.push(`ended ${code}`),
  });
  const answer = async (index: number, state: string): Promise<void> => {
    answers[index]?.resolve(state);
    await vi.advanceTimersByTimeAsync(0);
  };
  return { feed, log, answers, answer };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a reader of a channel', () => {
  it('is shown the snapshot first, and then what came meanwhile', async () => {
    const { feed, log, answer } = reader();
    feed.up(false);
    feed.hear(event('1'));
    expect(log).toEqual([]);
    await answer(0, 'A');
    feed.hear(event('2'));
    expect(log).toEqual(['show A', 'apply 1', 'apply 2']);
  });

  it('applies an event once, however often it is told', async () => {
    const { feed, log, answer } = reader();
    feed.up(false);
    await answer(0, 'A');
    ['1', '2', '1', '2'].forEach((id) => feed.hear(event(id)));
    expect(log).toEqual(['show A', 'apply 1', 'apply 2']);
  });

  it('keeps what it has when everything missed is told', async () => {
    const { feed, log, answers, answer } = reader();
    feed.up(false);
    await answer(0, 'A');
    feed.up(true);
    feed.hear(event('1'));
    expect(answers).toHaveLength(1);
    expect(log).toEqual(['show A', 'apply 1']);
  });

  it('needs a snapshot of its own on a channel that others never left', () => {
    const { feed, answers } = reader();
    feed.up(true);
    expect(answers).toHaveLength(1);
  });

  it('fetches the snapshot again when events may be lost, and drops the older answer', async () => {
    const { feed, log, answers, answer } = reader();
    feed.up(false);
    feed.up(false);
    expect(answers).toHaveLength(2);
    await answer(1, 'new');
    await answer(0, 'old');
    expect(log).toEqual(['show new']);
  });

  it('asks for a snapshot again, more and more seldom, while it cannot be had', async () => {
    const { feed, log, answers, answer } = reader();
    feed.up(false);
    feed.hear(event('1'));
    answers[0]?.reject(new Error('502'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(answers).toHaveLength(2);
    answers[1]?.reject(new Error('502'));
    await vi.advanceTimersByTimeAsync(999);
    expect(answers).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(1001);
    await answer(2, 'A');
    expect(log).toEqual(['failed 502', 'failed 502', 'show A', 'apply 1']);
  });

  it('goes on from a new snapshot after an event that could not be applied', async () => {
    const { feed, log, answers, answer } = reader();
    feed.up(false);
    await answer(0, 'A');
    feed.hear(event('bad'));
    feed.hear(event('2'));
    expect(answers).toHaveLength(2);
    await answer(1, 'B');
    expect(log).toEqual(['show A', 'apply bad', 'failed bad', 'show B', 'apply 2']);
  });

  it('leaves the rest to the new snapshot when a waiting event could not be applied', async () => {
    const { feed, log, answer } = reader();
    feed.up(false);
    ['bad', '2'].forEach((id) => feed.hear(event(id)));
    await answer(0, 'A');
    await answer(1, 'B');
    expect(log).toEqual(['show A', 'apply bad', 'failed bad', 'show B']);
  });

  it('is told when its right ended, and asks for nothing any more', async () => {
    const { feed, log, answers } = reader();
    feed.up(false);
    answers[0]?.reject(new Error('403'));
    await vi.advanceTimersByTimeAsync(0);
    feed.end(2000, 'server unsubscribe');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(answers).toHaveLength(1);
    expect(log).toEqual(['failed 403', 'ended 2000']);
  });
});

it('remembers only so many ids, the newest', () => {
  const seen = new Seen(2);
  ['a', 'b', 'c'].forEach((id) => seen.add(id));
  expect(['a', 'b', 'c'].map((id) => seen.has(id))).toEqual([false, true, true]);
});

it('a reader is given what came with the subscription, anew after a gap', async () => {
  const given: unknown[] = [];
  const feed = new Feed<unknown, Announced>({
    snapshot: (first) => Promise.resolve(first), show: (state) => given.push(state), apply: () => undefined,
  });
  feed.up(false, 'first');
  await vi.advanceTimersByTimeAsync(0);
  feed.up(true, undefined);
  feed.up(false, 'second');
  await vi.advanceTimersByTimeAsync(0);
  expect(given).toEqual(['first', 'second']);
});
