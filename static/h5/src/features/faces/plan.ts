/** How many pictures are taken at each step of a challenge, and when. */

export interface Beat {
  readonly step: string;
  /** Milliseconds before this picture. */
  readonly wait: number;
}

/** Time to hear a step and begin to move. */
const SETTLE = 1200;
const BETWEEN = 260;
/** Beyond what the hub wants at least: those that are blurred while the head moves do not count. */
const SPARE = 6;
/** What is left for sending, of the time the hub gives. */
const SENDING = 8000;

/** Plan the pictures of a challenge, spread evenly over its steps.
 *
 * Everything stays within `frames_min` and `frames_max`, and, where the hub leaves little time, goes faster.
 */
export function plan(steps: readonly string[], least: number, most: number, milliseconds: number): readonly Beat[] {
  const wanted = Math.min(most, Math.max(least + SPARE, steps.length));
  const beats = steps.flatMap((step, place) => {
    const count = Math.floor((wanted * (place + 1)) / steps.length) - Math.floor((wanted * place) / steps.length);
    return Array.from({ length: count }, (_, number) => ({ step, wait: number === 0 ? SETTLE : BETWEEN }));
  });
  const takes = beats.reduce((sum, beat) => sum + beat.wait, 0);
  const hurry = Math.min(1, Math.max(0, milliseconds - SENDING) / takes);
  return beats.map(({ step, wait }) => ({ step, wait: Math.round(wait * hurry) }));
}
