/** The gate at a hub that comes and goes: nothing is lost, nothing is said twice, nothing stays that should not. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Gate } from '../src/gate.js';
import { cases } from './cases.js';
import { MemorySafe } from './memory.js';

const BEGIN = Date.parse('2026-03-01T00:50:00Z');
const MEETING = cases.list.meeting_id;
const [one, two] = cases.sequence.map((it) => it.code);

interface Row { readonly nonce: string; readonly code: string; readonly said: string; readonly at: string; readonly offline: boolean }

/** What a gate sees of the hub. */
class Hub {
  state: 'up' | 'cut' | 'deaf' | 'revoked' = 'up';
  readonly batches: Row[][] = [];
  readonly singles: { nonce: string }[] = [];
  verdict: (row: Row) => object = () => ({});

  readonly fetch = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const path = String(input);
    if (this.state === 'cut') return Promise.reject(new TypeError('Failed to fetch'));
    if (this.state === 'revoked') return Promise.resolve(said(401, { code: 'unauthenticated', msg: '设备令牌已失效' }));
    const answer = this.answer(path, JSON.parse(String(init?.body ?? 'null')));
    return this.state === 'deaf' ? Promise.reject(new TypeError('Failed to fetch')) : Promise.resolve(said(200, answer));
  };

  private answer(path: string, body: Record<string, unknown> | null): object {
    if (path.endsWith('/pass-list')) return { ...cases.list };
    if (path.includes('/face')) return { available: false, reason: 'feature_off', identify: false };
    if (path.endsWith('/pass-keys')) {
      const spelt = (hex: string): string => Buffer.from(hex, 'hex').toString('base64url');
      return { keys: cases.keys.map((it) => ({ ...it, public: spelt(it.public), since: '', until: null })) };
    }
    if (body && Array.isArray(body.scans)) {
      const rows = body.scans as Row[];
      this.batches.push(rows);
      return { results: rows.map((row) => this.result(row)), faults: [] };
    }
    this.singles.push(body as unknown as Row);
    return this.result(body as unknown as Row);
  }

  private result(row: Row): object {
    return {
      nonce: row.nonce, result: 'ok', accepted: true, msg: '签到成功', person_id: null, name: '', gate: 'g1', dir: 'in',
      at: row.at ?? '2026-03-01T00:50:00Z', skew_ms: 0, note: '', first_at: null, first_gate: '', conflict: false,
      ...this.verdict(row),
    };
  }
}

function said(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } });
}

