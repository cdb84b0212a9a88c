/** Signed codes, as the hub makes and reads them (`domain/passes/code.py`). */

import { base64url, ulid, utf8 } from './bytes.js';
import type { Bytes } from './bytes.js';
import { verify } from './signing.js';

export type Keys = ReadonlyMap<number, Bytes>;

export type Flaw = 'unknown' | 'bad_signature';

export interface Claims {
  readonly kind: string;
  /** By the names of the hub; instants in milliseconds since 1970. */
  readonly fields: Readonly<Record<string, string | number>>;
}

export interface Personal {
  readonly subject: string;
  readonly meeting_id: string;
  readonly since: number;
  readonly until: number;
  readonly form: string;
}

const MOST = 512;

/** The fields of each kind: `i` an id, `t` an instant, `a` a text. */
const KINDS: ReadonlyMap<string, readonly (readonly [string, 'i' | 't' | 'a'])[]> = new Map(Object.entries({
  H: [['meeting_id', 'i'], ['at', 't'], ['gate', 'a']],
  P: [['subject', 'i'], ['meeting_id', 'i'], ['since', 't'], ['until', 't'], ['form', 'a']],
  D: [['file_id', 'i']],
  S: [['meeting_id', 'i'], ['no', 'a']],
  L: [['attempt_id', 'i'], ['until', 't']],
  B: [['person_id', 'i'], ['until', 't']],
  C: [['what', 'a'], ['id', 'i']],
  T: [['id', 'i'], ['meeting_id', 'i'], ['at', 't'], ['until', 't'], ['gate', 'a']],
}));

/** What a code claims, or why it is not to be believed. Nothing is judged but this. */
export async function read(text: string, keys: Keys): Promise<Claims | Flaw> {
  const parts = text.split('.');
  if (text.length > MOST || !/^[\x00-\x7f]*$/.test(text) || parts[0] !== 'RD1') return 'unknown';
  const [, kind = '', packed = '', signed = ''] = parts;
  if (parts.length !== 4) return 'bad_signature';
  const payload = base64url(packed);
  const signature = base64url(signed);
  if (!payload || !signature || payload.length < 2) return 'bad_signature';
  const key = keys.get(new DataView(payload.buffer).getUint16(0));
  const said = utf8(text.slice(0, text.lastIndexOf('.')));
  if (!key || !(await verify(signature, said, key))) return 'bad_signature';
  const layout = KINDS.get(kind);
  // A kind that a later version has made.
  if (!layout) return 'unknown';
  const fields = unpack(layout, payload.subarray(2));
  return fields ? { kind, fields } : 'unknown';
}

export function personal(claims: Claims): Personal | undefined {
  return claims.kind === 'P' ? (claims.fields as unknown as Personal) : undefined;
}

function unpack(
  layout: readonly (readonly [string, string])[], packed: Bytes,
): Record<string, string | number> | undefined {
  const fields: Record<string, string | number> = {};
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  try {
    for (const [name, how] of layout) {
      if (how === 't') {
        fields[name] = view.getUint32(at) * 1000;
        at += 4;
        continue;
      }
      const length = how === 'i' ? 16 : view.getUint8(at++);
      if (at + length > packed.length) return undefined;
      const raw = packed.subarray(at, at + length);
      fields[name] = how === 'i' ? ulid(raw) : new TextDecoder('utf-8', { fatal: true }).decode(raw);
      at += length;
    }
  } catch {
    // Cut off, or no text.
    return undefined;
  }
  return at === packed.length ? fields : undefined;
}

/** The code inside an address of our own, or the text itself; an address of somebody else's is never followed. */
export function bare(text: string, origin: string): string {
  const trimmed = text.trim();
  if (!trimmed.startsWith(`${origin}/`)) return trimmed;
  const [before = '', fragment = ''] = split(trimmed, '#');
  const query = split(fragment, '?')[1] || split(before, '?')[1];
  return new URLSearchParams(query).get('code') || trimmed;
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
