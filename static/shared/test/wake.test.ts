/** When a page sleeps and wakes, with a Centrifuge that does only what a test tells it to. */

import { EventEmitter } from 'node:events';

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import type { Link } from '../src/link.js';
import { Realtime } from '../src/realtime.js';

class FakeCentrifuge extends EventEmitter {
  static State = { Disconnected: 'disconnected', Connecting: 'connecting', Connected: 'connected' };
  static UnauthorizedError = class extends Error {};
  static last: FakeCentrifuge;
  state = 'disconnected';
  connects = 0;
  rpc = vi.fn(() => Promise.resolve({ data: { result: { now: new Date().toISOString() } } }));

  constructor(readonly endpoint: unknown, readonly options: { websocket: new (url: string) => EventTarget }) {
    super();
    FakeCentrifuge.last = this;
  }

  connect(): void {
    this.connects += 1;
    this.state = 'connecting';
    this.emit('connecting', { code: 0, reason: 'connect called' });
  }

  disconnect(): void {
    this.end(0);
  }

  /** The transport is there. */
  arrive(): void {
    this.state = 'connected';
    this.emit('connected', { client: 'c', transport: 'websocket' });
  }

  /** The transport is gone, and the SDK tries again. */
  drop(): void {
    this.state = 'connecting';
    this.emit('connecting', { code: 1, reason: 'transport closed' });
  }

  end(code: number): void {
    this.state = 'disconnected';
    this.emit('disconnected', { code, reason: 'x' });
  }
}

vi.mock('centrifuge', () => ({
  get Centrifuge() {
    return FakeCentrifuge;
  },
}));

class FakeDocument extends EventTarget {
  visibilityState = 'visible';

