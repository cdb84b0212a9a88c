/** What a camera holds in sight: a code that is held up is read again and again, and is one scan. */

const SAME = 3000;

export class Sight {
  private readonly seen = new Map<string, number>();

  /** Tell whether a code has come into sight just now. */
  fresh(code: string, now: number): boolean {
    // A badge that is held up stays one scan, however long, and whatever is read beside it.
    for (const [text, at] of this.seen) if (now - at >= SAME) this.seen.delete(text);
    const same = this.seen.has(code);
    this.seen.set(code, now);
    return !same;
  }
}
