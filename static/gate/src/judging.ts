/** Judging somebody at a door, by the same rules as the hub (`domain/checkins/judging.py`).
 *
 * `test/cases.json` is made by the hub, and replayed here: the two cannot drift apart unseen.
 */

import type { Answer } from '@daibiao/shared';

export type Direction = 'in' | 'out';

/** What the hub can come to; which of them it is without the hub is decided below. */
export type Result = Extract<Answer<'POST', '/api/v1/scans'>, { nonce: unknown }>['result'];

export interface Gate {
  readonly id: string;
  readonly name: string;
  readonly capacities: readonly string[];
  readonly devices: readonly string[];
  readonly opens_at: string | null;
  readonly closes_at: string | null;
}

export interface DoorPlan {
  readonly gates: readonly Gate[];
  readonly opens_at: string | null;
  readonly late_at: string | null;
  readonly closes_at: string | null;
}

export interface Meeting {
  readonly state: string;
  readonly starts_at: string | null;
}

export interface Standing {
  readonly capacity: string | null;
  readonly on_leave: boolean;
  readonly suspended: boolean;
  readonly blocked: boolean;
  readonly attention: string;
}

export interface Passing {
  readonly dir: Direction;
  readonly gate: string;
  readonly device: string;
  /** Milliseconds since 1970, by the hub's clock. */
  readonly at: number;
  readonly offline: boolean;
}

/** Seconds: how long before the beginning doors open, and how long after it is late. */
export interface Times {
  readonly opens: number;
  readonly late: number;
}

const SEALED: ReadonlySet<string> = new Set(['archived', 'cancelled']);
export const OVER: ReadonlySet<string> = new Set([...SEALED, 'closed']);

export const ACCEPTED: ReadonlySet<Result> = new Set(['ok', 'needs_attention', 'offline_unverified']);
export const DUPLICATE: ReadonlySet<Result> = new Set(['already_in', 'already_out']);

/** Why somebody may not pass, or nothing if they may. */
export function judge(
  meeting: Meeting, plan: DoorPlan, standing: Standing, passing: Passing, times: Times,
): Result | undefined {
  if (!standing.capacity) return 'not_invited';
  if (standing.blocked) return 'blocked';
  if (standing.suspended) return 'suspended';
  if (standing.on_leave && passing.dir === 'in') return 'on_leave';
  const gate = plan.gates.find((it) => it.id === passing.gate);
  if (!fits(plan, gate, standing.capacity, passing)) return 'wrong_gate';
  return inTime(meeting, plan, gate, passing, times);
}

/** What somebody is who passes a door now. */
export function presence(
  meeting: Meeting, plan: DoorPlan, passing: Passing, times: Times,
): 'present' | 'late' | 'left' {
  if (passing.dir === 'out') return 'left';
  const late = plan.late_at ? instant(plan.late_at) : shifted(meeting.starts_at, times.late);
  return late !== undefined && passing.at >= late ? 'late' : 'present';
}

function fits(plan: DoorPlan, gate: Gate | undefined, capacity: string, passing: Passing): boolean {
  if (!gate) return plan.gates.length === 0;
  const here = gate.devices.length === 0 || !passing.device || gate.devices.includes(passing.device);
  return here && (gate.capacities.length === 0 || gate.capacities.includes(capacity));
}

function inTime(
  meeting: Meeting, plan: DoorPlan, gate: Gate | undefined, passing: Passing, times: Times,
): Result | undefined {
  if ((passing.offline ? SEALED : OVER).has(meeting.state)) return 'too_late';
  if (passing.dir === 'out') return undefined;
  const opens = instant(gate?.opens_at ?? plan.opens_at) ?? shifted(meeting.starts_at, -times.opens);
  const closes = instant(gate?.closes_at ?? plan.closes_at);
  if (opens !== undefined && passing.at < opens) return 'not_yet';
  if (closes !== undefined && passing.at >= closes) return 'too_late';
  return undefined;
}

function instant(text: string | null | undefined): number | undefined {
  return text ? Date.parse(text) : undefined;
}

function shifted(text: string | null, seconds: number): number | undefined {
  const at = instant(text);
  return at === undefined ? undefined : at + 1000 * seconds;
}
