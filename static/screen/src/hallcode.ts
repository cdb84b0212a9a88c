/** The code on the wall: fetched when its time comes, and swapped once its picture is ready. */

import { ApiError, svgPicture } from '@daibiao/shared';
import type { Answer, HubClock } from '@daibiao/shared';
import { shallowReactive } from 'vue';

export type CodeView = Answer<'GET', '/api/v1/meetings/{meeting_id}/hall-code'>;

export interface ShownCode {
  /** An address of a picture, or nothing where no code is good any more. */
  picture: string;
  window: number;
  /** By the hub's clock, in milliseconds. */
  nextAt: number;
  /** Why there is none. */
  trouble: string;
}

/** Decodes a picture, so that showing it takes no time. */
export type Decode = (picture: string) => Promise<void>;

const RETRY = 1500;
/** The hub's window begins on its clock; a moment later we do not get the one before. */
const LATE = 30;

export class HallCode {
  readonly shown: ShownCode = shallowReactive<ShownCode>({ picture: '', window: 10, nextAt: 0, trouble: '' });
  private timer: ReturnType<typeof setTimeout> | undefined;
  private newest: CodeView | undefined;
  private until = 0;
  private running = false;

  constructor(
    private readonly clock: HubClock,
    private readonly fetch: () => Promise<CodeView>,
    private readonly decode: Decode = decoded,
  ) {}

  start(): void {
    this.running = true;
    void this.turn();
  }

  stop(): void {
    this.running = false;
    clearTimeout(this.timer);
  }

  /** What the clock asks: the code says what time it is. */
  async ask(): Promise<{ readonly now: string }> {
    this.newest = await this.fetch();
    return this.newest;
  }

  private async turn(): Promise<void> {
    let wait = RETRY;
    try {
      await this.clock.sync();
      if (this.newest) await this.show(this.newest);
      wait = Math.max(LATE, this.shown.nextAt - this.clock.now() + LATE);
    } catch (error) {
      this.missed(error);
    }
    if (this.running) this.timer = setTimeout(() => void this.turn(), wait);
  }

  private async show(view: CodeView): Promise<void> {
    const picture = svgPicture(view.svg);
    await this.decode(picture);
    this.until = Date.parse(view.expires_at);
    Object.assign(this.shown, { picture, window: view.window_s, nextAt: Date.parse(view.next_at), trouble: '' });
  }

  /** The code that is shown stays good for its windows, and goes then: a dead one would only annoy people. */
  private missed(error: unknown): void {
    const gone = error instanceof ApiError && (error.status === 401 || error.status === 403);
    if (!gone && this.clock.now() < this.until) return;
    this.shown.picture = '';
    this.shown.trouble = gone ? '本屏幕已无权显示签到码' : '签到码暂不可用，请出示证件签到';
  }
}

async function decoded(picture: string): Promise<void> {
  const image = new Image();
  image.src = picture;
  await image.decode();
}
