/** Proving oneself once more, before what matters: asks, waits, and tries again. */

import { ApiError } from '@daibiao/shared';
import { shallowRef } from 'vue';

/** What the dialog is to settle; there is at most one. */
export const asked = shallowRef<{ settle: (proven: boolean) => void }>();

/** The person closed the dialog. */
export class NotProven extends Error {
  override readonly name = 'NotProven';
}

/** Do something; where the hub wants a fresh proof first, get it and do it again.
 *
 * @throws NotProven where the person would rather not.
 */
export async function proven<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof ApiError && error.code === 'step_up_required')) throw error;
  }
  const done = await new Promise<boolean>((settle) => {
    asked.value?.settle(false);
    asked.value = { settle };
  });
  asked.value = undefined;
  if (!done) throw new NotProven();
  return act();
}
