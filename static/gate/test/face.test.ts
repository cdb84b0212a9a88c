/** A turn before the camera: what is refused leads to other doors, a number is one scan, and no picture stays. */

import { inspect } from 'node:util';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { FaceDoor, offersFaces } from '../src/face.js';
import { Gate } from '../src/gate.js';
import type { Verdict } from '../src/state.js';
import { cases } from './cases.js';
import { MemorySafe } from './memory.js';

const MEETING = cases.list.meeting_id;
const CODE = cases.sequence[0]?.code ?? '';
const CONFIRM = '/api/v1/gates/g1/face/confirmation';

interface Sent {
  readonly path: string;
  readonly body: { readonly nonce: string; readonly code?: string; readonly frames?: readonly string[]; readonly person_id?: string };
}

const SCAN = {
  nonce: '', result: 'ok', accepted: true, msg: '签到成功', person_id: 'p1', name: '闻予澄', gate: 'g1', dir: 'in', way: 'face',
  at: '2026-03-01T00:50:00Z', skew_ms: 0, note: '', first_at: null, first_gate: '', conflict: false, again: false,
};
const PEOPLE = { scan: null, people: [{ person_id: 'p1', name: '闻予澄' }, { person_id: 'p2', name: '蔺书航' }], proposal: 'secret', until: '2026-03-01T00:51:00Z' };

function reply(status: number, body: object, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json', ...headers } });
}

const refusal = (status: number, code: string, msg: string, more: object = {}, headers: Record<string, string> = {}): (() => Response) =>
  () => reply(status, { code, msg, ...more }, headers);

