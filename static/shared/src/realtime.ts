/** The connection of a page to the hub, made for phones that sleep and networks that lie.
 *
 * centrifuge-js reconnects, resumes and falls back by itself. What this adds is what it cannot
 * know: when a page wakes up, what people should be told, and what the house means by its codes.
 */

import { Centrifuge } from 'centrifuge';
import type { Options, TransportName } from 'centrifuge';

import { Acks } from './acks.js';
import type { AckOptions } from './acks.js';
import { HubClock } from './clock.js';
import { fromProtocol, unwrap } from './errors.js';
import type { ChannelEvents, ChannelName, Methods } from './events.js';
import type { Announced, Reader } from './feed.js';
import { hearingFetch, hearingSocket } from './hearing.js';
import type { Fetch, SocketClass } from './hearing.js';
import { Banner } from './link.js';
import type { Link } from './link.js';
import { Rooms } from './rooms.js';
import { Session } from './session.js';
import { Wake } from './wake.js';
import type { Page } from './wake.js';

type Namespace<C extends string> = C extends `${infer N}:${string}` ? N : C;

/** What is announced on a channel; whatever the catalogue has no events for yet is just announced. */
export type EventOn<C extends ChannelName> =
  Namespace<C> extends infer N extends keyof ChannelEvents
    ? [ChannelEvents[N]] extends [never] ? Announced : ChannelEvents[N]
    : Announced;

export interface RealtimeOptions {
  /** `https://host` of the hub; the page's own origin if absent. */
  readonly hub?: string;
  /** A login token, where there is no cookie. */
  readonly bearer?: string;
  /** A screen's token, which is its connection token. */
  readonly device?: string;
  /** Tried in this order. */
  readonly transports?: readonly TransportName[];
  /** Milliseconds between the hub's pings. */
  readonly ping?: number;
  /** Where `visibilitychange` and the like come from; absent outside a browser. */
  readonly page?: Page;
  /** For tests and for Node, which has no WebSocket before 22. */
  readonly fetch?: Fetch;
  readonly WebSocket?: SocketClass;
  readonly sdk?: Partial<Options>;
}

const PATIENCE = 5000;
const PING = 25_000;
/** Waking up tells us by several events at once; one attempt answers them all. */
const ONE_ATTEMPT = 1000;

export class Realtime {
  readonly clock: HubClock;
  private readonly client: Centrifuge;
  private readonly session: Session;
  private readonly banner: Banner;
  private readonly wake: Wake;
  private readonly rooms: Rooms;
  private readonly acknowledgers = new Set<Acks>();
  private readonly listeners = new Set<(link: Link) => void>();
  private readonly ping: number;
  private heardAt = 0;
  private triedAt = 0;
  private reconnecting = false;

  constructor(options: RealtimeOptions = {}) {
    const hub = options.hub ?? globalThis.location.origin;
    const fetch: Fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
    const socket = options.WebSocket ?? globalThis.WebSocket;
    const emulation = `${hub}/emulation`;
    // The wall clock on purpose: others stop while a phone sleeps.
    const heard = (): void => void (this.heardAt = Date.now());
    this.ping = options.ping ?? PING;
    this.session = new Session({ hub, fetch, ...(options.bearer !== undefined && { bearer: options.bearer }) });
    this.client = new Centrifuge(
      (options.transports ?? ['websocket', 'http_stream']).map((transport) => ({
        transport,
        endpoint: `${transport === 'websocket' ? hub.replace(/^http/, 'ws') : hub}/connection/${transport}`,
      })),
      {
        name: 'h5',
        getToken: () => (options.device === undefined ? this.session.token() : Promise.resolve(options.device)),
        emulationEndpoint: emulation,
        fetch: hearingFetch(fetch, emulation, heard),
        websocket: hearingSocket(socket, heard),
        ...options.sdk,
      },
    );
    this.rooms = new Rooms(this.client);
    this.clock = new HubClock(() => this.rpc('clock.now', {}));
    this.banner = new Banner((link) => this.listeners.forEach((listener) => listener(link)));
    this.wake = new Wake(options.page, {
      hidden: () => this.banner.hide(),
      shown: () => this.banner.look(),
      distrust: () => void this.check(),
      leave: () => this.acknowledgers.forEach((acks) => acks.farewell()),
    });
    this.listen();
  }

  get link(): Link {
    return this.banner.link;
  }

  /** Hear of every change of the link; answers how to stop. */
  onLink(listener: (link: Link) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Connect, and stay connected; also the way back after `ended`. */
  connect(): void {
    if (this.client.state !== Centrifuge.State.Disconnected) return;
    this.wake.start();
    this.banner.lost();
    this.client.connect();
  }

  /** Leave for good: the person logs out, or the page is done. */
  close(): void {
    this.wake.stop();
    this.acknowledgers.forEach((acks) => acks.close());
    this.rooms.close();
    this.client.disconnect();
  }

  /** Read a channel: a snapshot, then every later event once; answers how to stop.
   *
   * Several readers may share a channel. Each gets its own snapshot.
   */
  open<S, C extends ChannelName>(channel: C, reader: Reader<S, EventOn<C>>): () => void {
    return this.rooms.open(channel, reader as unknown as Reader<unknown, Announced>);
  }

  /** Ask the hub to do something.
   *
   * @throws RpcError with the hub's refusal, or `unreachable` without a link.
   */
  async rpc<M extends keyof Methods>(method: M, params: Methods[M]['params']): Promise<Methods[M]['result']> {
    return (await this.ask(method, params)) as Methods[M]['result'];
  }

  /** Receipts of one kind; `add` ids to what this answers. */
  acks(options: AckOptions): Acks {
    const acks = new Acks(
      {
        rpc: (method, params) => this.ask(method, params),
        post: (path, body) => this.session.post(path, body, true).then((reply) => reply.ok, () => false),
      },
      options,
    );
    this.acknowledgers.add(acks);
    return acks;
  }

  private async ask(method: string, params: unknown): Promise<unknown> {
    // The SDK would wait for a link that nobody is making.
    if (this.client.state === Centrifuge.State.Disconnected) throw fromProtocol(undefined);
    try {
      return unwrap((await this.client.rpc(method, params)).data);
    } catch (error) {
      throw fromProtocol(error);
    }
  }

  private listen(): void {
    this.client
      .on('connected', () => {
        this.heardAt = Date.now();
        this.banner.up();
        this.clock.keep();
        this.acknowledgers.forEach((acks) => void acks.flush());
      })
      .on('connecting', () => {
        this.clock.rest();
        this.banner.lost();
      })
      .on('disconnected', ({ code }) => {
        this.clock.rest();
        if (!this.reconnecting) this.banner.end(code);
      });
  }

  /** Find out whether the link still lives, and replace it if not. */
  private async check(): Promise<void> {
    if (this.link.state === 'ended') return;
    const silent = Date.now() - this.heardAt;
    if (this.client.state !== Centrifuge.State.Connected || silent > this.ping + PATIENCE) {
      this.reconnect();
      return;
    }
    const before = this.heardAt;
    await this.clock.sync().catch(() => {
      // Nothing at all came back, and it is still the same link: it only looks alive.
      if (this.heardAt === before && this.client.state === Centrifuge.State.Connected) this.reconnect();
    });
  }

  private reconnect(): void {
    const now = Date.now();
    if (now - this.triedAt < ONE_ATTEMPT) return;
    this.triedAt = now;
    this.reconnecting = true;
    this.client.disconnect();
    this.reconnecting = false;
    this.client.connect();
  }
}
