/** Ed25519: by the browser where it can, else in script. */

import { verifyAsync } from '@noble/ed25519';

import type { Bytes } from './bytes.js';

type Verify = (signature: Bytes, message: Bytes, publicKey: Bytes) => Promise<boolean>;

const native: Verify = async (signature, message, publicKey) => {
  const key = await crypto.subtle.importKey('raw', publicKey, { name: 'Ed25519' }, false, ['verify']);
  return crypto.subtle.verify({ name: 'Ed25519' }, key, signature, message);
};

/** As strict as the hub: no mixed-order points that only some verifiers accept. */
export const scripted: Verify = (signature, message, publicKey) =>
  verifyAsync(signature, message, publicKey, { zip215: false }).catch(() => false);

let chosen: Promise<Verify> | undefined;

/** Browsers before 2025 do not know the algorithm, and say so when a key is imported. */
async function choose(): Promise<Verify> {
  const base = new Uint8Array(32);
  // Encodes the base point: 4/5, least significant byte first.
  base.fill(0x66).set([0x58]);
  try {
    await crypto.subtle.importKey('raw', base, { name: 'Ed25519' }, false, ['verify']);
    return native;
  } catch {
    return scripted;
  }
}

export async function verify(signature: Bytes, message: Bytes, publicKey: Bytes): Promise<boolean> {
  if (signature.length !== 64) return false;
  return (await (chosen ??= choose()))(signature, message, publicKey);
}
