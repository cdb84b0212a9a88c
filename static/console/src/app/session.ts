/** Who works here: one REST client, one connection, and the person behind them. */

import { ApiError, Realtime, Rest } from '@daibiao/shared';
import type { Answer } from '@daibiao/shared';
import { shallowReactive } from 'vue';

export type Me = Answer<'GET', '/api/v1/me'>;

export const rest = new Rest();

export const session = shallowReactive<{ me: Me | undefined; asked: boolean }>({ me: undefined, asked: false });

let hub: Realtime | undefined;

/** The connection, made when it is needed first. */
export function realtime(): Realtime {
  if (!hub) {
    hub = new Realtime();
    hub.connect();
  }
  return hub;
}

/** Find out who is logged in; nobody is no error. */
export async function look(): Promise<Me | undefined> {
  try {
    session.me = await rest.get('/api/v1/me');
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    session.me = undefined;
  }
  session.asked = true;
  return session.me;
}

export async function leave(): Promise<void> {
  await rest.delete('/api/v1/session');
  hub?.close();
  hub = undefined;
  session.me = undefined;
}

export function may(permission: string): boolean {
  return session.me?.permissions.some((it) => it === permission) ?? false;
}

/** What to tell people of an error. */
export function reason(error: unknown): string {
  return error instanceof ApiError ? error.message : '操作没有完成，请重试';
}
