/** The state of the link as a person should see it, and when to distrust it. */

export type Link =
  /** Connected. */
  | { readonly state: 'up' }
  /** Not connected, but not long enough to say so. */
  | { readonly state: 'waiting' }
  /** Without a link for five seconds: show the banner. */
  | { readonly state: 'down' }
  /** The hub will not have us back as we are. */
  | { readonly state: 'ended'; readonly code: number; readonly reason: Ending };

export type Ending = 'suspended' | 'replaced' | 'revoked' | 'signed-out' | 'closed' | 'refused';

const ENDINGS: Readonly<Record<number, Ending>> = {
  0: 'closed',
  1: 'signed-out',
  3500: 'signed-out',
  4501: 'suspended',
  4502: 'replaced',
  4504: 'revoked',
};

export function ended(code: number): Link {
  return { state: 'ended', code, reason: ENDINGS[code] ?? 'refused' };
}

const BANNER_AFTER = 5000;

/** Keeps the link's state; a page that nobody sees does not count its seconds. */
export class Banner {
  private shown: Link = { state: 'waiting' };
  private watched = true;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly changed: (link: Link) => void) {}

  get link(): Link {
    return this.shown;
  }

  up(): void {
    if (this.shown.state !== 'up') this.set({ state: 'up' });
  }

  /** The link is gone; what was counted or shown already stays. */
  lost(): void {
    if (this.shown.state === 'down') return;
    if (this.shown.state !== 'waiting') this.set({ state: 'waiting' });
    this.count();
  }

  end(code: number): void {
    this.set(ended(code));
  }

  /** Nobody looks: whatever the timer counted until then says nothing. */
  hide(): void {
    this.watched = false;
    this.stop();
  }

  /** Somebody looks again: five seconds from now. */
  look(): void {
    this.watched = true;
    if (this.shown.state === 'waiting') this.count();
  }

  private count(): void {
    if (this.watched) this.timer ??= setTimeout(() => this.set({ state: 'down' }), BANNER_AFTER);
  }

  private stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private set(link: Link): void {
    this.stop();
    this.shown = link;
    this.changed(link);
  }
}
