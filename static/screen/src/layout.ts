/** What stands where on the wall in each scene: one thing large, others beside it. */

export type Panel = 'code' | 'quorum' | 'item' | 'countdown' | 'speaker';

export interface Layout {
  readonly main: Panel;
  readonly beside: readonly Panel[];
}

const ARRIVAL: Layout = { main: 'code', beside: ['quorum', 'item'] };
const ITEM: Layout = { main: 'item', beside: ['quorum', 'countdown'] };

const LAYOUTS: Readonly<Record<string, Layout>> = {
  idle: ARRIVAL,
  welcome: ARRIVAL,
  hall_code: ARRIVAL,
  quorum: { main: 'quorum', beside: ['item'] },
  agenda: ITEM,
  poll: ITEM,
  countdown: { main: 'countdown', beside: ['item', 'quorum'] },
  speaker: { main: 'speaker', beside: ['item', 'quorum'] },
};

export function layout(scene: string | undefined): Layout {
  return LAYOUTS[scene ?? 'idle'] ?? ARRIVAL;
}

/** `m:ss`, or `h:mm:ss`; never below nothing. */
export function clockFace(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (it: number): string => String(it).padStart(2, '0');
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The time of the day in Shanghai, wherever the wall's computer thinks it is. */
export function timeOfDay(ms: number, seconds = true): string {
  const text = new Date(ms).toLocaleTimeString('zh-CN', { hour12: false, timeZone: 'Asia/Shanghai' });
  return seconds ? text : text.slice(0, -3);
}