  turn(state: 'visible' | 'hidden'): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

const MINUTE = 60_000;

function page() {
  const window = new EventTarget();
  const document = new FakeDocument();
  const links: Link['state'][] = [];
  const hub = new Realtime({
    hub: 'http://hub',
    page: { window, document },
    WebSocket: class extends EventTarget {} as unknown as typeof WebSocket,
  });
  hub.onLink((link) => links.push(link.state));
  hub.connect();
  const sdk = FakeCentrifuge.last;
  sdk.arrive();
  const socket = new sdk.options.websocket('ws://hub');
  /** A ping, or anything else. */
  const ping = (): boolean => socket.dispatchEvent(new Event('message'));
  return { hub, sdk, window, document, links, ping };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('a page that wakes up', () => {
  it('replaces at once a link that was silent for longer than a ping and five seconds', () => {
    const { document, sdk } = page();
    document.turn('hidden');
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    expect(sdk.connects).toBe(2);
  });

  it('asks on a link that spoke just now, and keeps it if there is an answer', async () => {
    const { document, sdk, ping } = page();
    sdk.rpc.mockClear();
    document.turn('hidden');
    vi.advanceTimersByTime(20_000);
    ping();
    document.turn('visible');
    await vi.advanceTimersByTimeAsync(0);
    expect(sdk.rpc).toHaveBeenCalledExactlyOnceWith('clock.now', {});
    expect(sdk.connects).toBe(1);
  });

  it('replaces a link that spoke just now but answers no more', async () => {
    const { document, sdk, ping } = page();
    document.turn('hidden');
    vi.advanceTimersByTime(20_000);
    ping();
    sdk.rpc.mockRejectedValue({ code: 1, message: 'timeout' });
    document.turn('visible');
    await vi.advanceTimersByTimeAsync(0);
    expect(sdk.connects).toBe(2);
  });

  it('thinks nothing of a look at another page for ten seconds', async () => {
    const { document, sdk } = page();
    sdk.rpc.mockClear();
    document.turn('hidden');
    vi.advanceTimersByTime(9_000);
    document.turn('visible');
    await vi.advanceTimersByTimeAsync(0);
    expect(sdk.rpc).not.toHaveBeenCalled();
    expect(sdk.connects).toBe(1);
  });

  it('does not wait for the SDK to try again', () => {
    const { document, sdk } = page();
    document.turn('hidden');
    sdk.drop();
    vi.advanceTimersByTime(15_000);
    document.turn('visible');
    expect(sdk.connects).toBe(2);
  });

  it('tries once, however many events tell of it', () => {
    const { document, window, sdk } = page();
    document.turn('hidden');
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    window.dispatchEvent(new Event('online'));
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    expect(sdk.connects).toBe(2);
  });

  it('distrusts its link after another network and after the page cache, not at first show', () => {
    const { window, sdk } = page();
    vi.advanceTimersByTime(MINUTE);
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
    expect(sdk.connects).toBe(1);
    window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
    expect(sdk.connects).toBe(2);
    sdk.arrive();
    vi.advanceTimersByTime(MINUTE);
    window.dispatchEvent(new Event('online'));
    expect(sdk.connects).toBe(3);
  });
});

describe('the banner', () => {
  it('is not shown for a link that is back within five seconds', () => {
    const { sdk, links } = page();
    sdk.drop();
    vi.advanceTimersByTime(4_999);
    sdk.arrive();
    vi.advanceTimersByTime(MINUTE);
    expect(links).toEqual(['up', 'waiting', 'up']);
  });

  it('is shown after five seconds without a link, until there is one', () => {
    const { sdk, links } = page();
    sdk.drop();
    vi.advanceTimersByTime(5_000);
    sdk.drop();
    vi.advanceTimersByTime(MINUTE);
    sdk.arrive();
    expect(links).toEqual(['up', 'waiting', 'down', 'up']);
  });

  it('is not put off by one attempt after the other', () => {
    const { sdk, window, links } = page();
    sdk.drop();
    for (let second = 0; second < 5; second += 1) {
      vi.advanceTimersByTime(1_000);
      window.dispatchEvent(new Event('online'));
    }
    expect(sdk.connects).toBeGreaterThan(2);
    expect(links).toEqual(['up', 'waiting', 'down']);
  });

  it('does not flash when a page wakes up whose link died unseen', () => {
    const { document, sdk, links } = page();
    document.turn('hidden');
    sdk.drop();
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    vi.advanceTimersByTime(4_999);
    sdk.arrive();
    expect(links).toEqual(['up', 'waiting', 'up']);
  });

  it('is not shown for a link that is replaced in time', () => {
    const { document, sdk, links } = page();
    document.turn('hidden');
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    sdk.arrive();
    vi.advanceTimersByTime(MINUTE);
    expect(links).toEqual(['up', 'waiting', 'up']);
  });
});

describe('a connection that the hub ended', () => {
  it.each([
    [4501, 'suspended'],
    [4502, 'replaced'],
    [4504, 'revoked'],
    [3500, 'signed-out'],
    [1, 'signed-out'],
    [3508, 'refused'],
  ])('with %i is %s, and stays ended', (code, reason) => {
    const { hub, document, sdk } = page();
    sdk.end(code);
    expect(hub.link).toEqual({ state: 'ended', code, reason });
    document.turn('hidden');
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    expect(hub.link.state).toBe('ended');
    expect(sdk.connects).toBe(1);
  });

  it('comes back when asked to', () => {
    const { hub, sdk, links } = page();
    sdk.end(4504);
    hub.connect();
    sdk.arrive();
    expect(links).toEqual(['up', 'ended', 'waiting', 'up']);
  });

  it('refuses at once what it is asked to do', async () => {
    const { hub, sdk } = page();
    sdk.end(4504);
    await expect(hub.rpc('clock.now', {})).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('hears nothing of the page after it was closed', () => {
    const { hub, document, sdk } = page();
    hub.close();
    expect(hub.link).toEqual({ state: 'ended', code: 0, reason: 'closed' });
    document.turn('hidden');
    vi.advanceTimersByTime(MINUTE);
    document.turn('visible');
    expect(sdk.connects).toBe(1);
  });
});

it('stays up when it is told again to connect', () => {
  const { hub, sdk, links } = page();
  hub.connect();
  vi.advanceTimersByTime(MINUTE);
  expect(sdk.connects).toBe(1);
  expect(links).toEqual(['up']);
});

it('says its receipts when the page is left', () => {
  const { hub, sdk, window } = page();
  const acks = hub.acks({ method: 'notice.read' });
  acks.add('1');
  window.dispatchEvent(new Event('pagehide'));
  expect(sdk.rpc).toHaveBeenCalledWith('notice.read', { ids: ['1'] });
});
