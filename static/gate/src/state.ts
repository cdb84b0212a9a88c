/** What the gate knows, keeps and shows. */

import type { Passed } from './deciding.js';
import type { FaceHere } from './face.js';
import type { Direction, Result } from './judging.js';
import type { PassList } from './list.js';

/** Who this device is, and where it stands. */
export interface Device {
  readonly token: string;
  readonly meetingId: string;
  readonly gate: string;
  readonly dir: Direction;
}

/** A scan that the hub has not confirmed. */
export interface Queued {
  readonly nonce: string;
  readonly code: string;
  readonly meeting_id: string;
  readonly gate: string;
  readonly dir: Direction;
  /** By the clock of this device, in milliseconds. */
  readonly at: number;
  readonly said: Result;
}

/** The hub has judged otherwise than this gate; it stays until somebody says that it was told. */
export interface Conflict {
  readonly nonce: string;
  readonly at: string;
  readonly name: string;
  readonly said: string;
  readonly result: string;
  readonly msg: string;
}

/** What is shown of one scan. */
export interface Verdict {
  readonly result: Result;
  readonly msg: string;
  readonly name: string;
  readonly note: string;
  readonly late: boolean;
  /** Of a duplicate: when they passed, and where. */
  readonly firstAt: string;
  readonly firstGate: string;
  readonly offline: boolean;
}

export interface State {
  device: Device | undefined;
  link: 'up' | 'down';
  queued: number;
  /** Scans of another meeting, which this token cannot hand in. */
  foreign: number;
  list: PassList | undefined;
  /** When the list was fetched, by the clock of this device. */
  listedAt: number;
  /** Milliseconds that the clock of this device is ahead of the hub's. */
  skew: number;
  ended: 'revoked' | 'over' | undefined;
  /** What the hub says about faces at this gate, once it was asked. */
  face: FaceHere | undefined;
  conflicts: readonly Conflict[];
  /** Why the list or the queue does not get through, though there is a network. */
  problem: string;
}

/** Somebody who passed, as it is kept. */
export interface Mark extends Passed {
  readonly person: string;
  /** The number of the scan, while it is not confirmed. */
  readonly nonce: string;
}

export function unstarted(): State {
  return {
    device: undefined, link: 'up', queued: 0, foreign: 0, list: undefined, listedAt: 0, skew: 0,
    ended: undefined, face: undefined, conflicts: [], problem: '',
  };
}

/** The newest first, each once. */
export function sorted(conflicts: readonly Conflict[]): readonly Conflict[] {
  return [...new Map(conflicts.map((it) => [it.nonce, it])).values()].sort((a, b) => (a.at < b.at ? 1 : -1));
}
