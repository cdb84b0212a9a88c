/** A network between the page and the hub that can be cut, and that can go silent. */

import { createServer, connect } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

export class Proxy {
  private readonly sockets = new Set<Socket>();
  private state: 'open' | 'cut' | 'silent' = 'open';
  /** What was said through it by those who came in, and what they were answered. */
  readonly log = { asked: '', answered: '' };

  private constructor(private readonly server: Server, private readonly target: URL) {
    server.on('connection', (socket) => this.serve(socket));
  }

  static async before(hub: string): Promise<Proxy> {
    const proxy = new Proxy(createServer(), new URL(hub));
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Break every connection and let no new one through. */
  cut(): void {
    this.state = 'cut';
    this.sockets.forEach((socket) => socket.destroy());
  }

  /** Keep connections and deliver nothing more on them, as a phone between two networks does. */
  silence(): void {
    this.state = 'silent';
    this.sockets.forEach((socket) => socket.unpipe().pause());
  }

  /** Let new connections through; what was silent stays so. */
  mend(): void {
    this.state = 'open';
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(inner: Socket): void {
    this.keep(inner);
    if (this.state === 'cut') inner.destroy();
    if (this.state !== 'open') return;
    const outer = connect(Number(this.target.port), this.target.hostname);
    this.keep(outer);
    inner.on('data', (piece: Buffer) => (this.log.asked += piece.toString('latin1')));
    outer.on('data', (piece: Buffer) => (this.log.answered += piece.toString('latin1')));
    inner.pipe(outer).pipe(inner);
    inner.on('close', () => outer.destroy());
    outer.on('close', () => inner.destroy());
  }

  private keep(socket: Socket): void {
    this.sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => this.sockets.delete(socket));
  }
}
