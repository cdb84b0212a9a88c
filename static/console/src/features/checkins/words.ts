/** What results and doors are called at the desk. */

const RESULTS: ReadonlyMap<string, string> = new Map(Object.entries({
  ok: '通过', needs_attention: '通过，有提示', already_in: '重复进场', already_out: '不在场内', unknown: '不是本系统的码',
  bad_signature: '伪造或失效的码', expired_window: '码已过期', wrong_meeting: '其他会议的码', wrong_gate: '入口不符',
  not_invited: '不在名单', not_yet: '尚未开始', too_late: '已经结束', revoked: '证件作废', blocked: '限制入场',
  on_leave: '已请假', suspended: '账号暂停', claim_used: '码已使用', offline_unverified: '离线待核实',
  face_mismatch: '人脸与证件不符',
}));

const WAYS: ReadonlyMap<string, string> = new Map(Object.entries({
  hall: '会场码', person: '个人码', badge: '证件', manual: '人工', import: '导入', face: '刷脸', unread: '未识别',
}));

export const resultWord = (result: string): string => RESULTS.get(result) ?? result;
export const doorWord = (way: string): string => WAYS.get(way) ?? way;

export function resultTone(result: string): 'good' | 'again' | 'bad' {
  if (['ok', 'needs_attention', 'offline_unverified'].includes(result)) return 'good';
  return result.startsWith('already_') ? 'again' : 'bad';
}

export function time(at: string): string {
  return new Date(at).toLocaleTimeString('zh-CN', { hour12: false, timeZone: 'Asia/Shanghai' });
}
