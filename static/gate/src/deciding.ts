/** What a gate without a network decides: who is shown, by which code, and whether they may pass. */

import { bare, personal, read } from './code.js';
import type { Keys, Personal } from './code.js';
import { judge, presence } from './judging.js';
import type { Direction, Result } from './judging.js';
import { keysOf } from './list.js';
import type { ListedPerson, PassList } from './list.js';

/** Somebody passed here, or is in the hall for another reason. */
export interface Passed {
  readonly dir: Direction;
  /** By the hub's clock, in milliseconds; 0 where only the list says it. */
  readonly at: number;
  readonly gate: string;
}

export interface Asked {
  readonly code: string;
  readonly gate: string;
  readonly dir: Direction;
  /** By the hub's clock, in milliseconds. */
  readonly at: number;
}

export interface Decision {
  readonly result: Result;
  readonly person: ListedPerson | undefined;
  readonly note: string;
  /** What the list cannot know, for whoever stands at the door. */
  readonly hint: string;
  readonly late: boolean;
  /** Of a duplicate: when they passed, if it was seen here. */
  readonly first: Passed | undefined;
}

const HALL = new Set(['present', 'late']);
const NEW_BADGE = '名单下载之后签发的证件，本机无法核对，请引导至服务台';

/** Decides by one list, and by what is remembered of who has passed since. */
export class Decider {
  private readonly people: ReadonlyMap<string, ListedPerson>;
  private readonly badges: ReadonlyMap<string, { readonly person_id: string; readonly holds: boolean }>;
  private readonly keys: Keys;

  constructor(
    readonly list: PassList,
    private readonly origin: string,
    private readonly passed: ReadonlyMap<string, Passed>,
  ) {
    this.people = new Map(list.people.map((it) => [it.id, it]));
    this.badges = new Map(list.badges.map((it) => [it.id, it]));
    this.keys = keysOf(list);
  }

  async decide(asked: Asked): Promise<Decision> {
    const claims = await read(bare(asked.code, this.origin), this.keys);
    if (typeof claims === 'string') return refused(claims);
    const code = personal(claims);
    // Nobody checks in at a device by a code that is not theirs alone.
    if (!code) {
      const elsewhere = claims.kind === 'H' || claims.kind === 'T';
      return refused(elsewhere && claims.fields.meeting_id !== this.list.meeting_id ? 'wrong_meeting' : 'unknown');
    }
    const badge = code.form === 'badge' ? this.badges.get(code.subject) : undefined;
    const personId = code.form === 'phone' ? code.subject : badge?.person_id;
    const person = personId === undefined ? undefined : this.people.get(personId);
    // Badges of other meetings are not on this list.
    if (code.meeting_id !== this.list.meeting_id) return refused('wrong_meeting', person);
    if (code.form === 'badge' && !badge?.holds) {
      const newer = !badge && code.since >= Date.parse(this.list.made_at) - 1000;
      return refused('revoked', person, newer ? NEW_BADGE : '');
    }
    return this.timely(code, asked.at) ? this.judged(person, asked) : refused('expired_window', person);
  }

  /** Tell whether somebody is in the hall, as far as is known here. */
  inside(person: ListedPerson): boolean {
    const last = this.passed.get(person.id);
    return last ? last.dir === 'in' : HALL.has(person.presence);
  }

  private judged(person: ListedPerson | undefined, asked: Asked): Decision {
    if (!person) return refused('not_invited');
    const { list } = this;
    const passing = { ...asked, device: list.device_id, offline: true };
    const flaw = judge(list, list.doors, person, passing, list.times);
    if (flaw) return refused(flaw, person);
    if (this.inside(person) === (asked.dir === 'in')) {
      const result = asked.dir === 'in' ? 'already_in' : 'already_out';
      return { ...refused(result, person), first: this.passed.get(person.id) };
    }
    const back = this.passed.has(person.id) || person.presence === 'left';
    return {
      result: person.attention ? 'needs_attention' : 'ok',
      person,
      note: person.attention,
      hint: '',
      // Who was in and comes back is not late.
      late: !back && presence(list, list.doors, passing, list.times) === 'late',
      first: undefined,
    };
  }

  private timely(code: Personal, at: number): boolean {
    const slack = 1000 * this.list.times.clock;
    return code.since - 1000 - slack <= at && at < code.until + slack;
  }
}

function refused(result: Result, person?: ListedPerson, hint = ''): Decision {
  return { result, person, note: '', hint, late: false, first: undefined };
}
