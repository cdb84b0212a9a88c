/** One reader of a channel: a snapshot first, then every later event once. */

/** What every event carries. */
export interface Announced {
  readonly id: string;
  readonly type: string;
  readonly v: number;
  readonly at: string;
}

/** What a feature does with a channel. */
export interface Reader<S, E> {
  /** Fetch the state by REST; asked first, and again whenever events may have been missed.
   *
   * `first` is what came with the reply to the subscription, where the channel brings its state along.
   */
  snapshot(first: unknown): Promise<S>;
  /** Show a state; it replaces whatever was there. */
  show(state: S): void;
  /** Apply one event. It may repeat what the snapshot already holds: compare `v`. */
  apply(event: E): void;
  /** The hub ended it for good: the right is gone, or the channel is. */
  ended?(code: number, reason: string): void;
  /** `snapshot`, `show` or `apply` threw; we go on by fetching the snapshot again. */
  failed?(error: unknown): void;
}

const REMEMBERED = 1000;
const RETRY = 1000;
const RETRY_MOST = 20_000;

/** The newest ids that were dealt with, oldest out first. */
export class Seen {
  private readonly ids = new Set<string>();

  constructor(private readonly most = REMEMBERED) {}

  has(id: string): boolean {
    return this.ids.has(id);
  }

  add(id: string): void {
    this.ids.add(id);
    if (this.ids.size > this.most) {
      for (const oldest of this.ids) {
        this.ids.delete(oldest);
        break;
      }
    }
  }
}

/** Snapshot-then-events for one reader.
 *
 * The snapshot is asked for after the channel is subscribed, and events wait meanwhile. What was
 * announced before is in the snapshot, because the hub keeps first and tells afterwards; what is
 * announced later waits here. So nothing falls between, and no position has to travel by REST.
 */
export class Feed<S, E extends Announced> {
  private readonly seen = new Seen();
  private waiting: E[] | undefined = [];
  /** Counts the snapshots asked for; the answer to any but the last is dropped. */
  private turn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private first: unknown;

  constructor(private readonly reader: Reader<S, E>) {}

  /** The channel is subscribed; `whole` if everything since last time follows. */
  up(whole: boolean, first?: unknown): void {
    this.first = first;
    if (!whole || this.turn === 0) this.reload();
  }

  hear(event: E): void {
    if (this.waiting) this.waiting.push(event);
    else this.apply(event);
  }

  end(code: number, reason: string): void {
    this.close();
    this.reader.ended?.(code, reason);
  }

  close(): void {
    this.turn += 1;
    clearTimeout(this.timer);
  }

  private reload(): void {
    // Events that wait are older than the snapshot we are about to ask for.
    this.waiting = [];
    this.turn += 1;
    void this.load(this.turn, RETRY);
  }

  private async load(turn: number, delay: number): Promise<void> {
    clearTimeout(this.timer);
    try {
      const state = await this.reader.snapshot(this.first);
      if (turn !== this.turn) return;
      this.reader.show(state);
    } catch (error) {
      if (turn !== this.turn) return;
      this.reader.failed?.(error);
      const next = Math.min(2 * delay, RETRY_MOST);
      this.timer = setTimeout(() => void this.load(turn, next), delay * (0.5 + Math.random() / 2));
      return;
    }
    const waited = this.waiting ?? [];
    this.waiting = undefined;
    for (const event of waited) {
      this.apply(event);
      // It failed, and the new snapshot that is on its way holds the others as well.
      if (turn !== this.turn) return;
    }
  }

  private apply(event: E): void {
    if (this.seen.has(event.id)) return;
    try {
      this.reader.apply(event);
      this.seen.add(event.id);
    } catch (error) {
      this.reader.failed?.(error);
      this.reload();
    }
  }
}
