/** 大字版: kept on the phone, and with one's settings so that it follows to every device. */

import { ApiError } from '@daibiao/shared';
import { ref } from 'vue';

import { api, me } from './house.js';

const KEY = 'daibiao.large';

export const large = ref(remembered());

function remembered(): boolean {
  try {
    return localStorage.getItem(KEY) === '1';
  } catch {
    // Storage may be forbidden; then it is as the settings say.
    return false;
  }
}

function show(value: boolean): void {
  large.value = value;
  document.documentElement.classList.toggle('large', value);
  try {
    localStorage.setItem(KEY, value ? '1' : '0');
  } catch {
    // See above: it holds until the page is left.
  }
}

/** Show the size this phone had the last time. */
export function restore(): void {
  show(large.value);
}

/** Take over what one's settings say. */
export async function follow(): Promise<void> {
  show((await api.get('/api/v1/me/preferences')).large_text);
}

/** Switch, and keep it with one's settings where somebody is logged in. */
export async function resize(value: boolean): Promise<void> {
  show(value);
  if (!me.value) return;
  for (let tries = 0; ; tries += 1) {
    const { v } = await api.get('/api/v1/me/preferences');
    try {
      await api.ask('PATCH', '/api/v1/me/preferences', { body: { v, large_text: value } });
      return;
    } catch (error) {
      // Another device changed a setting in between: once more, on top of that.
      if (!(error instanceof ApiError && error.code === 'conflict') || tries > 1) throw error;
    }
  }
}
