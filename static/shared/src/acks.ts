/** Receipts: ids gathered for a moment, said in one call, and kept until the hub has confirmed. */

import { RpcError } from './errors.js';

export interface AckOptions {
  /** RPC that takes `{ids}`, for example `notice.delivered`. Must be idempotent. */
  readonly method: string;
  /** REST address that takes the same `{ids}`, asked when the page goes away. */
  readonly path?: string;
  /** The hub refused these for good; they are not said again. */
  refused?(ids: readonly string[], error: RpcError): void;
}

/** What receipts need of the connection. */
export interface Mouth {
  rpc(method: string, params: unknown): Promise<unknown>;
  /** POST that outlives the page; resolves to whether it was taken. */
  post(path: string, body: unknown): Promise<boolean>;
}

const GATHER = 200;
const RETRY = 5000;
const AT_ONCE = 100;

export class Acks {
  private readonly pending = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saying = false;

  constructor(
    private readonly mouth: Mouth,
    private readonly options: AckOptions,
  ) {}

  /** How many are not confirmed yet. */
  get size(): number {
    return this.pending.size;
  }

  add(...ids: string[]): void {
    for (const id of ids) this.pending.add(id);
    this.later(GATHER);
  }

  /** Say what is pending now; called when the link is back. */
  async flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.saying) return;
    this.saying = true;
    try {
      while (this.pending.size > 0) {
        const ids = [...this.pending].slice(0, AT_ONCE);
        if (!(await this.say(ids))) return;
      }
    } finally {
      this.saying = false;
    }
  }

  /** The page is going away: say everything that is not confirmed, once more if need be. */
  farewell(): void {
    const { path } = this.options;
    if (path === undefined) {
      void this.flush();
      return;
    }
    const all = [...this.pending];
    for (let start = 0; start < all.length; start += AT_ONCE) {
      const ids = all.slice(start, start + AT_ONCE);
      void this.mouth.post(path, { ids }).then((taken) => taken && this.forget(ids));
    }
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private async say(ids: readonly string[]): Promise<boolean> {
    try {
      await this.mouth.rpc(this.options.method, { ids });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (error.temporary) {
        this.later(RETRY);
        return false;
      }
      this.options.refused?.(ids, error);
    }
    this.forget(ids);
    return true;
  }

  private forget(ids: readonly string[]): void {
    for (const id of ids) this.pending.delete(id);
  }

  private later(delay: number): void {
    this.timer ??= setTimeout(() => void this.flush(), delay);
  }
}
