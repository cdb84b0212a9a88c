/** Keeps one's own code fresh: fetched again before it expires, shown on while the network is away. */

import { ApiError } from '@daibiao/shared';
import type { Answer } from '@daibiao/shared';

export type Pass = Answer<'GET', '/api/v1/me/pass'>;

export interface Kept {
  readonly pass: Pass | undefined;
  /** Seconds since the hub has made it, by our own clock: a phone's may be wrong. */
  readonly age: number;
  /** Seconds it is still good; not above zero once it is too old. */
  readonly left: number;
  /** Why there is no fresh one, in the hub's words or ours. */
  readonly problem: string;
  /** The hub has refused: asking again changes nothing. */
  readonly refused: boolean;
}

export interface KeeperOptions {
  fetch(): Promise<Pass>;
  /** Milliseconds that only go forward. */
  now(): number;
  changed(kept: Kept): void;
  words(error: unknown): string;
}

const TICK = 1000;
const RETRY = 2000;
/** The hub says when to fetch anew: two thirds of a code's life. */
const LIFE = 3 / 2;

export class Keeper {
  private pass: Pass | undefined;
  private taken = 0;
  private wanted = 0;
  private problem = '';
  private refused = false;
  private asking = false;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly options: KeeperOptions) {}

  start(): void {
    this.stop();
    this.timer = setInterval(() => this.tick(), TICK);
    this.tick();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Fetch now, whatever the time: the person asked, or the page was looked at again. */
  renew(): void {
    this.refused = false;
    this.wanted = 0;
    if (this.timer !== undefined) this.tick();
  }

  private tick(): void {
    if (!this.asking && !this.refused && this.options.now() >= this.wanted) void this.ask();
    this.tell();
  }

  private async ask(): Promise<void> {
    this.asking = true;
    // Its age counts from when it was asked for, so that a slow answer is never taken for a fresh one.
    const asked = this.options.now();
    try {
      this.pass = await this.options.fetch();
      this.taken = asked;
      this.wanted = asked + this.pass.refresh_s * 1000;
      this.problem = '';
    } catch (error) {
      this.problem = this.options.words(error);
      this.refused = error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;
      // What is refused is not shown on.
      if (this.refused) this.pass = undefined;
      this.wanted = this.options.now() + Math.max(RETRY, (error instanceof ApiError ? error.retryAfter ?? 0 : 0) * 1000);
    } finally {
      this.asking = false;
    }
    if (this.timer !== undefined) this.tell();
  }

  private tell(): void {
    const age = this.pass ? Math.max(0, Math.floor((this.options.now() - this.taken) / 1000)) : 0;
    const left = this.pass ? Math.floor(this.pass.refresh_s * LIFE) - age : 0;
    this.options.changed({ pass: this.pass, age, left, problem: this.problem, refused: this.refused });
  }
}
