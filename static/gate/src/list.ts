/** The list for a gate without a network, opened as `domain/checkins/pass_list.py` seals it. */

import { base64, hex, joined, utf8 } from './bytes.js';
import type { Bytes } from './bytes.js';
import type { Keys } from './code.js';
import type { DoorPlan, Meeting, Standing, Times } from './judging.js';
import { verify } from './signing.js';

/** As it comes from the hub, and as it is kept: whoever copies it off the device has nothing. */
export interface SealedList {
  readonly meeting_id: string;
  readonly made_at: string;
  readonly key_no: number;
  readonly nonce: string;
  readonly sealed: string;
  readonly signature: string;
}

export interface ListedPerson extends Standing {
  readonly id: string;
  readonly name: string;
  /** What was on record when the list was made, or empty. */
  readonly presence: string;
}

export interface PassList extends Meeting {
  readonly meeting_id: string;
  readonly title: string;
  readonly ends_at: string | null;
  readonly made_at: string;
  readonly device_id: string;
  readonly doors: DoorPlan;
  /** `clock`: seconds that a clock may be wrong by. */
  readonly times: Times & { readonly clock: number };
  readonly keys: readonly { readonly no: number; readonly public: string }[];
  readonly people: readonly ListedPerson[];
  readonly badges: readonly { readonly id: string; readonly person_id: string; readonly holds: boolean }[];
}

/** What is in a list.
 *
 * @throws Error where we did not make it, it was altered, or it is for another device or meeting.
 */
export async function openList(sealed: SealedList, meetingId: string, secret: string, keys: Keys): Promise<PassList> {
  const [nonce, body, signature] = [base64(sealed.nonce), base64(sealed.sealed), base64(sealed.signature)];
  const key = keys.get(sealed.key_no);
  const signed = joined(utf8('daibiao pass list\0'), utf8(meetingId), nonce, body);
  if (!key || !(await verify(signature, signed, key))) throw new Error('the list is not ours');
  const text = await crypto.subtle.decrypt(
    { name: 'AES-GCM', iv: nonce, additionalData: utf8(meetingId) }, await sealingKey(secret, meetingId), body,
  );
  return JSON.parse(new TextDecoder().decode(text)) as PassList;
}

async function sealingKey(secret: string, meetingId: string): Promise<CryptoKey> {
  const base = await crypto.subtle.importKey('raw', utf8(secret), 'HKDF', false, ['deriveKey']);
  return crypto.subtle.deriveKey(
    { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: utf8(`daibiao pass list ${meetingId}`) },
    base, { name: 'AES-GCM', length: 256 }, false, ['decrypt'],
  );
}

/** The public keys in a list, by number. */
export function keysOf(list: PassList): Keys {
  return new Map<number, Bytes>(list.keys.map((it) => [it.no, hex(it.public)]));
}
