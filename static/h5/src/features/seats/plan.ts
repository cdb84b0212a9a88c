/** The plan of a hall, drawn for one person: where they sit, and nothing of who sits elsewhere. */

import type { Answer } from '@daibiao/shared';

export type Seat = Answer<'GET', '/api/v1/meetings/{meeting_id}/seats'>['seats'][number];
type Spot = Pick<Seat, 'no' | 'row' | 'col' | 'block'>;

export interface Plan {
  /** In seats. */
  readonly wide: number;
  readonly high: number;
  /** All seats as one shape, which a phone draws at once. */
  readonly seats: string;
  /** Those in the block that is looked for. */
  readonly near: string;
  /** Blocks by name, each in the middle of its seats. */
  readonly blocks: readonly { readonly name: string; readonly x: number; readonly y: number }[];
  readonly own: Point | undefined;
  readonly asked: Point | undefined;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Say where a seat is, as people say it. */
export function place({ block, row, col }: Pick<Spot, 'block' | 'row' | 'col'>): string {
  return `${block ? `${block} 区 ` : ''}${row} 排 ${col} 座`;
}

/** Draw the hall, or, where every block counts its rows anew, the block of the seat that is looked for. */
export function plan(all: readonly Spot[], own: Spot | undefined, asked: Spot | undefined): Plan | undefined {
  const middle = own ?? asked;
  const anew = new Set(all.map(({ row, col }) => `${row}:${col}`)).size < all.length;
  const drawn = anew ? all.filter(({ block }) => block === (middle ?? all[0])?.block) : all;
  if (!drawn.length) return undefined;
  const [left, top] = [least(drawn, 'col'), least(drawn, 'row')];
  const at = ({ row, col }: Spot): Point => ({ x: col - left, y: row - top });
  const shown = (seat: Spot | undefined): Point | undefined => (seat && drawn.includes(seat) ? at(seat) : undefined);
  return {
    wide: most(drawn, 'col') - left + 1,
    high: most(drawn, 'row') - top + 1,
    seats: drawn.map(at).map(square).join(''),
    near: middle?.block ? drawn.filter(({ block }) => block === middle.block).map(at).map(square).join('') : '',
    blocks: [...new Set(drawn.map(({ block }) => block))].filter(Boolean).map((name) => {
      const some = drawn.filter(({ block }) => block === name);
      return {
        name,
        x: (least(some, 'col') + most(some, 'col') + 1) / 2 - left,
        y: (least(some, 'row') + most(some, 'row') + 1) / 2 - top,
      };
    }),
    own: shown(own),
    asked: shown(asked),
  };
}

const square = ({ x, y }: Point): string => `M${x + 0.14} ${y + 0.14}h.72v.72h-.72z`;
const least = (some: readonly Spot[], what: 'row' | 'col'): number => some.reduce((it, seat) => Math.min(it, seat[what]), Infinity);
const most = (some: readonly Spot[], what: 'row' | 'col'): number => some.reduce((it, seat) => Math.max(it, seat[what]), 0);

/** Say how to find a seat without looking at the plan: its row, and what is beside it. */
export function wayTo(seat: Spot, all: readonly Spot[]): readonly string[] {
  const near = all.filter(({ block }) => block === seat.block);
  const row = near.filter((it) => it.row === seat.row).sort((a, b) => a.col - b.col);
  const at = row.findIndex((it) => it.no === seat.no);
  const beside = [row[at - 1], row[at + 1]].flatMap((it) => (it ? [`${it.col} 座`] : []));
  const where = seat.block ? `${seat.block} 区` : '会场';
  return [
    `${where}是 ${least(near, 'row')} 至 ${most(near, 'row')} 排，您在 ${seat.row} 排。`,
    `${seat.row} 排${seat.block ? '在本区' : ''}是 ${least(row, 'col')} 至 ${most(row, 'col')} 座，您在 ${seat.col} 座${beside.length ? `，挨着 ${beside.join('和 ')}` : ''}。`,
  ];
}

/** Answer the map after a change: of each seat the newest version holds, and what is removed is gone. */
export function changed(all: readonly Seat[], news: readonly Seat[]): readonly Seat[] {
  const seats = new Map(all.map((seat) => [seat.no, seat]));
  for (const seat of news) {
    const known = seats.get(seat.no);
    if (!known || known.v < seat.v) seats.set(seat.no, seat);
  }
  return [...seats.values()].filter(({ state }) => state !== 'removed').sort((a, b) => a.row - b.row || a.col - b.col);
}
