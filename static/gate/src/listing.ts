/** Fetching the list while there is a network, and opening it again when there is none. */

import type { Rest } from '@daibiao/shared';

import { base64url } from './bytes.js';
import { openList } from './list.js';
import type { PassList, SealedList } from './list.js';
import type { Device } from './state.js';

/** The list as it is kept: as the hub has sealed it, with the keys that the hub has named. */
export interface KeptList {
  readonly sealed: SealedList;
  readonly keys: readonly (readonly [number, string])[];
  /** When it came, by the clock of this device, and by how much that clock was ahead. */
  readonly at: number;
  readonly skew: number;
}

export interface Fetched extends KeptList {
  /** When it was asked for. */
  readonly begun: number;
}

/** Ask the hub.
 *
 * @throws ApiError where it refuses, or is not there.
 */
export async function fetchList(rest: Rest, { meetingId }: Device, now: () => number): Promise<Fetched> {
  const begun = now();
  const sealed = await rest.get('/api/v1/meetings/{meeting_id}/pass-list', { path: { meeting_id: meetingId } });
  const at = now();
  const { keys } = await rest.get('/api/v1/pass-keys');
  return {
    sealed, keys: keys.map((it) => [it.no, it.public] as const), at, begun,
    skew: Math.round((begun + at) / 2 - Date.parse(sealed.made_at)),
  };
}

/** What is in the list.
 *
 * @throws Error where it is not ours, or not for this device.
 */
export function opened({ sealed, keys }: KeptList, device: Device): Promise<PassList> {
  const trusted = new Map(keys.flatMap(([no, text]) => {
    const raw = base64url(text);
    return raw ? [[no, raw] as const] : [];
  }));
  return openList(sealed, device.meetingId, device.token, trusted);
}
