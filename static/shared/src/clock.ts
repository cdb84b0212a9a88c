/** The hub's clock, so that deadlines and countdowns agree on every phone. */

export interface Sample {
  /** Milliseconds that the hub is ahead of this device. */
  readonly offset: number;
  /** How long the question took; half of it is what the offset may be wrong by. */
  readonly trip: number;
}

const KEPT = 8;
/** Milliseconds between two questions: a phone's clock is wrong by seconds a day, and is set by hand. */
const EVERY = 60_000;

/** Asks the hub for its time and believes the answer that travelled least. */
export class HubClock {
  private samples: Sample[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ask: () => Promise<{ readonly now: string }>,
    private readonly local: () => number = Date.now,
  ) {}

  /** Milliseconds since 1970 by the hub's clock; by our own until the hub has answered once. */
  now(): number {
    return this.local() + (this.best?.offset ?? 0);
  }

  /** The answer we go by. */
  get best(): Sample | undefined {
    return this.samples.reduce<Sample | undefined>(
      (best, sample) => (best && best.trip <= sample.trip ? best : sample),
      undefined,
    );
  }

  /** Ask now and every minute until `rest`; what fails is asked again in its turn. */
  keep(): void {
    this.rest();
    this.timer = setTimeout(() => this.keep(), EVERY);
    this.sync().catch(() => undefined);
  }

  /** Ask no more; what is known stays. */
  rest(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  /** Ask once; the question fails as the RPC does. */
  async sync(): Promise<Sample> {
    const asked = this.local();
    const { now } = await this.ask();
    const answered = this.local();
    const trip = Math.max(0, answered - asked);
    const sample = { offset: Date.parse(now) - (asked + answered) / 2, trip };
    // Two readings further apart than both trips explain: somebody set this device's clock.
    if (this.best && Math.abs(this.best.offset - sample.offset) > this.best.trip + trip + 1000) {
      this.samples = [];
    }
    this.samples = [...this.samples, sample].slice(-KEPT);
    return sample;
  }
}
