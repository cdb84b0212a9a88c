/** What came of a scan, and what to do next, for the person who scanned. */

import type { Answer } from '@daibiao/shared';

import { time } from '../../app/words.js';

export type Scan = Extract<Answer<'POST', '/api/v1/scans'>, { readonly nonce: string }>;

export interface Told {
  readonly kind: 'good' | 'bad' | 'note';
  readonly title: string;
  readonly more: string;
}

/** What helps after each refusal; the hub has said what it is. */
const NEXT: Readonly<Record<string, string>> = {
  unknown: '请扫描会场屏幕上的签到码。',
  bad_signature: '请重新扫描会场屏幕上的签到码；如果仍然无效，请找入口的工作人员。',
  expired_window: '签到码每十秒更换一次，请对准屏幕重新扫一次。',
  wrong_meeting: '请确认您要参加的会议和会场。',
  wrong_gate: '请到指定的入口签到，或找工作人员。',
  not_invited: '如果您应当参加本次会议，请找入口的工作人员核对。',
  not_yet: '还没有到签到时间，请稍后再来。',
  too_late: '请找入口的工作人员登记。',
  revoked: '请找入口的工作人员。',
  blocked: '请找入口的工作人员。',
  on_leave: '请先销假，或找入口的工作人员。',
  suspended: '请联系代表工委或会务组。',
  claim_used: '请对准屏幕重新扫一次。',
  offline_unverified: '请留意后续核实结果。',
};

/** Put the outcome of a scan into words. */
export function outcome(scan: Scan): Told {
  if (scan.accepted) {
    const more = [scan.at && `时间：${time(scan.at)}`, scan.note].filter(Boolean).join('。');
    return { kind: scan.result === 'ok' ? 'good' : 'note', title: scan.msg, more };
  }
  if (scan.result === 'already_in' || scan.result === 'already_out') {
    const where = scan.first_gate ? `，${scan.first_gate}` : '';
    return {
      kind: 'good',
      title: scan.msg,
      more: scan.first_at ? `您已于 ${time(scan.first_at)}${where} 签到，不用再扫。` : '不用再扫。',
    };
  }
  return { kind: 'bad', title: scan.msg, more: scan.note || NEXT[scan.result] || '请找入口的工作人员。' };
}
