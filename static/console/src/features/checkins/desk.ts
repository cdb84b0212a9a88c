/** The desk of a meeting's check-in: a snapshot, and every event of its staff channel on top. */

import type { Answer, EventOn, Link } from '@daibiao/shared';
import { shallowReactive } from 'vue';

import { may, realtime, reason, rest } from '../../app/session.js';
import { marked, refreshed, roll } from './roll.js';
import type { Line, Overview, Roll } from './roll.js';

export type Scan = Answer<'GET', '/api/v1/meetings/{meeting_id}/scans'>['items'][number];
export type Quorum = NonNullable<Answer<'GET', '/api/v1/meetings/{meeting_id}/state'>['quorum']>;
export type Note = Answer<'GET', '/api/v1/meetings/{meeting_id}/doors/people'>['notes'][number];
type Event = EventOn<`mtgstaff:${string}`>;

/** What is told of a scan, whether by an event or by the list. */
export interface Passing {
  readonly id: string;
  readonly person_id: string | null;
  readonly at: string;
  readonly gate: string;
  readonly way: string;
  readonly dir: string;
  readonly result: string;
  readonly conflict: boolean;
}

export interface Snapshot {
  readonly overview: Overview;
  readonly title: string;
  readonly quorum: Quorum | null;
  readonly scans: readonly Scan[];
  readonly conflicts: readonly Scan[];
}

export interface State {
  title: string;
  roll: Roll;
  quorum: Quorum | null;
  passings: readonly Passing[];
  conflicts: readonly Scan[];
  notes: ReadonlyMap<string, Note>;
  delegations: ReadonlyMap<string, string>;
  gates: ReadonlyMap<string, string>;
  ready: boolean;
  link: Link;
  trouble: string;
}

const MOST = 100;
const SOON = 400;

export class Desk {
  readonly state: State = shallowReactive<State>({
    title: '', roll: new Map(), quorum: null, passings: [], conflicts: [], notes: new Map(), delegations: new Map(),
    gates: new Map(), ready: false, link: { state: 'waiting' }, trouble: '',
  });
  private readonly stops: (() => void)[] = [];
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private readonly path: { readonly meeting_id: string };

  constructor(readonly meetingId: string) {
    this.path = { meeting_id: meetingId };
  }

  start(): void {
    const hub = realtime();
    this.state.link = hub.link;
    this.stops.push(hub.onLink((link) => (this.state.link = link)));
    this.stops.push(hub.open(`mtgstaff:${this.meetingId}`, {
      snapshot: () => this.snapshot(),
      show: (snapshot: Snapshot) => this.show(snapshot),
      apply: (event) => this.apply(event),
      ended: () => void (this.state.trouble = '您已不再负责本次会议，本页不再更新'),
      failed: (error) => void (this.state.trouble = reason(error)),
    }));
    void this.names();
  }

  stop(): void {
    this.stops.forEach((stop) => stop());
    this.timers.forEach((timer) => clearTimeout(timer));
  }

  name(personId: string | null): string {
    return (personId && this.state.roll.get(personId)?.name) || '未识别';
  }

  async checkIn(people: readonly string[], why: string, dir: 'in' | 'out', key: string): Promise<Scan[]> {
    const body = { nonce: key, people: [...people], reason: why, dir, at: null };
    const { results } = await rest.post('/api/v1/meetings/{meeting_id}/check-ins', body, { path: this.path });
    return results;
  }

  async takeBack(personId: string, why: string): Promise<void> {
    await rest.post('/api/v1/meetings/{meeting_id}/attendance/{person_id}/reverse', { reason: why }, {
      path: { ...this.path, person_id: personId },
    });
  }

  async remark(personId: string, note: Pick<Note, 'blocked' | 'attention' | 'reason'>): Promise<void> {
    const kept = await rest.put('/api/v1/meetings/{meeting_id}/doors/people/{person_id}', note, {
      path: { ...this.path, person_id: personId },
    });
    this.state.notes = new Map(this.state.notes).set(personId, kept);
  }

  private async snapshot(): Promise<Snapshot> {
    const { path } = this;
    const [overview, live, scans, conflicts] = await Promise.all([
      rest.get('/api/v1/meetings/{meeting_id}/attendance/overview', { path }),
      rest.get('/api/v1/meetings/{meeting_id}/state', { path, query: { channel: 'mtgstaff' } }),
      this.scans({ limit: 50 }),
      this.scans({ limit: 50, conflicts: true }),
    ]);
    return { overview, title: live.title, quorum: live.quorum, scans, conflicts };
  }

  /** The scans are for those who may reverse them; others see the rest. */
  private async scans(query: { limit: number; conflicts?: boolean }): Promise<readonly Scan[]> {
    if (!may('checkin.reverse')) return [];
    return (await rest.get('/api/v1/meetings/{meeting_id}/scans', { path: this.path, query })).items;
  }

  private show(snapshot: Snapshot): void {
    const passings = snapshot.scans.map((it) => ({ ...it, id: passing(it.nonce, it.at) }));
    Object.assign(this.state, {
      title: snapshot.title, roll: roll(snapshot.overview), quorum: snapshot.quorum, passings,
      conflicts: snapshot.conflicts, ready: true, trouble: '',
    });
  }

  private apply(event: Event): void {
    const { state } = this;
    switch (event.type) {
      case 'attendance':
        state.roll = marked(state.roll, event.lines as readonly Line[]);
        break;
      case 'checkin.ok':
      case 'checkin.dup':
      case 'checkin.fail': {
        const id = passing(event.scan_id.slice(event.scan_id.indexOf(':') + 1), event.at);
        // The snapshot may hold it already.
        if (!state.passings.some((it) => it.id === id)) state.passings = [{ ...event, id }, ...state.passings].slice(0, MOST);
        if (event.conflict) this.soon('conflicts', async () => (state.conflicts = await this.scans({ limit: 50, conflicts: true })));
        break;
      }
      case 'quorum':
      case 'quorum.count':
        if (!state.quorum || event.v > state.quorum.v) state.quorum = event;
        break;
      case 'leave.decided':
      case 'meeting.changed':
        this.soon('overview', async () => {
          const overview = await rest.get('/api/v1/meetings/{meeting_id}/attendance/overview', { path: this.path });
          state.roll = refreshed(state.roll, overview);
        });
        break;
      default:
    }
  }

  /** Ask anew in a moment; what comes meanwhile is answered by the same question. */
  private soon(what: string, ask: () => Promise<unknown>): void {
    if (this.timers.has(what)) return;
    this.timers.set(what, setTimeout(() => {
      this.timers.delete(what);
      ask().catch((error: unknown) => (this.state.trouble = reason(error)));
    }, SOON));
  }

  private async names(): Promise<void> {
    try {
      const [tree, plan, { notes }] = await Promise.all([
        rest.get('/api/v1/organisation'),
        rest.get('/api/v1/meetings/{meeting_id}/doors', { path: this.path }),
        rest.get('/api/v1/meetings/{meeting_id}/doors/people', { path: this.path }),
      ]);
      this.state.delegations = new Map(tree.delegations.map((it) => [it.id, it.name]));
      this.state.gates = new Map(plan.gates.map((it) => [it.id, it.name]));
      this.state.notes = new Map(notes.map((it) => [it.person_id, it]));
    } catch (error) {
      this.state.trouble = reason(error);
    }
  }
}

/** The same of a scan in the list, where who scanned is not told, and in its event. */
function passing(nonce: string, at: string): string {
  return `${nonce} ${Date.parse(at)}`;
}
