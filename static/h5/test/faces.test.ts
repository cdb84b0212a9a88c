/** The plan of a challenge, and what a refusal leads to. */

import { ApiError } from '@daibiao/shared';
import { describe, expect, it } from 'vitest';

import { alternatives, pictureOf } from '../src/features/faces/faces.js';
import { plan } from '../src/features/faces/plan.js';

const per = (steps: readonly string[], beats: readonly { step: string }[]): number[] =>
  steps.map((step) => beats.filter((beat) => beat.step === step).length);

describe('the pictures of a challenge', () => {
  it('are spread over its steps, in their order', () => {
    const steps = ['front', 'left', 'right'];
    const beats = plan(steps, 8, 15, 60_000);
    expect(per(steps, beats)).toEqual([4, 5, 5]);
    expect(beats.map(({ step }) => step)).toEqual([...beats].sort((a, b) => steps.indexOf(a.step) - steps.indexOf(b.step)).map(({ step }) => step));
  });

  it.each([
    [1, 8, 15, 14], [2, 13, 15, 15], [3, 3, 5, 5], [4, 8, 15, 14], [5, 8, 15, 14], [3, 12, 12, 12],
  ])('of %i steps are between %i and %i', (count, least, most, wanted) => {
    const steps = Array.from({ length: count }, (_, number) => `s${number}`);
    const beats = plan(steps, least, most, 60_000);
    expect(beats).toHaveLength(wanted);
    expect(Math.min(...per(steps, beats))).toBeGreaterThan(0);
  });

  it('come back to a step that is asked twice', () => {
    const steps = plan(['front', 'left', 'right', 'left'], 8, 15, 60_000).map(({ step }) => step);
    expect(steps.filter((step, place) => step !== steps[place - 1])).toEqual(['front', 'left', 'right', 'left']);
  });

  it('give time to move, and hurry where the hub leaves little', () => {
    const slow = plan(['front', 'left'], 8, 15, 60_000);
    expect(slow.filter(({ wait }) => wait >= 1000)).toHaveLength(2);
    const sum = plan(['front', 'left'], 8, 15, 10_000).reduce((all, { wait }) => all + wait, 0);
    expect(sum).toBeLessThanOrEqual(2_001);
  });
});

describe('a refusal', () => {
  const refusal = (detail: Record<string, unknown>, field?: string): ApiError =>
    new ApiError(429, { code: 'face_locked', msg: '请改用其他方式', detail, ...(field !== undefined && { field }) });

  it('leads to those doors at hand that it names', () => {
    const named = refusal({ alternatives: ['scan', 'sms', 'pin', 'nonsense'] });
    expect(alternatives(named, ['password', 'sms', 'scan'])).toEqual(['sms', 'scan']);
  });

  it('never leads nowhere', () => {
    expect(alternatives(refusal({}), ['password', 'scan'])).toEqual(['password', 'scan']);
    expect(alternatives(refusal({ alternatives: ['pin'] }), ['password'])).toEqual(['password']);
    expect(alternatives(new TypeError(), ['sms'])).toEqual(['sms']);
  });

  it('names the picture that is meant, as people count', () => {
    expect(pictureOf(refusal({}, 'pictures.2'))).toBe(3);
    expect(pictureOf(refusal({}, 'consent'))).toBeUndefined();
  });
});
