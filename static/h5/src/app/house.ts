/** What every page of the app shares: the hub, who is logged in, and the link. */

import { ApiError, Rest } from '@daibiao/shared';
import type { Answer, Link, Realtime } from '@daibiao/shared';
import { ref, shallowRef } from 'vue';

export type Me = Answer<'GET', '/api/v1/me'>;

export const api = new Rest();

/** Who is logged in: `null` nobody, `undefined` not asked yet. */
export const me = shallowRef<Me | null>();

/** The link, as people should see it. */
export const link = ref<Link['state']>('waiting');

/** Why the hub sent this page away, in words. */
export const farewell = ref('');

const FAREWELLS: Readonly<Record<string, string>> = {
  suspended: '账号已暂停，请联系代表工委或会务组',
  replaced: '您的账号已在另一台手机上登录',
  revoked: '登录已被退出，请重新登录',
};

let realtime: Realtime | undefined;

/** Answer who is logged in, asking the hub the first time.
 *
 * @throws ApiError where the hub cannot say.
 */
export async function whoami(): Promise<Me | null> {
  if (me.value === undefined) {
    try {
      me.value = await api.get('/api/v1/me');
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 401)) throw error;
      me.value = null;
    }
  }
  return me.value;
}

/** Answer which features are on; nobody has to be logged in. */
export async function switches(): Promise<Readonly<Record<string, boolean>>> {
  return (await api.get('/api/v1/flags')).flags;
}

/** Somebody came in just now: what was known of the one before is forgotten. */
export function entered(): void {
  me.value = undefined;
  farewell.value = '';
}

export async function leave(): Promise<void> {
  await api.delete('/api/v1/session');
  gone();
}

/** The session is over, by our own will or not. */
export function gone(): void {
  realtime?.close();
  realtime = undefined;
  link.value = 'waiting';
  me.value = null;
}

/** Answer the connection, made when it is first wanted. */
export async function connection(): Promise<Realtime> {
  if (realtime) return realtime;
  const { Realtime } = await import('@daibiao/shared/realtime');
  // Two pages may have asked at once.
  realtime ??= begin(new Realtime());
  return realtime;
}

function begin(made: Realtime): Realtime {
  made.onLink((now) => {
    link.value = now.state;
    if (now.state !== 'ended') return;
    const why = FAREWELLS[now.reason];
    if (why) {
      farewell.value = why;
      gone();
    }
  });
  made.connect();
  return made;
}
