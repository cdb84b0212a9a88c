/** The connection against the real hub, through a network that is cut. */

import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';

import { Realtime } from '../src/realtime.js';
import type { RealtimeOptions } from '../src/realtime.js';
import { house, login, server, tell } from './house.js';
import type { House } from './house.js';
import { Proxy } from './proxy.js';

const hub = house() as House;
const until = <T>(check: () => T): Promise<T> => vi.waitFor(check, { timeout: 40_000, interval: 20 });

let me: { token: string; id: string };
let proxy: Proxy;
let open: Realtime[];

// Once: a person has five logins at a time, and the sixth ends one.
beforeAll(async () => {
  if (house()) me = await login(hub);
});

beforeEach(async () => {
  if (!house()) return;
  proxy = await Proxy.before(hub.url);
  open = [];
});

afterEach(async () => {
  open?.forEach((realtime) => realtime.close());
  await proxy?.close();
});

async function connect(transport: 'websocket' | 'http_stream', more: RealtimeOptions = {}): Promise<Realtime & { person: string }> {
  const realtime = new Realtime({
    hub: proxy.url,
    bearer: me.token,
    transports: [transport],
    WebSocket: WebSocket as unknown as typeof globalThis.WebSocket,
    ...more,
    sdk: { minReconnectDelay: 50, maxReconnectDelay: 100, timeout: 10_000, ...more.sdk },
  });
  open.push(realtime);
  realtime.connect();
  await until(() => expect(realtime.link.state).toBe('up'));
  return Object.assign(realtime, { person: me.id });
}

/** Read a channel and write down what happens. */
function read(realtime: Realtime, channel: 'news' | `user:${string}`) {
  const log = { heard: [] as string[], snapshots: 0, ended: [] as number[] };
  const stop = realtime.open(channel, {
    snapshot: () => Promise.resolve(),
    show: () => void (log.snapshots += 1),
    apply: ({ id }) => void log.heard.push(id),
    ended: (code) => void log.ended.push(code),
  });
  return Object.assign(log, { stop });
}

/** A network on which a command to unsubscribe is overtaken by whatever is said next. */
const slowToLeave: typeof fetch = async (input, init) => {
  if (String(init?.body).includes('unsubscribe')) await new Promise((resolve) => setTimeout(resolve, 100));
  return fetch(input, init);
};

