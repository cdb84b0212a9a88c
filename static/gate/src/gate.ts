/** The gate: asks the hub while there is one, decides by its list while there is none, and loses no scan.
 *
 * A scan that the hub has not answered goes into the queue under the number it was asked with, so that an
 * answer that was lost on the way is not a second scan. The queue is handed in for as long as it takes.
 */

import { ApiError, Rest } from '@daibiao/shared';
import { shallowReactive } from 'vue';

import { nonce } from './bytes.js';
import { Decider } from './deciding.js';
import type { Decision } from './deciding.js';
import { faceHere } from './face.js';
import { AT_ONCE, batch, settled } from './handing.js';
import type { BatchAnswer, ScanAnswer } from './handing.js';
import { ACCEPTED, DUPLICATE, OVER } from './judging.js';
import type { Result } from './judging.js';
import type { PassList } from './list.js';
import { fetchList, opened } from './listing.js';
import type { Fetched, KeptList } from './listing.js';
import type { GateSafe } from './safe.js';
import { Sight } from './sight.js';
import { sorted, unstarted } from './state.js';
import type { Conflict, Device, Mark, Queued, State, Verdict } from './state.js';
import { says } from './words.js';

const PATIENCE = 3000;
const REFRESH = 120_000;
const MOST_CODE = 4096;
/** A list older than that decides nothing any more. */
export const STALE = 24 * 3600_000;

