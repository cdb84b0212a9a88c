/** What happens to a page: hidden, shown, thawed, online again, left. */

/** A `window` with its `document`, or something like it. */
export interface Page {
  readonly window: EventTarget;
  readonly document: EventTarget & { readonly visibilityState: string };
}

export interface Told {
  hidden(): void;
  shown(): void;
  /** The link may have died without a word. */
  distrust(): void;
  /** The page may never run again. */
  leave(): void;
}

const STALE_AFTER = 10_000;

export class Wake {
  private readonly page: Page | undefined;
  private hiddenAt: number | undefined;
  private listening: AbortController | undefined;

  constructor(page: Page | undefined, private readonly told: Told) {
    this.page = page ?? here();
  }

  start(): void {
    if (this.listening || !this.page) return;
    this.listening = new AbortController();
    const { window, document } = this.page;
    const { signal } = this.listening;
    document.addEventListener('visibilitychange', () => this.look(document.visibilityState), { signal });
    window.addEventListener('online', () => this.told.distrust(), { signal });
    window.addEventListener('pagehide', () => this.told.leave(), { signal });
    window.addEventListener('pageshow', (event) => {
      // The first one of a page's life says nothing; a page out of the cache has slept.
      if ((event as PageTransitionEvent).persisted) this.told.distrust();
    }, { signal });
  }

  stop(): void {
    this.listening?.abort();
    this.listening = undefined;
  }

  private look(state: string): void {
    if (state === 'hidden') {
      this.hiddenAt ??= Date.now();
      this.told.hidden();
      return;
    }
    const stale = this.hiddenAt !== undefined && Date.now() - this.hiddenAt > STALE_AFTER;
    this.hiddenAt = undefined;
    this.told.shown();
    if (stale) this.told.distrust();
  }
}

function here(): Page | undefined {
  const { document, window } = globalThis;
  return document && window ? { document, window } : undefined;
}