describe('a gate', () => {
  let hub: Hub;
  let safe: MemorySafe;
  let gate: Gate;
  let now: number;
  const tick = (by: number): void => void (now += by);

  beforeEach(async () => {
    vi.useFakeTimers();
    now = BEGIN;
    hub = new Hub();
    safe = new MemorySafe();
    gate = await opened();
    await gate.setUp(cases.token, MEETING);
  });

  afterEach(() => {
    gate.stop();
    vi.useRealTimers();
  });

  async function opened(): Promise<Gate> {
    const fresh = new Gate(safe, { origin: cases.origin, fetch: hub.fetch, now: () => now });
    await fresh.start();
    return fresh;
  }

  async function scan(code = '', by = 5000): Promise<string> {
    tick(by);
    return (await gate.scan(code))?.result ?? 'nothing';
  }

  it('takes its only gate, knows its list, and how wrong its clock is', () => {
    expect(gate.state.device).toMatchObject({ gate: 'g1', dir: 'in', meetingId: MEETING });
    expect(gate.state.list?.people).toHaveLength(12);
    expect(gate.state.skew).toBe(BEGIN - Date.parse(cases.list.made_at));
  });

  it('asks the hub while it is there, and reads what is held up once', async () => {
    expect(await scan(one)).toBe('ok');
    expect(await scan(one, 2000)).toBe('nothing');
    expect(await scan(one, 2000)).toBe('nothing');
    expect(await scan(two, 100)).toBe('ok');
    expect(hub.singles).toHaveLength(2);
    expect(await scan(one, 3000)).toBe('ok');
    expect(hub.singles).toHaveLength(3);
    expect(gate.state.queued).toBe(0);
  });

  it('decides by itself without a network, keeps every scan across a reload, and hands all of it in', async () => {
    hub.state = 'cut';
    expect(await scan(one)).toBe('ok');
    expect(gate.state.link).toBe('down');
    expect(await scan(one)).toBe('already_in');
    expect(await scan(two)).toBe('needs_attention');
    gate.stop();
    gate = await opened();
    expect(gate.state.queued).toBe(3);
    expect(await scan(two)).toBe('already_in');
    hub.state = 'up';
    await gate.tick();
    expect(gate.state.queued).toBe(0);
    expect(hub.batches.map((it) => it.map((row) => [row.said, row.offline]))).toEqual([[
      ['ok', true], ['already_in', true], ['needs_attention', true], ['already_in', true],
    ]]);
    const [first] = hub.batches[0] ?? [];
    expect(first?.at).toBe(new Date(BEGIN + 5000).toISOString());
  });

  it('hands in by five hundred, with the same numbers until they are confirmed', async () => {
    hub.state = 'cut';
    for (let i = 0; i < 501; i++) await scan(`x${i}`);
    hub.state = 'deaf';
    await gate.tick();
    await gate.tick();
    expect(gate.state.queued).toBe(501);
    hub.state = 'up';
    await gate.tick();
    const numbers = hub.batches.map((it) => it.map((row) => row.nonce));
    expect(numbers.map((it) => it.length)).toEqual([500, 1]);
    expect(new Set(numbers.flat()).size).toBe(501);
    expect(gate.state.queued).toBe(0);
  });

  it('asks again with the number of a scan whose answer was lost', async () => {
    hub.state = 'deaf';
    expect(await scan(one)).toBe('ok');
    hub.state = 'up';
    await gate.tick();
    expect(hub.batches[0]?.map((it) => it.nonce)).toEqual(hub.singles.map((it) => it.nonce));
  });

  it('lists what the hub judged otherwise until somebody was told, and lets that person pass again', async () => {
    hub.state = 'cut';
    await scan(one);
    hub.state = 'up';
    const person = cases.sequence[0]?.person_id;
    hub.verdict = (row) => (row.offline
      ? { conflict: true, accepted: false, result: 'revoked', msg: '证件已作废', name: '代表1', person_id: person }
      : {});
    await gate.tick();
    expect(gate.state.conflicts).toMatchObject([{ name: '代表1', said: 'ok', result: 'revoked' }]);
    gate.stop();
    gate = await opened();
    expect(gate.state.conflicts).toHaveLength(1);
    await gate.told(gate.state.conflicts.map((it) => it.nonce));
    expect(safe.tables.conflicts.size).toBe(0);
    hub.state = 'cut';
    expect(await scan(one)).toBe('ok');
  });

  it('whose token was taken back forgets list, token and people, and keeps the queue for the next token', async () => {
    hub.state = 'cut';
    await scan(one);
    hub.state = 'revoked';
    await gate.tick();
    expect(gate.state.ended).toBe('revoked');
    expect([safe.tables.kept.size, safe.tables.passed.size, safe.tables.queue.size]).toEqual([0, 0, 1]);
    expect(await scan(two)).toBe('nothing');
    hub.state = 'up';
    await gate.setUp(cases.token, MEETING);
    await gate.tick();
    expect(hub.batches.flat()).toHaveLength(1);
    expect(safe.tables.queue.size).toBe(0);
  });

  it('without a list lets nobody be refused by guess, and says that it does not know', async () => {
    hub.state = 'cut';
    tick(25 * 3600_000);
    const verdict = await gate.scan(one ?? '');
    expect(verdict).toMatchObject({ result: 'offline_unverified', offline: true });
    gate.stop();
    gate = await opened();
    expect(gate.state.list).toBeUndefined();
    expect(gate.state.queued).toBe(1);
  });
});
