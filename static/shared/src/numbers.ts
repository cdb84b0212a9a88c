/** Numbers that nobody else has: of a scan, of a call. */

/** Answer 128 random bits as text; works on pages without a secure context, too. */
export function fresh(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
