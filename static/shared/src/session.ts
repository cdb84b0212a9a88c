/** How this page proves who it is: with the login cookie, or with a bearer token. */

import { Centrifuge } from 'centrifuge';

import type { Fetch } from './hearing.js';
import { csrf } from './rest.js';

export interface SessionOptions {
  /** `https://host` of the hub. */
  readonly hub: string;
  /** A login token, where there is no cookie. */
  readonly bearer?: string;
  readonly fetch: Fetch;
}

export class Session {
  constructor(private readonly options: SessionOptions) {}

  /** A connection token, asked for whenever the SDK needs one.
   *
   * @throws Centrifuge.UnauthorizedError where asking again is pointless.
   */
  async token(): Promise<string> {
    const reply = await this.post('/api/v1/realtime/token', {});
    if (reply.status === 401 || reply.status === 403) {
      throw new Centrifuge.UnauthorizedError(`token: ${reply.status}`);
    }
    if (!reply.ok) throw new Error(`token: ${reply.status}`);
    const { token } = (await reply.json()) as { token: string };
    return token;
  }

  /** POST JSON; with `keepalive` it outlives the page. `sendBeacon` cannot carry the CSRF header. */
  post(path: string, body: unknown, keepalive = false): Promise<Response> {
    const { hub, bearer, fetch } = this.options;
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (bearer !== undefined) headers.Authorization = `Bearer ${bearer}`;
    else headers['X-CSRF-Token'] = csrf();
    const credentials = bearer === undefined ? 'same-origin' : 'omit';
    return fetch(hub + path, {
      method: 'POST', headers, body: JSON.stringify(body), credentials, keepalive,
    });
  }
}
