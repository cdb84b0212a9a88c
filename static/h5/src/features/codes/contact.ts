/** The public card of a deputy, from what the hub reads in a code. */

import type { Answer } from '@daibiao/shared';

export type Reading = Answer<'POST', '/api/v1/codes/read'>;

export interface Card {
  /** Whether it is a card; otherwise the name is the title of the refusal. */
  readonly ok: boolean;
  readonly name: string;
  readonly text: string;
  readonly facts: Reading['facts'];
}

/** Answer the card that a code opens, or why it opens none. */
export function card(read: Reading): Card {
  if (read.result !== 'ok') return { ok: false, name: read.title, text: read.text, facts: [] };
  if (read.kind !== 'C') {
    return { ok: false, name: '这不是代表联络码', text: '请用首页的“扫一扫”扫描，会打开它对应的内容。', facts: [] };
  }
  // The name stands above the card already.
  const facts = read.facts.filter((fact) => fact.label !== '姓名');
  return { ok: true, name: read.title, text: read.text, facts };
}
