/** What a page has from the hub: not yet, there, or not to be had, and whether asking again helps. */

import { ApiError } from '@daibiao/shared';
import { onMounted, ref, shallowRef, watch } from 'vue';
import type { Ref, ShallowRef } from 'vue';
import { useRoute, useRouter } from 'vue-router';

import { link } from './house.js';
import { login } from './router.js';
import { mayPass, words } from './words.js';

export interface Fetched<T> {
  readonly value: ShallowRef<T | undefined>;
  /** Why not, in words; empty while all is well. */
  readonly problem: Ref<string>;
  /** Whether asking again may help. */
  readonly passing: Ref<boolean>;
  /** Ask, once more or for the first time; answers whether it is there now. */
  readonly load: () => Promise<boolean>;
}

/** Ask the hub when the page is shown, and again when the network is back; `missing` says what a 404 means here. */
export function useFetched<T>(ask: () => Promise<T>, missing: string): Fetched<T> {
  const route = useRoute();
  const router = useRouter();
  const value = shallowRef<T>();
  const problem = ref('');
  const passing = ref(false);

  async function load(): Promise<boolean> {
    problem.value = '';
    try {
      value.value = await ask();
      return true;
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        await router.replace(login(route));
        return false;
      }
      const gone = error instanceof ApiError && error.status === 404;
      // What was shown is nobody's business any more, or is shown with the reason why it may be old.
      if (gone) value.value = undefined;
      problem.value = gone ? missing : words(error);
      passing.value = mayPass(error);
      return false;
    }
  }

  onMounted(load);
  watch(link, (now) => {
    if (now === 'up' && problem.value && passing.value) void load();
  });
  return { value, problem, passing, load };
}
