/** What follows a step of a login: in, or the next step. */

import type { Answer } from '@daibiao/shared';

export type Entry = Answer<'POST', '/api/v1/session'>;

/** Which form is shown. */
export type Step = 'name' | 'totp' | 'enrol_totp' | 'change_password';

const STEPS: readonly string[] = ['totp', 'enrol_totp', 'change_password'] satisfies Step[];

/** Answer the step that is missing, or nothing where one is in.
 *
 * @throws Error for a step that this page does not know.
 */
export function missing(next: string): Step | undefined {
  if (next === 'done') return undefined;
  if (!STEPS.includes(next)) throw new Error(`unknown step ${next}`);
  return next as Step;
}
