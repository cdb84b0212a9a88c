/** The REST interface, typed by the hub's own OpenAPI document (`api.d.ts`, written by `npm run types`). */

import type { paths } from './api.js';
import type { Envelope } from './errors.js';
import { isRecord } from './errors.js';

/** A refusal of the hub; `message` is fit to be shown. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    /** 0 where the hub could not be asked at all. */
    readonly status: number,
    readonly envelope: Envelope,
    /** Seconds after which asking again makes sense. */
    readonly retryAfter?: number,
  ) {
    super(envelope.msg);
  }

  get code(): string {
    return this.envelope.code;
  }

  get field(): string | undefined {
    return this.envelope.field;
  }

  get detail(): Readonly<Record<string, unknown>> {
    return this.envelope.detail ?? {};
  }

  /** The hub did not answer, so nobody knows whether it was done. */
  get unreachable(): boolean {
    return this.status === 0;
  }
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Asking {
  /** Fills the `{name}`s of the address. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: unknown;
  /** The same key again is the same call; for what must not happen twice. */
  readonly key?: string;
  readonly signal?: AbortSignal;
  /** Milliseconds to wait for this answer, where it takes longer than others. */
  readonly patience?: number;
}

export interface RestOptions {
  /** `https://host` of the hub; the page's own origin if absent. */
  readonly hub?: string;
  /** A device's token, where there is no cookie. */
  readonly bearer?: string;
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds after which an answer is not waited for any more. */
  readonly patience?: number;
}

type Verb<M extends Method> = Lowercase<M>;
type Promised<A extends keyof paths, M extends Method> = paths[A][Verb<M>];

/** Addresses that answer to a method. */
export type Address<M extends Method> = {
  [A in keyof paths]: Promised<A, M> extends { responses: unknown } ? A : never;
}[keyof paths];

type Json<R> = R extends { content: { 'application/json': infer J } } ? J : undefined;

/** What an address answers when all goes well. */
export type Answer<M extends Method, A extends Address<M>> =
  Promised<A, M> extends { responses: infer R }
    ? Json<R[Extract<keyof R, 200 | 201 | 204>]>
    : never;

/** What an address takes as its body. */
export type Body<M extends Method, A extends Address<M>> =
  Promised<A, M> extends { requestBody?: { content: { 'application/json': infer B } } } ? B : never;

const PATIENCE = 20_000;

/** Asks the hub; what it refuses is thrown as `ApiError`, whatever the reason. */
export class Rest {
  private readonly asks: typeof globalThis.fetch;

  constructor(private readonly options: RestOptions = {}) {
    this.asks = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  get<A extends Address<'GET'>>(address: A, asking: Asking = {}): Promise<Answer<'GET', A>> {
    return this.ask('GET', address, asking) as Promise<Answer<'GET', A>>;
  }

  post<A extends Address<'POST'>>(
    address: A, body: Body<'POST', A> | undefined, asking: Asking = {},
  ): Promise<Answer<'POST', A>> {
    return this.ask('POST', address, { ...asking, body }) as Promise<Answer<'POST', A>>;
  }

  put<A extends Address<'PUT'>>(
    address: A, body: Body<'PUT', A>, asking: Asking = {},
  ): Promise<Answer<'PUT', A>> {
    return this.ask('PUT', address, { ...asking, body }) as Promise<Answer<'PUT', A>>;
  }

  delete<A extends Address<'DELETE'>>(address: A, asking: Asking = {}): Promise<Answer<'DELETE', A>> {
    return this.ask('DELETE', address, asking) as Promise<Answer<'DELETE', A>>;
  }

  /** Ask an address that the types do not know.
   *
   * @throws ApiError with the hub's refusal, or `unreachable`.
   */
  async ask(method: Method, address: string, asking: Asking = {}): Promise<unknown> {
    const { bearer, hub = '' } = this.options;
    const headers: Record<string, string> = {};
    if (asking.body !== undefined) headers['Content-Type'] = 'application/json';
    if (asking.key !== undefined) headers['Idempotency-Key'] = asking.key;
    if (bearer !== undefined) headers.Authorization = `Bearer ${bearer}`;
    else if (method !== 'GET') headers['X-CSRF-Token'] = csrf();
    const reply = await this.send(hub + filled(address, asking), {
      method,
      headers,
      credentials: bearer === undefined ? 'same-origin' : 'omit',
      ...(asking.body !== undefined && { body: JSON.stringify(asking.body) }),
    }, asking);
    return reply.ok ? content(reply) : refuse(reply);
  }

  private async send(url: string, init: RequestInit, { signal, patience }: Asking): Promise<Response> {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), patience ?? this.options.patience ?? PATIENCE);
    const stop = (): void => limit.abort();
    signal?.addEventListener('abort', stop);
    try {
      return await this.asks(url, { ...init, signal: limit.signal });
    } catch {
      throw new ApiError(0, { code: 'unreachable', msg: '网络不可用，请稍后再试' });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
  }
}

/** The token that proves to the hub that a page of ours is asking. */
export function csrf(): string {
  return /(?:^|;\s*)daibiao_csrf=([^;]*)/.exec(globalThis.document?.cookie ?? '')?.[1] ?? '';
}

function filled(address: string, { path = {}, query = {} }: Asking): string {
  const place = address.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ''));
  const wanted = Object.entries(query).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
  const text = new URLSearchParams(wanted.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${place}?${text}` : place;
}

async function content(reply: Response): Promise<unknown> {
  if (reply.status === 204) return undefined;
  try {
    return await reply.json();
  } catch {
    throw new ApiError(reply.status, { code: 'bad_answer', msg: '服务器的回答无法识别' });
  }
}

async function refuse(reply: Response): Promise<never> {
  const said: unknown = await reply.json().catch(() => undefined);
  const wait = Number(reply.headers.get('Retry-After') ?? NaN);
  const envelope = isRecord(said) && typeof said.code === 'string' && typeof said.msg === 'string'
    ? (said as unknown as Envelope)
    : { code: `http_${reply.status}`, msg: '服务器暂时无法处理，请稍后再试' };
  throw new ApiError(reply.status, envelope, Number.isFinite(wait) ? wait : undefined);
}
