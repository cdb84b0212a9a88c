/** The channels that a page reads, each with one subscription and any number of readers. */

import type { Centrifuge, Subscription } from 'centrifuge';

import { isRecord } from './errors.js';
import { Feed } from './feed.js';
import type { Announced, Reader } from './feed.js';

interface Room {
  readonly feeds: Set<Feed<unknown, Announced>>;
  /** Absent where the hub attached the channel by itself. */
  readonly subscription?: Subscription;
  live: boolean;
}

/** Why a channel is over that the hub had attached: the protocol sends no code for it. */
const DETACHED = [2000, 'server unsubscribe'] as const;

export class Rooms {
  private readonly rooms = new Map<string, Room>();
  private readonly attached = new Set<string>();

  constructor(private readonly client: Centrifuge) {
    client
      .on('subscribed', ({ channel, wasRecovering, recovered, data }) => {
        this.attached.add(channel);
        this.up(channel, wasRecovering && recovered, data);
      })
      .on('unsubscribed', ({ channel }) => {
        this.attached.delete(channel);
        this.end(channel, ...DETACHED);
      })
      .on('publication', ({ channel, data }) => this.hear(channel, data));
  }

  open(channel: string, reader: Reader<unknown, Announced>): () => void {
    const feed = new Feed(reader);
    const room = this.rooms.get(channel) ?? this.enter(channel);
    room.feeds.add(feed);
    if (room.live) feed.up(false);
    return () => {
      feed.close();
      if (room.feeds.delete(feed) && room.feeds.size === 0) this.leave(channel, room);
    };
  }

  close(): void {
    for (const [channel, room] of this.rooms) {
      room.feeds.forEach((feed) => feed.close());
      this.leave(channel, room);
    }
  }

  private enter(channel: string): Room {
    const live = this.attached.has(channel);
    const room: Room = live || channel.startsWith('user:')
      ? { feeds: new Set(), live }
      : { feeds: new Set(), live, subscription: this.subscription(channel) };
    this.rooms.set(channel, room);
    room.subscription?.subscribe();
    return room;
  }

  /** The one subscription there ever is for a channel.
   *
   * Over HTTP, commands may overtake each other; only the SDK's own object knows that it has to wait
   * for its unsubscribe before it subscribes again. So we leave channels, but never drop them.
   */
  private subscription(channel: string): Subscription {
    return this.client.getSubscription(channel) ?? this.client
      .newSubscription(channel)
      .on('subscribed', ({ wasRecovering, recovered, data }) => this.up(channel, wasRecovering && recovered, data))
      .on('unsubscribed', ({ code, reason }) => this.end(channel, code, reason))
      .on('publication', ({ data }) => this.hear(channel, data));
  }

  private up(channel: string, whole: boolean, first: unknown): void {
    const room = this.rooms.get(channel);
    if (!room) return;
    room.live = true;
    room.feeds.forEach((feed) => feed.up(whole, first));
  }

  private hear(channel: string, data: unknown): void {
    // An event of a newer hub is passed on all the same; what is no event at all is not.
    if (!isRecord(data) || typeof data.id !== 'string') return;
    this.rooms.get(channel)?.feeds.forEach((feed) => feed.hear(data as unknown as Announced));
  }

  private end(channel: string, code: number, reason: string): void {
    const room = this.rooms.get(channel);
    if (!room) return;
    this.leave(channel, room);
    room.feeds.forEach((feed) => feed.end(code, reason));
  }

  private leave(channel: string, room: Room): void {
    this.rooms.delete(channel);
    room.subscription?.unsubscribe();
  }
}
