/** What is said at the door: a word, a sign, a colour, a sound for every result; never a colour alone. */

import { ACCEPTED, DUPLICATE } from './judging.js';
import type { Result } from './judging.js';

export type Tone = 'pass' | 'note' | 'again' | 'stop' | 'unsure';

/** As `SAYS` of the hub has it. */
export const SAYS: Readonly<Record<Result, string>> = {
  ok: '签到成功',
  needs_attention: '签到成功，请留意提示',
  already_in: '已经签到',
  already_out: '不在场内',
  unknown: '不是本系统的二维码',
  bad_signature: '二维码无效',
  expired_window: '二维码已过期，请重新出示',
  wrong_meeting: '不是本次会议的二维码',
  wrong_gate: '请从指定入口签到',
  not_invited: '不在本次会议参加人员名单中',
  not_yet: '签到尚未开始',
  too_late: '签到已经结束',
  revoked: '证件已作废',
  blocked: '已被会务人员限制入场',
  on_leave: '已请假，如到会请先销假',
  suspended: '账号已暂停',
  claim_used: '此次扫码已使用，请重新扫码',
  offline_unverified: '离线签到待核实',
  face_mismatch: '人脸与所示证件不符，请改用其他方式',
};

export function says(result: string): string {
  return new Map<string, string>(Object.entries(SAYS)).get(result) ?? result;
}

export function tone(result: Result): Tone {
  if (result === 'offline_unverified') return 'unsure';
  if (result === 'needs_attention') return 'note';
  if (ACCEPTED.has(result)) return 'pass';
  return DUPLICATE.has(result) ? 'again' : 'stop';
}

export interface Manner {
  readonly sign: string;
  readonly word: string;
  /** Hertz and milliseconds, one after the other. */
  readonly tune: readonly (readonly [number, number])[];
  readonly shake: readonly number[];
  /** Milliseconds it stays; the next scan replaces it. */
  readonly stays: number;
}

export const MANNERS: Readonly<Record<Tone, Manner>> = {
  pass: { sign: '✓', word: '通过', tune: [[880, 120]], shake: [80], stays: 2500 },
  note: { sign: '！', word: '通过，有提示', tune: [[880, 120], [660, 160]], shake: [80, 60, 80], stays: 6000 },
  again: { sign: '↻', word: '重复', tune: [[520, 140], [520, 140]], shake: [120, 80, 120], stays: 4000 },
  stop: { sign: '✕', word: '不能通过', tune: [[220, 500]], shake: [400], stays: 6000 },
  unsure: { sign: '？', word: '请人工核对', tune: [[440, 120], [330, 300]], shake: [80, 60, 300], stays: 6000 },
};

/** What is said where a face is recognised; what the hub refuses, it says in its own words. */
export const FACE = {
  wait: '请出示个人码或证件',
  look: '请看镜头',
  asking: '正在核对…',
  choose: '请选择姓名，再由本人或工作人员确认',
  nobody: '未找到相近的人，请出示个人码或证件',
  noCamera: '摄像头没有画面，请改用其他方式',
  others: '不刷脸同样签到：',
  offline: '刷脸需要网络，现用扫码',
  gone: '本会议现在不能刷脸，请扫码',
  byHand: '请工作人员核对证件，在签到台人工签到',
  about: '刷脸只在联网时可用。画面只发给系统核对，本机不保存。',
} as const;
