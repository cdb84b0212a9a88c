import { afterEach, expect, it, vi } from 'vitest';

import { HubClock } from '../src/clock.js';

afterEach(() => void vi.useRealTimers());

/** A hub that is `ahead`, over a network that needs `there` and `back`. */
function world(ahead: number) {
  const at = { local: 1_000_000, ahead, there: 0, back: 0 };
  const clock = new HubClock(
    () => {
      at.local += at.there;
      const now = new Date(at.local + at.ahead).toISOString();
      at.local += at.back;
      return Promise.resolve({ now });
    },
    () => at.local,
  );
  return { at, clock };
}

it('goes by our own clock until the hub has answered', () => {
  const { at, clock } = world(5000);
  expect(clock.now()).toBe(at.local);
});

it('counts half of the way', async () => {
  const { at, clock } = world(5000);
  at.there = at.back = 150;
  await clock.sync();
  expect(clock.now()).toBe(at.local + 5000);
});

it('believes the answer that travelled least', async () => {
  const { at, clock } = world(5000);
  at.there = at.back = 10;
  await clock.sync();
  Object.assign(at, { there: 900, back: 100 });
  const lame = await clock.sync();
  expect(lame.offset).toBe(5400);
  expect(clock.now()).toBe(at.local + 5000);
});

it('forgets what it knew when this device is set to another time', async () => {
  const { at, clock } = world(5000);
  at.there = at.back = 10;
  await clock.sync();
  at.local += 3_600_000;
  at.ahead -= 3_600_000;
  at.there = at.back = 40;
  await clock.sync();
  expect(clock.now()).toBe(at.local + 5000 - 3_600_000);
});

it('keeps what it knew when the hub does not answer', async () => {
  let up = true;
  const clock = new HubClock(
    () => (up ? Promise.resolve({ now: new Date(6000).toISOString() }) : Promise.reject(new Error('no link'))),
    () => 1000,
  );
  await clock.sync();
  up = false;
  await expect(clock.sync()).rejects.toThrow('no link');
  expect(clock.now()).toBe(6000);
});

it('asks again every minute, also after a question that failed, and stops when it is told to', async () => {
  vi.useFakeTimers();
  let asked = 0;
  let ahead = 1000;
  const clock = new HubClock(() => {
    asked += 1;
    if (asked === 2) return Promise.reject(new Error('no link'));
    return Promise.resolve({ now: new Date(Date.now() + ahead).toISOString() });
  });
  clock.keep();
  await vi.advanceTimersByTimeAsync(0);
  expect([asked, clock.now() - Date.now()]).toEqual([1, 1000]);
  ahead = 61_000; // somebody has set this device's clock back by a minute
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked, clock.now() - Date.now()]).toEqual([2, 1000]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked, clock.now() - Date.now()]).toEqual([3, 61_000]);
  clock.keep(); // a new connection: asked at once, and still once a minute
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked).toBe(5);
  clock.rest();
  await vi.advanceTimersByTimeAsync(600_000);
  expect([asked, clock.now() - Date.now()]).toEqual([5, 61_000]);
});