describe.skipIf(!house()).each(['websocket', 'http_stream'] as const)('over %s', (transport) => {
  it('loses nothing while the network is away, on its own channel and on others', async () => {
    const realtime = await connect(transport);
    const mine = `user:#${realtime.person}` as const;
    const news = read(realtime, 'news');
    const personal = read(realtime, mine);
    await until(() => expect([news.snapshots, personal.snapshots]).toEqual([1, 1]));
    const before = [await tell(hub, 'news'), await tell(hub, mine)];
    await until(() => expect([...news.heard, ...personal.heard]).toEqual(before));

    proxy.cut();
    await until(() => expect(realtime.link.state).toBe('waiting'));
    const missed = [await tell(hub, 'news'), await tell(hub, 'news')];
    const mineMissed = await tell(hub, mine);
    proxy.mend();
    await until(() => expect(realtime.link.state).toBe('up'));
    const after = await tell(hub, 'news');

    await until(() => expect(news.heard).toEqual([before[0], ...missed, after]));
    await until(() => expect(personal.heard).toEqual([before[1], mineMissed]));
    expect([news.snapshots, personal.snapshots]).toEqual([1, 1]);
  });

  it('fetches the snapshot again when the hub cannot tell what was missed', async () => {
    const realtime = await connect(transport);
    const news = read(realtime, 'news');
    await until(() => expect(news.snapshots).toBe(1));
    proxy.cut();
    await until(() => expect(realtime.link.state).toBe('waiting'));
    await tell(hub, 'news');
    await server(hub, 'history_remove', { channel: 'news' });
    proxy.mend();
    await until(() => expect(news.snapshots).toBe(2));
    const after = await tell(hub, 'news');
    await until(() => expect(news.heard).toEqual([after]));
  });

  it('finds out that a link is dead which only looks alive, and loses nothing', async () => {
    const window = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    const realtime = await connect(transport, { page: { window, document }, sdk: { timeout: 500 } });
    const news = read(realtime, 'news');
    await until(() => expect(news.snapshots).toBe(1));
    proxy.silence();
    const missed = await tell(hub, 'news');
    proxy.mend();
    window.dispatchEvent(new Event('online'));
    await until(() => expect(news.heard).toEqual([missed]));
    expect(news.snapshots).toBe(1);
  });

  it('asks the hub for its time, and passes refusals on', async () => {
    const realtime = await connect(transport);
    expect((await realtime.rpc('person.me', {})).id).toBe(realtime.person);
    const sample = await realtime.clock.sync();
    const { now } = await realtime.rpc('clock.now', {});
    expect(Math.abs(realtime.clock.now() - Date.parse(now))).toBeLessThan(sample.trip + 1000);
    await expect(realtime.rpc('nosuch.method' as 'clock.now', {})).rejects.toMatchObject({ code: 'protocol_104' });
  });

  it('tells a reader that it may not read', async () => {
    const realtime = await connect(transport);
    const ended: number[] = [];
    realtime.open('mtg:m1', {
      snapshot: () => Promise.resolve(), show: vi.fn(), apply: vi.fn(), ended: (code) => ended.push(code),
    });
    await until(() => expect(ended).toEqual([103]));
  });

  it.each([
    [4501, 'suspended'],
    [4502, 'replaced'],
    [4504, 'revoked'],
  ])('ends for good with %i: %s', async (code, reason) => {
    const realtime = await connect(transport);
    await server(hub, 'disconnect', { user: realtime.person, disconnect: { code, reason: 'told so' } });
    await until(() => expect(realtime.link).toEqual({ state: 'ended', code, reason }));
  });

  it('is signed out when its login is not known', async () => {
    const realtime = new Realtime({
      hub: proxy.url, bearer: 'nobody', transports: [transport], WebSocket: WebSocket as never,
    });
    open.push(realtime);
    realtime.connect();
    await until(() => expect(realtime.link).toMatchObject({ state: 'ended', reason: 'signed-out' }));
  });

  it('shares a channel among readers, and leaves it with the last', async () => {
    const realtime = await connect(transport, { fetch: slowToLeave });
    const first = read(realtime, 'news');
    await until(() => expect(first.snapshots).toBe(1));
    const second = read(realtime, 'news');
    await until(() => expect(second.snapshots).toBe(1));
    const both = await tell(hub, 'news');
    await until(() => expect([first.heard, second.heard]).toEqual([[both], [both]]));
    first.stop();
    second.stop();
    const third = read(realtime, 'news');
    await until(() => expect(third.snapshots).toBe(1));
    const last = await tell(hub, 'news');
    await until(() => expect(third.heard).toEqual([last]));
    expect([first.heard, second.heard]).toEqual([[both], [both]]);
  });
});

it.skipIf(!house())('falls back to HTTP streaming where WebSockets are blocked', async () => {
  class Blocked extends EventTarget {
    constructor() {
      super();
      setTimeout(() => (this as unknown as WebSocket).onclose?.({ code: 1006, reason: '' } as never), 0);
    }

    close(): void {
      // It never opened.
    }
  }
  const realtime = new Realtime({ hub: proxy.url, bearer: me.token, WebSocket: Blocked as never });
  open.push(realtime);
  realtime.connect();
  await until(() => expect(realtime.link.state).toBe('up'));
  const news = read(realtime, 'news');
  await until(() => expect(news.snapshots).toBe(1));
  const said = await tell(hub, 'news');
  await until(() => expect(news.heard).toEqual([said]));
});