describe('a face at the gate', () => {
  let here: { available: boolean; reason: string; identify: boolean };
  let answers: (() => Response)[];
  let sent: Sent[];
  let cut: boolean;
  let safe: MemorySafe;
  let gate: Gate;
  let door: FaceDoor;
  let shown: Verdict[];
  let pictures: number;
  let blind: () => void;

  const fetching = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const path = String(input);
    if (cut) return Promise.reject(new TypeError('Failed to fetch'));
    if (path.endsWith('/pass-list')) return Promise.resolve(reply(200, { ...cases.list }));
    if (path.endsWith('/pass-keys')) {
      const keys = cases.keys.map((it) => ({ ...it, public: Buffer.from(it.public, 'hex').toString('base64url'), since: '', until: null }));
      return Promise.resolve(reply(200, { keys }));
    }
    if (path.includes('/face?')) return Promise.resolve(reply(200, here));
    const body = JSON.parse(String(init?.body)) as Sent['body'] & { readonly scans?: readonly { nonce: string }[] };
    if (body.scans) return Promise.resolve(reply(200, { results: body.scans.map(({ nonce }) => ({ ...SCAN, nonce })), faults: [] }));
    sent.push({ path, body });
    const answer = answers.shift();
    if (!answer) throw new Error(`nobody answers ${path}`);
    try {
      return Promise.resolve(answer());
    } catch (error) {
      return Promise.reject(error as Error);
    }
  };

  const scanned = (more: object = {}): Response => reply(200, { scan: { ...SCAN, ...more }, people: [], proposal: null, until: null });
  const lost = (): Response => {
    throw new TypeError('Failed to fetch');
  };

  /** Let the turn run until it waits for somebody. */
  async function run(turn: Promise<void>): Promise<void> {
    await vi.advanceTimersByTimeAsync(10_000);
    await turn;
  }

  const refused = (): unknown => (door.view.phase.at === 'refused' ? door.view.phase.refusal : door.view.phase.at);

  beforeEach(async () => {
    vi.useFakeTimers({ now: Date.parse('2026-03-01T00:50:00Z') });
    [here, answers, sent, cut, shown, pictures] = [{ available: true, reason: '', identify: true }, [], [], false, [], 0];
    safe = new MemorySafe();
    gate = new Gate(safe, { origin: cases.origin, fetch: fetching });
    await gate.start();
    await gate.setUp(cases.token, MEETING);
    door = new FaceDoor(gate, { show: (it) => shown.push(it) });
    blind = door.look(() => `data:image/jpeg;base64,PICTURE${++pictures}`);
  });

  afterEach(() => {
    gate.stop();
    vi.useRealTimers();
  });

  it('is offered only where the hub says so, and only with a network', async () => {
    expect(offersFaces(gate.state)).toBe(true);
    gate.state.link = 'down';
    expect(offersFaces(gate.state)).toBe(false);
    here = { available: false, reason: 'assessment_required', identify: false };
    await gate.setUp(cases.token, MEETING);
    expect(gate.state.link).toBe('up');
    expect(offersFaces(gate.state)).toBe(false);
  });

  it('is compared with the code: a countdown, three pictures one after the other, one verdict', async () => {
    answers = [scanned];
    const turn = door.show(CODE);
    expect(door.view.phase).toEqual({ at: 'looking', left: 2 });
    await vi.advanceTimersByTimeAsync(800);
    expect(door.view.phase).toEqual({ at: 'looking', left: 1 });
    expect(pictures).toBe(0);
    await run(turn);
    expect(sent).toMatchObject([{
      path: '/api/v1/gates/g1/face',
      body: { meeting_id: MEETING, code: CODE, dir: 'in', frames: [1, 2, 3].map((it) => `data:image/jpeg;base64,PICTURE${it}`) },
    }]);
    expect(shown).toMatchObject([{ result: 'ok', name: '闻予澄', offline: false }]);
    expect(door.view.phase.at).toBe('waiting');
  });

  it('takes up a code that is held up once, and none while somebody has the turn', async () => {
    answers = [scanned];
    const turn = door.show(CODE);
    await vi.advanceTimersByTimeAsync(500);
    await door.show('another');
    for (let i = 0; i < 5; i++) {
      await vi.advanceTimersByTimeAsync(1000);
      await door.show(CODE);
    }
    await turn;
    expect(sent).toHaveLength(1);
  });

  it.each([
    [403, 'consent_required', '使用人脸识别须先单独同意', {}, false],
    [403, 'feature_off', '此功能未启用', {}, false],
    [403, 'assessment_required', '须先评估', {}, false],
    [409, 'not_enrolled', '尚未登记人脸', {}, false],
    [409, 'template_outdated', '识别引擎已更换', {}, false],
    [409, 'template_held', '人脸登记待核对', {}, false],
    [422, 'no_face', '未找到人脸', { field: 'frames.2' }, true],
    [415, 'corrupt', '照片文件不完整', { field: 'frames.0' }, true],
    [503, 'not_configured', '没有引擎', {}, false],
    [503, 'upstream_down', '人脸识别繁忙', {}, true],
    [429, 'rate_limited', '操作过于频繁', {}, true],
  ])('that is refused (%i %s) says so in the hub\'s words, and leads to the code under the same number', async (status, code, msg, more, again) => {
    answers = [refusal(status, code, msg, more, status === 503 ? { 'Retry-After': '2' } : {}), () => reply(200, SCAN)];
    await run(door.show(CODE));
    expect(refused()).toEqual({ code, msg, again, wait: status === 503 ? 2 : 0 });
    // A busy engine is not a network that is gone.
    expect(gate.state.link).toBe('up');
    expect(gate.state.ended).toBeUndefined();
    const left = door.drop();
    expect(left).toEqual({ code: CODE, nonce: sent[0]?.body.nonce });
    expect(door.view.phase.at).toBe('waiting');
    expect(await gate.scan(left?.code ?? '', left?.nonce)).toMatchObject({ result: 'ok' });
    expect(sent[1]).toMatchObject({ path: '/api/v1/scans', body: { code: CODE, nonce: sent[0]?.body.nonce } });
    expect(offersFaces(gate.state)).toBe(!['feature_off', 'assessment_required', 'not_configured'].includes(code));
  });

  it('leads to the code although the camera still sees it', async () => {
    answers = [() => reply(200, SCAN), refusal(409, 'not_enrolled', '尚未登记人脸'), () => reply(200, SCAN)];
    await gate.scan(CODE);
    const turn = door.show(CODE);
    await vi.advanceTimersByTimeAsync(2200);
    await turn;
    const left = door.drop();
    expect(await gate.scan(CODE)).toBeUndefined();
    expect(await gate.scan(left?.code ?? '', left?.nonce)).toMatchObject({ result: 'ok' });
    expect(sent[2]?.body.nonce).toBe(sent[1]?.body.nonce);
  });

  it('whose answer was lost is asked again with its number, and with new pictures', async () => {
    answers = [lost, () => scanned({ again: true })];
    await run(door.show(CODE));
    expect(refused()).toMatchObject({ code: 'unreachable', again: true });
    await run(door.again());
    const [first, second] = sent;
    expect(second?.body.nonce).toBe(first?.body.nonce);
    expect(second?.body.code).toBe(CODE);
    expect(new Set([...(first?.body.frames ?? []), ...(second?.body.frames ?? [])]).size).toBe(6);
    expect(shown).toHaveLength(1);
  });

  it('without a network goes on by the list, and no picture is kept or queued', async () => {
    answers = [() => {
      cut = true;
      return lost();
    }];
    await run(door.show(CODE));
    expect(refused()).toMatchObject({ code: 'unreachable', again: true });
    expect(gate.state.link).toBe('down');
    const left = door.drop();
    expect(await gate.scan(left?.code ?? '', left?.nonce)).toMatchObject({ offline: true });
    const [queued] = await safe.all<{ nonce: string }>('queue');
    expect(queued?.nonce).toBe(sent[0]?.body.nonce);
    expect(sent[0]?.body.frames).toHaveLength(3);
    const kept = inspect([safe.tables, door], { depth: 20, maxStringLength: null, maxArrayLength: null });
    expect(kept).toContain(queued?.nonce);
    expect(kept).not.toContain('PICTURE');
  });

  it('proposes names, and lets nobody in before somebody has said which', async () => {
    answers = [() => reply(200, PEOPLE), lost, () => reply(200, { ...SCAN, again: true })];
    await run(door.propose());
    expect(door.view.phase).toEqual({ at: 'choosing', people: PEOPLE.people });
    expect(shown).toEqual([]);
    await door.confirm('p1', 'person');
    expect(refused()).toMatchObject({ code: 'unreachable', again: true });
    // What may have been done is asked again as it was; no other picture is taken for it.
    await door.again();
    expect(sent.slice(1)).toMatchObject([1, 2].map(() => ({
      path: CONFIRM, body: { nonce: sent[0]?.body.nonce, proposal: 'secret', person_id: 'p1', confirmed_by: 'person' },
    })));
    expect(shown).toMatchObject([{ result: 'ok' }]);
    expect(pictures).toBe(3);
  });

  it('that is near nobody, or whose proposal is over, is asked again or leads elsewhere; the token stands', async () => {
    const nobody = (): Response => reply(200, { scan: null, people: [], proposal: null, until: null });
    answers = [nobody, () => reply(200, PEOPLE), refusal(401, 'proposal_dead', '提名已失效，请重新识别'), () => reply(200, PEOPLE)];
    await run(door.propose());
    expect(refused()).toMatchObject({ code: 'nobody', again: true });
    await run(door.again());
    await door.confirm('p1', 'staff');
    expect(refused()).toMatchObject({ code: 'proposal_dead', msg: '提名已失效，请重新识别', again: true });
    expect(gate.state.ended).toBeUndefined();
    await run(door.again());
    expect(door.view.phase.at).toBe('choosing');
    expect(door.drop()).toBeUndefined();
  });

  it('shows no names for longer than they are good for', async () => {
    answers = [() => reply(200, PEOPLE)];
    await run(door.propose());
    await vi.advanceTimersByTimeAsync(49_000);
    expect(door.view.phase.at).toBe('choosing');
    await vi.advanceTimersByTimeAsync(11_000);
    expect(door.view.phase.at).toBe('waiting');
  });

  it('is not proposed where the rules have changed meanwhile', async () => {
    answers = [refusal(403, 'identify_off', '本会议未启用人脸提名')];
    await run(door.propose());
    expect(refused()).toMatchObject({ code: 'identify_off', again: false });
    door.drop();
    await run(door.propose());
    expect(sent).toHaveLength(1);
    expect(offersFaces(gate.state)).toBe(true);
  });

  it('that the camera stops looking at is not sent; what was sent is still answered', async () => {
    const turn = door.show(CODE);
    await vi.advanceTimersByTimeAsync(500);
    blind();
    await run(turn);
    expect([sent, pictures, door.view.phase.at]).toEqual([[], 0, 'waiting']);
    let away = (): void => undefined;
    away = door.look(() => 'PICTURE');
    answers = [() => (away(), scanned())];
    await run(door.show('next'));
    expect(shown).toHaveLength(1);
  });

  it('of which the camera shows nothing says so after a while', async () => {
    blind();
    door.look(() => undefined);
    await run(door.show(CODE));
    expect(refused()).toMatchObject({ code: 'no_camera', again: true });
    expect(sent).toEqual([]);
  });

  it('at a device whose token was taken back ends it, and the list with it', async () => {
    answers = [refusal(401, 'unauthenticated', '设备令牌已失效')];
    await run(door.show(CODE));
    expect(gate.state.ended).toBe('revoked');
    expect(safe.tables.kept.size).toBe(0);
  });
});
