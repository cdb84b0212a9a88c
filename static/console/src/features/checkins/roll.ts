/** Who is there and who is missing: what the hub said at first, and every later line on top of it. */

import type { Answer } from '@daibiao/shared';

export type Overview = Answer<'GET', '/api/v1/meetings/{meeting_id}/attendance/overview'>;
export type Attendee = Overview['people'][number];

export interface Line {
  readonly person_id: string;
  readonly state: string;
  readonly v: number;
}

export const STATUSES = ['present', 'late', 'left', 'on_leave', 'absent', 'missing'] as const;
export type Status = (typeof STATUSES)[number];

export const STATUS_WORDS: Readonly<Record<string, string>> = {
  present: '到会', late: '迟到', left: '离场', on_leave: '请假', absent: '缺席', missing: '未到',
};

export type Counts = Readonly<Record<Status, number>> & { readonly total: number; readonly inside: number };

/** Everybody who takes part, by person id. */
export type Roll = ReadonlyMap<string, Attendee>;

export function roll(overview: Overview): Roll {
  return new Map(overview.people.map((it) => [it.person_id, it]));
}

/** The roll after some lines; of each person the one with the newest version holds. */
export function marked(before: Roll, lines: readonly Line[]): Roll {
  const after = new Map(before);
  for (const line of lines) {
    const person = after.get(line.person_id);
    if (!person || line.v <= person.v) continue;
    const status = line.state === 'void' ? (person.on_leave ? 'on_leave' : 'missing') : line.state;
    after.set(line.person_id, { ...person, status, v: line.v });
  }
  return after;
}

/** The roll after an overview that was asked for meanwhile: it may be older than some lines. */
export function refreshed(before: Roll, overview: Overview): Roll {
  return new Map(overview.people.map((it) => {
    const known = before.get(it.person_id);
    return [it.person_id, known && known.v > it.v ? { ...it, status: known.status, v: known.v } : it];
  }));
}

export function counts(people: Iterable<Attendee>): Counts {
  const made = { present: 0, late: 0, left: 0, on_leave: 0, absent: 0, missing: 0, total: 0, inside: 0 };
  for (const { status } of people) {
    made.total += 1;
    if (isStatus(status)) made[status] += 1;
  }
  made.inside = made.present + made.late;
  return made;
}

export interface Delegation {
  readonly id: string;
  readonly name: string;
  readonly counts: Counts;
}

/** By delegation, those with most people missing first. */
export function byDelegation(all: Roll, names: ReadonlyMap<string, string>): readonly Delegation[] {
  const groups = new Map<string, Attendee[]>();
  for (const it of all.values()) {
    const group = groups.get(it.delegation_id);
    if (group) group.push(it);
    else groups.set(it.delegation_id, [it]);
  }
  return [...groups]
    .map(([id, people]) => ({ id, name: id ? (names.get(id) ?? id) : '未分团', counts: counts(people) }))
    .sort((a, b) => b.counts.missing - a.counts.missing || a.name.localeCompare(b.name, 'zh-CN'));
}

export interface Wanted {
  /** Part of the name, or the beginning of its pinyin or of the initials. */
  readonly text: string;
  readonly status: Status | '';
  readonly delegation: string | undefined;
}

export function found(all: Roll, { text, status, delegation }: Wanted): readonly Attendee[] {
  const sought = text.trim().toLowerCase().replace(/\s+/g, '');
  return [...all.values()].filter((it) =>
    (!status || it.status === status)
    && (delegation === undefined || it.delegation_id === delegation)
    && (!sought || it.name.includes(sought) || it.py.replace(/\s+/g, '').startsWith(sought) || it.initials.startsWith(sought)));
}

function isStatus(text: string): text is Status {
  return (STATUSES as readonly string[]).includes(text);
}