export class Gate {
  readonly state: State = shallowReactive<State>(unstarted());
  private rest = new Rest();
  private decider: Decider | undefined;
  private readonly passed = new Map<string, Mark>();
  private readonly sight = new Sight();
  /** When it was last asked whether faces are recognised here. */
  private facedAt = 0;
  private turn: Promise<unknown> = Promise.resolve();
  private busy = false;
  private waitUntil = 0;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly safe: GateSafe,
    private readonly options: {
      readonly origin: string;
      readonly fetch?: typeof globalThis.fetch;
      readonly now?: () => number;
    },
  ) {}

  /** Take up what was kept, and go on from there. */
  async start(): Promise<void> {
    for (const mark of await this.safe.all<Mark>('passed')) this.passed.set(mark.person, mark);
    this.state.conflicts = sorted(await this.safe.all<Conflict>('conflicts'));
    const device = await this.safe.get<Device>('kept', 'device');
    if (device) {
      this.enter(device);
      await this.takeUpList(device);
    }
    await this.count();
    this.timer = setInterval(() => void this.tick(), PATIENCE);
    await this.tick();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Let this device in with a token; the list of another meeting is wiped.
   *
   * @throws ApiError where the hub does not take it.
   */
  async setUp(token: string, meetingId: string): Promise<void> {
    const device: Device = { token, meetingId, gate: '', dir: 'in' };
    this.rest = this.asking(token);
    const list = await fetchList(this.rest, device, () => this.now());
    await this.safe.change({ put: { kept: [['device', device]] }, clear: ['passed'] });
    this.passed.clear();
    this.enter(device);
    await this.install(device, list);
    const only = this.state.list?.doors.gates.length === 1 ? this.state.list.doors.gates[0] : undefined;
    if (only) await this.stand({ gate: only.id });
    await this.count();
    await this.tick();
  }

  /** Stand at another gate, or let people pass the other way. */
  async stand(where: Partial<Pick<Device, 'gate' | 'dir'>>): Promise<void> {
    if (!this.state.device) return;
    const device = { ...this.state.device, ...where };
    await this.safe.change({ put: { kept: [['device', device]] } });
    this.state.device = device;
  }

  /** Forget this device; what is queued stays until a token hands it in. */
  async leave(): Promise<void> {
    await this.wipe();
    await this.safe.change({ remove: { kept: ['device'] } });
    this.state.device = undefined;
  }

  /** Deal with a code that was read; nothing if it is still the same one.
   *
   * `number` is that of a turn which began at another door: it is dealt with whatever is in sight.
   */
  scan(text: string, number = ''): Promise<Verdict | undefined> {
    const code = text.slice(0, MOST_CODE);
    const now = this.now();
    const fresh = this.sight.fresh(code, now);
    const device = this.state.device;
    if (!(fresh || number) || !device || this.state.ended === 'revoked' || !code.trim()) return Promise.resolve(undefined);
    const asked = { nonce: number || nonce(), code, meeting_id: device.meetingId, gate: device.gate, dir: device.dir, at: now };
    // One after the other, in the order in which they were read.
    const mine = this.turn.then(() => this.pass(asked));
    this.turn = mine.catch(() => undefined);
    return mine;
  }

  /** Ask the hub what only the hub can answer; nothing of it is kept or queued.
   *
   * @throws ApiError with the refusal, or `unreachable`.
   */
  async ask<T>(asking: (rest: Rest, device: Device) => Promise<T>): Promise<T> {
    const { device } = this.state;
    if (!device) throw new Error('no device has been set up');
    try {
      return await asking(this.rest, device);
    } catch (error) {
      // A refusal is about this question; only who is gone, or no longer known, changes what the gate does.
      const gone = error instanceof ApiError && (error.unreachable || (error.status === 401 && error.code !== 'proposal_dead'));
      if (gone) await this.failed(error);
      throw error;
    }
  }

  /** Somebody has been told of these conflicts. */
  async told(nonces: readonly string[]): Promise<void> {
    await this.safe.change({ remove: { conflicts: nonces } });
    this.state.conflicts = this.state.conflicts.filter((it) => !nonces.includes(it.nonce));
  }

  /** Look whether the hub is there, hand in what is queued, and fetch the list if it is old. */
  async tick(): Promise<void> {
    const { device, ended } = this.state;
    if (this.busy || !device || ended === 'revoked' || this.now() < this.waitUntil) return;
    this.busy = true;
    try {
      if (this.state.link === 'down') await this.rest.get('/api/v1/pass-keys');
      this.state.link = 'up';
      await this.handIn(device);
      if (this.now() - this.state.listedAt > REFRESH) await this.install(device, await fetchList(this.rest, device, () => this.now()));
      await this.learnFace(device);
      this.state.problem = '';
    } catch (error) {
      await this.failed(error);
    } finally {
      this.busy = false;
    }
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }

  private asking(token: string): Rest {
    const { fetch } = this.options;
    return new Rest({ bearer: token, patience: PATIENCE, ...(fetch && { fetch }) });
  }

  private enter(device: Device): void {
    this.rest = this.asking(device.token);
    this.state.device = device;
    this.state.ended = undefined;
    this.state.face = undefined;
    this.facedAt = 0;
  }

  private async pass(asked: Omit<Queued, 'said'>): Promise<Verdict> {
    if (this.state.link === 'up') {
      try {
        const { nonce: number, code, meeting_id, gate, dir } = asked;
        const body = { nonce: number, code, meeting_id, gate, dir };
        const answer = await this.rest.post('/api/v1/scans', body);
        if (!('nonce' in answer)) throw new Error('the answer to one scan is one result');
        return await this.heard(answer);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        await this.failed(error);
        // The hub has refused to judge at all: that is no decision to be made here.
        if (this.state.link === 'up' || this.state.ended === 'revoked') throw error;
      }
    }
    return this.decide(asked);
  }

  private async learnFace(device: Device): Promise<void> {
    if (this.now() - this.facedAt <= REFRESH) return;
    try {
      this.state.face = await faceHere(this.rest, device);
    } catch (error) {
      // Faces that cannot be asked about are not offered; that is no reason to doubt the network.
      if (!(error instanceof ApiError) || error.unreachable || error.status === 401) throw error;
      this.state.face = { available: false, reason: error.code, identify: false };
    }
    this.facedAt = this.now();
  }

  /** Take in what the hub has decided; answers what is shown. */
  async heard(answer: ScanAnswer): Promise<Verdict> {
    const { person_id: person } = answer;
    const into = answer.dir === 'in';
    if (person && (answer.accepted || DUPLICATE.has(answer.result))) {
      const at = Date.parse(answer.first_at ?? answer.at);
      const gate = answer.accepted ? answer.gate : answer.first_gate;
      await this.mark({ person, dir: into ? 'in' : 'out', at, gate, nonce: '' });
    }
    return {
      result: answer.result, msg: answer.msg, name: answer.name, note: answer.note, late: false,
      firstAt: answer.first_at ?? '', firstGate: answer.first_gate, offline: false,
    };
  }

  private async decide(asked: Omit<Queued, 'said'>): Promise<Verdict> {
    const at = asked.at - this.correction;
    const usable = this.decider && this.now() - this.state.listedAt < STALE;
    const made: Decision | undefined = usable ? await this.decider?.decide({ ...asked, at }) : undefined;
    const said: Result = made?.result ?? 'offline_unverified';
    const queued: Queued = { ...asked, said };
    const person = made?.person?.id;
    const mark = person && ACCEPTED.has(said) ? { person, dir: asked.dir, at, gate: asked.gate, nonce: asked.nonce } : undefined;
    await this.safe.change({
      put: { queue: [[asked.nonce, queued]], ...(mark && { passed: [[mark.person, mark]] }) },
    });
    if (mark) this.passed.set(mark.person, mark);
    this.state.queued += 1;
    return {
      result: said,
      msg: made ? says(said) : '本机没有可用的名单，请人工核对证件',
      name: made?.person?.name ?? '',
      note: made?.note || made?.hint || '',
      late: made?.late ?? false,
      firstAt: made?.first?.at ? new Date(made.first.at).toISOString() : '',
      firstGate: made?.first?.gate ?? '',
      offline: true,
    };
  }

  /** What to take off this device's clock; less than the tolerance is the network. */
  private get correction(): number {
    const tolerance = 1000 * (this.state.list?.times.clock ?? 0);
    return Math.abs(this.state.skew) > tolerance ? this.state.skew : 0;
  }

  private async mark(mark: Mark): Promise<void> {
    this.passed.set(mark.person, mark);
    await this.safe.change({ put: { passed: [[mark.person, mark]] } });
  }

  private async handIn(device: Device): Promise<void> {
    for (;;) {
      const all = await this.safe.all<Queued>('queue');
      const mine = all.filter((it) => it.meeting_id === device.meetingId).sort((a, b) => a.at - b.at);
      if (mine.length === 0) return;
      const rows = mine.slice(0, AT_ONCE);
      const answer = await this.rest.post('/api/v1/scans', batch(rows, this.now()));
      if (!('results' in answer)) throw new Error('the answer to many scans is many results');
      await this.settle(rows, answer);
    }
  }

  /** What the hub has confirmed leaves the queue, and what it judged otherwise is listed, in one step. */
  private async settle(rows: readonly Queued[], answer: BatchAnswer): Promise<void> {
    const { done, conflicts, gone, skew } = settled(rows, answer);
    if (done.length === 0) throw new Error('the hub has confirmed nothing');
    await this.safe.change({
      put: { conflicts: conflicts.map((it) => [it.nonce, it] as const) },
      remove: { queue: done, passed: gone },
    });
    for (const person of gone) this.passed.delete(person);
    if (skew !== undefined) this.state.skew = skew;
    this.state.conflicts = sorted([...this.state.conflicts, ...conflicts]);
    await this.count();
  }

  private async install(device: Device, fetched: Fetched): Promise<void> {
    const list = await opened(fetched, device);
    if (OVER.has(list.state)) {
      await this.wipe();
      this.state.ended = 'over';
      this.state.listedAt = fetched.at;
      return;
    }
    if (this.state.ended === 'over') this.state.ended = undefined;
    // What the list knows need not be remembered; what happened meanwhile, or is not confirmed, must be.
    const waiting = new Set((await this.safe.all<Queued>('queue')).map((it) => it.nonce));
    const since = fetched.begun - fetched.skew - PATIENCE;
    const old = [...this.passed.values()].filter((it) => it.at < since && !waiting.has(it.nonce)).map((it) => it.person);
    await this.safe.change({ put: { kept: [['list', fetched]] }, remove: { passed: old } });
    for (const person of old) this.passed.delete(person);
    this.use(list, fetched);
  }

  private async takeUpList(device: Device): Promise<void> {
    const kept = await this.safe.get<KeptList>('kept', 'list');
    if (!kept) return;
    if (this.now() - kept.at > STALE) await this.wipe();
    else this.use(await opened(kept, device), kept);
  }

  private use(list: PassList, kept: KeptList): void {
    this.decider = new Decider(list, this.options.origin, this.passed);
    this.state.list = list;
    this.state.listedAt = kept.at;
    this.state.skew = kept.skew;
  }

  /** Forget the list and who passed: the meeting is over, or the token is. */
  private async wipe(): Promise<void> {
    await this.safe.change({ remove: { kept: ['list'] }, clear: ['passed'] });
    this.passed.clear();
    this.decider = undefined;
    this.state.list = undefined;
    this.state.listedAt = 0;
  }

  private async failed(error: unknown): Promise<void> {
    if (!(error instanceof ApiError)) {
      this.state.problem = error instanceof Error ? error.message : String(error);
      return;
    }
    if (error.status === 401) {
      await this.wipe();
      await this.safe.change({ remove: { kept: ['device'] } });
      this.state.ended = 'revoked';
      return;
    }
    if (error.unreachable || error.status >= 500 || error.status === 429) {
      this.waitUntil = this.now() + 1000 * (error.retryAfter ?? 0);
      this.state.link = 'down';
      return;
    }
    this.state.problem = error.message;
  }

  private async count(): Promise<void> {
    const rows = await this.safe.all<Queued>('queue');
    const mine = rows.filter((it) => it.meeting_id === this.state.device?.meetingId).length;
    this.state.queued = mine;
    this.state.foreign = rows.length - mine;
  }
}
