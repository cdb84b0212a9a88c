/** What came of a scan, in words; the kinds are those of the hub's own document. */

import { describe, expect, it } from 'vitest';

import { outcome } from '../src/features/scans/outcome.js';
import type { Scan } from '../src/features/scans/outcome.js';

const SCAN: Scan = {
  nonce: 'n', result: 'ok', accepted: true, msg: '签到成功', meeting_id: 'm', person_id: 'p', name: '闻予澄', gate: '',
  way: 'hall', dir: 'in', at: '2026-02-01T01:05:00Z', at_device: null, skew_ms: null, offline: false, said: '', note: '',
  first_at: null, first_gate: '', conflict: false, again: false,
};

const REFUSED: readonly Scan['result'][] = [
  'unknown', 'bad_signature', 'expired_window', 'wrong_meeting', 'wrong_gate', 'not_invited', 'not_yet', 'too_late',
  'revoked', 'blocked', 'on_leave', 'suspended', 'claim_used',
];

describe('the outcome of a scan', () => {
  it('is good news with the time in Shanghai', () => {
    expect(outcome(SCAN)).toEqual({ kind: 'good', title: '签到成功', more: '时间：09:05' });
  });

  it('passes on what the person is to be told', () => {
    const told = outcome({ ...SCAN, result: 'needs_attention', note: '请到 2 号门领取材料' });
    expect(told).toMatchObject({ kind: 'note', more: '时间：09:05。请到 2 号门领取材料' });
  });

  it('is no alarm where somebody is in already: it says since when and where', () => {
    const told = outcome({ ...SCAN, accepted: false, result: 'already_in', msg: '已经签到', first_at: '2026-02-01T00:50:00Z', first_gate: '东门' });
    expect(told).toEqual({ kind: 'good', title: '已经签到', more: '您已于 08:50，东门 签到，不用再扫。' });
  });

  it.each(REFUSED)('says what to do after %s, in the hub’s words and ours', (result) => {
    const told = outcome({ ...SCAN, accepted: false, result, msg: '中文' });
    expect(told).toMatchObject({ kind: 'bad', title: '中文' });
    expect(told.more.length).toBeGreaterThan(5);
  });
});
