/** The gate decides as the hub does: cases that the hub has answered, replayed. */

import { describe, expect, it } from 'vitest';

import { base64, hex, nonce, ulid } from '../src/bytes.js';
import { bare, read } from '../src/code.js';
import { Decider } from '../src/deciding.js';
import type { Asked, Decision, Passed } from '../src/deciding.js';
import { ACCEPTED, judge, presence } from '../src/judging.js';
import { keysOf, openList } from '../src/list.js';
import { scripted, verify } from '../src/signing.js';
import { SAYS } from '../src/words.js';
import { cases, KEYS, opened } from './cases.js';

/** A gate that remembers who has passed. */
function remembering(decider: Decider, passed: Map<string, Passed>): (asked: Asked) => Promise<Decision> {
  return async (asked) => {
    const made = await decider.decide(asked);
    if (made.person && ACCEPTED.has(made.result)) passed.set(made.person.id, asked);
    return made;
  };
}

describe('codes', () => {
  it('are taken for what the hub takes them for, down to every altered character', async () => {
    for (const { code, flaw, kind, claims } of cases.codes) {
      const found = await read(code, KEYS);
      if (flaw) {
        expect(found, code).toBe(flaw);
        continue;
      }
      const fields = Object.entries(claims ?? {}).map(([name, value]) =>
        [name, /^\d{4}-.*Z$/.test(value) ? Date.parse(value) : value]);
      expect(found, code).toEqual({ kind, fields: Object.fromEntries(fields) });
    }
  });

  it('are found in an address of ours, and in no other', () => {
    const origin = 'https://hub.example';
    expect(bare(' RD1.P.x.y \n', origin)).toBe('RD1.P.x.y');
    expect(bare(`${origin}/h5/#/scan?code=RD1.P.x.y`, origin)).toBe('RD1.P.x.y');
    expect(bare(`${origin}/x?code=RD1.P.x.y`, origin)).toBe('RD1.P.x.y');
    const foreign = `${origin}.evil/h5/#/scan?code=RD1.P.x.y`;
    expect(bare(foreign, origin)).toBe(foreign);
  });

  it('are verified alike by the browser and by script', async () => {
    const good = cases.codes.find((it) => it.kind === 'P')?.code ?? '';
    const [said, signature] = [good.slice(0, good.lastIndexOf('.')), good.slice(good.lastIndexOf('.') + 1)];
    const raw = base64(signature.replace(/-/g, '+').replace(/_/g, '/'));
    const key = hex(cases.keys[0]?.public ?? '');
    const message = new TextEncoder().encode(said);
    for (const by of [verify, scripted]) {
      expect(await by(raw, message, key)).toBe(true);
      raw[3] = (raw[3] ?? 0) ^ 1;
      expect(await by(raw, message, key)).toBe(false);
      raw[3] = (raw[3] ?? 0) ^ 1;
    }
    expect(await verify(raw.slice(1), message, key)).toBe(false);
  });
});

describe('the list', () => {
  it('that the hub has sealed is opened with the token of the device', async () => {
    const list = await opened();
    expect(list.title).toBe('第一次全体会议');
    expect(list.people).toHaveLength(12);
    expect(list.badges.filter((it) => !it.holds)).toHaveLength(1);
    expect(list.times).toEqual({ opens: 7200, late: 60, clock: 5 });
    expect([...keysOf(list).keys()]).toEqual([1, 2]);
  });

  it('is refused if it was altered, is for another device or meeting, or is not ours', async () => {
    const { list, token } = cases;
    const altered = { ...list, sealed: (list.sealed.startsWith('A') ? 'B' : 'A') + list.sealed.slice(1) };
    await expect(openList(altered, list.meeting_id, token, KEYS)).rejects.toThrow('not ours');
    await expect(openList(list, ulid(new Uint8Array(16)), token, KEYS)).rejects.toThrow('not ours');
    await expect(openList({ ...list, key_no: 1 }, list.meeting_id, token, KEYS)).rejects.toThrow('not ours');
    await expect(openList({ ...list, key_no: 9 }, list.meeting_id, token, KEYS)).rejects.toThrow('not ours');
    await expect(openList(list, list.meeting_id, `${token}x`, KEYS)).rejects.toThrow();
  });
});

describe('judging', () => {
  it('of everybody everywhere at any time comes to what the hub comes to', () => {
    expect(cases.judged.length).toBeGreaterThan(500);
    for (const it of cases.judged) {
      const [meeting, plan] = [cases.meetings[it.meeting], cases.plans[it.plan]];
      if (!meeting || !plan) throw new Error('no such meeting');
      const passing = { ...it.passing, at: Date.parse(it.passing.at) };
      const flaw = judge(meeting, plan, it.standing, passing, cases.times);
      expect(flaw ?? (it.standing.attention ? 'needs_attention' : 'ok'), JSON.stringify(it)).toBe(it.result);
      expect(presence(meeting, plan, passing, cases.times), JSON.stringify(it)).toBe(it.presence);
    }
  });

  it('of a morning at one gate comes to what the doors came to, scan by scan', async () => {
    const passed = new Map<string, Passed>();
    const decide = remembering(new Decider(await opened(), cases.origin, passed), passed);
    for (const it of cases.sequence) {
      const made = await decide({ ...it, at: Date.parse(it.at) });
      const name = made.person?.name ?? '';
      expect([made.result, name, made.note], `${it.at} ${it.code}`).toEqual([it.result, it.name, it.note]);
    }
  });

  it('of a badge that is newer than the list says so, beside the refusal', async () => {
    const list = await opened();
    const newest = cases.sequence[8];
    const old = { ...list, made_at: '2026-03-01T00:30:00Z', badges: [] };
    const at = Date.parse(newest?.at ?? '');
    const made = await new Decider(old, cases.origin, new Map())
      .decide({ code: newest?.code ?? '', gate: 'g1', dir: 'in', at });
    expect(made.result).toBe('revoked');
    expect(made.hint).toContain('服务台');
    const known = await new Decider(old, cases.origin, new Map())
      .decide({ code: cases.sequence[0]?.code ?? '', gate: 'g1', dir: 'in', at });
    expect([known.result, known.hint]).toEqual(['revoked', '']);
  });
});

it('what is told at the door is what the hub tells', () => {
  expect(SAYS).toEqual(cases.says);
});

it('numbers of scans are what the hub takes, and never the same', () => {
  const made = new Set(Array.from({ length: 1000 }, nonce));
  expect(made.size).toBe(1000);
  for (const one of made) expect(one).toMatch(/^[0-9A-Za-z_-]{22}$/);
});
