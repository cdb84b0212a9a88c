/** Bytes and their spellings: base64, base64url, hex, and the ids of the house. */

export type Bytes = Uint8Array<ArrayBuffer>;

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

export const utf8 = (text: string): Bytes => new TextEncoder().encode(text);

export function base64(text: string): Bytes {
  return Uint8Array.from(atob(text), (it) => it.charCodeAt(0));
}

/** The bytes behind base64url, or nothing if it is not spelt as the hub spells it: one code has one spelling. */
export function base64url(text: string): Bytes | undefined {
  if (!/^[\w-]*$/.test(text) || text.length % 4 === 1) return undefined;
  const raw = base64(text.replace(/-/g, '+').replace(/_/g, '/'));
  const spelt = btoa(String.fromCharCode(...raw)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  return spelt === text ? raw : undefined;
}

export function hex(text: string): Bytes {
  return Uint8Array.from(text.match(/../g) ?? [], (it) => parseInt(it, 16));
}

export function joined(...parts: readonly Uint8Array[]): Bytes {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The text of an id: 128 bits, five to a character, the first of which has only three. */
export function ulid(raw: Uint8Array): string {
  let rest = raw.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  let text = '';
  for (let i = 0; i < 26; i++) {
    text = (CROCKFORD[Number(rest & 31n)] ?? '') + text;
    rest >>= 5n;
  }
  return text;
}

/** A number of a scan that nobody else gives: 132 bits. */
export function nonce(): string {
  const raw = crypto.getRandomValues(new Uint8Array(33));
  return btoa(String.fromCharCode(...raw)).replace(/\+/g, '-').replace(/\//g, '_').slice(0, 22);
}
