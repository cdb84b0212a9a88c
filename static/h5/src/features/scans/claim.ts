/** The ticket for a hall code that was scanned before the login: kept for five minutes, good once. */

import type { Answer } from '@daibiao/shared';

export type Claim = Answer<'POST', '/api/v1/scans/claims'>;

interface Held {
  readonly claim: string;
  readonly title: string;
  /** The number under which it is handed in, so that asking again is the same scan. */
  readonly nonce: string;
}

const KEY = 'daibiao.claim';

/** Keep a ticket across the login, which may lead through WeChat's pages. */
export function hold(claim: Claim, nonce: string): void {
  sessionStorage.setItem(KEY, JSON.stringify({ claim: claim.claim, title: claim.title, nonce } satisfies Held));
}

/** Answer the ticket that waits, if any. */
export function held(): Held | undefined {
  const text = sessionStorage.getItem(KEY);
  return text === null ? undefined : (JSON.parse(text) as Held);
}

export function drop(): void {
  sessionStorage.removeItem(KEY);
}
