/** What the wall shows, kept in step with the hall: a screen by its token, or the staff by their login. */

import { ApiError, HubClock, Realtime, Rest } from '@daibiao/shared';
import type { Answer, Link, Ticket } from '@daibiao/shared';
import { shallowReactive } from 'vue';

import { HallCode } from './hallcode.js';

export type StateView = Answer<'GET', '/api/v1/meetings/{meeting_id}/state'>;
/** What a screen is told: the view of the staff without its position. */
export type HallView = Omit<StateView, 'position' | 'channel'>;

/** The part of the state that each event carries whole. */
const PARTS: Readonly<Record<string, keyof HallView>> = {
  'agenda.pointer': 'pointer',
  countdown: 'countdown',
  'screen.scene': 'scene',
  quorum: 'quorum',
  'quorum.count': 'quorum',
  'speech.queue': 'speakers',
  'speech.now': 'speaking',
};

export interface Told {
  readonly type: string;
  readonly v: number;
}

/** The state after an event; of each part the newest version holds, so order and repetition do not matter. */
export function after(state: HallView, event: Told): HallView {
  const part = PARTS[event.type];
  const now = part && (state[part] as { v: number } | null);
  return part && now && event.v > now.v ? { ...state, [part]: { ...event } } : state;
}

export interface Shown {
  state: HallView | undefined;
  link: Link;
  /** When something was heard last, by this device's clock. */
  heardAt: number;
}

export class Wall {
  readonly shown: Shown = shallowReactive<Shown>({ state: undefined, link: { state: 'waiting' }, heardAt: 0 });
  readonly clock: HubClock;
  readonly code: HallCode;
  private readonly hub: Realtime;
  private readonly rest: Rest;

  /** `gone`: the hub will not have this screen back. */
  constructor(private readonly meetingId: string, token: string | undefined, gate = '', gone?: () => void) {
    this.rest = new Rest({ patience: 5000, ...(token !== undefined && { bearer: token }) });
    this.hub = new Realtime(token === undefined ? {} : { device: token });
    // A screen may ask for nothing but the code; the hub's time comes with it.
    this.clock = new HubClock(() => this.code.ask());
    this.code = new HallCode(this.clock, () => this.rest.get('/api/v1/meetings/{meeting_id}/hall-code', {
      path: { meeting_id: meetingId }, query: { gate, draw: 'link' },
    }));
    this.hub.onLink((link) => {
      this.shown.link = link;
      if (link.state === 'ended' && link.reason !== 'closed') gone?.();
    });
    this.follow(token === undefined);
  }

  start(): void {
    this.hub.connect();
    this.code.start();
  }

  stop(): void {
    this.code.stop();
    this.hub.close();
  }

  private follow(staff: boolean): void {
    const reader = {
      snapshot: async (first: unknown): Promise<HallView> => {
        if (!staff) return first as HallView;
        return this.rest.get('/api/v1/meetings/{meeting_id}/state', {
          path: { meeting_id: this.meetingId }, query: { channel: 'mtgstaff' },
        });
      },
      show: (state: HallView): void => this.set(state),
      apply: (event: Told): void => {
        if (this.shown.state) this.set(after(this.shown.state, event));
      },
      ended: (code: number): void => void (this.shown.link = { state: 'ended', code, reason: 'refused' }),
    };
    if (staff) this.hub.open(`mtgstaff:${this.meetingId}`, reader);
    else this.hub.open(`mtgscreen:${this.meetingId}`, reader);
  }

  private set(state: HallView): void {
    this.shown.state = state;
    this.shown.heardAt = Date.now();
  }
}

/** Look whether a token is good before the wall is given over to it.
 *
 * @throws ApiError where the hub does not take it.
 */
export async function probe({ token, meetingId }: Ticket): Promise<void> {
  await new Rest({ bearer: token }).get('/api/v1/meetings/{meeting_id}/hall-code', { path: { meeting_id: meetingId } });
}

export function refusal(error: unknown): string {
  if (!(error instanceof ApiError)) return '无法启用';
  if (error.status === 401) return '令牌无效或已收回';
  return error.status === 403 ? '令牌不是本次会议的屏幕' : error.message;
}
