/** What the gate keeps; `queue` holds the scans that the hub has not confirmed, and nothing else takes them out. */

import { BrowserSafe } from '@daibiao/shared';
import type { Safe } from '@daibiao/shared';

export const TABLES = ['kept', 'queue', 'conflicts', 'passed'] as const;
export type Table = (typeof TABLES)[number];
export type GateSafe = Safe<Table>;

export function openSafe(): Promise<GateSafe> {
  return BrowserSafe.open('daibiao-gate', TABLES);
}
