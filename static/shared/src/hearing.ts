/** Transports that tell when anything was heard: the SDK knows, but does not say.
 *
 * Pings count, so silence for longer than a ping means a dead link, whatever the socket believes.
 */

export type Fetch = typeof globalThis.fetch;
export type SocketClass = new (url: string | URL, protocols?: string | string[]) => WebSocket;

/** A WebSocket class that calls `heard` for every message. */
export function hearingSocket(base: SocketClass, heard: () => void): SocketClass {
  return class extends base {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener('message', heard);
    }
  };
}

/** A `fetch` that calls `heard` for every piece of a stream, and never rejects for `emulation`.
 *
 * The SDK drops the promise of an emulated command and waits for the reply on the stream; without
 * a network that would be an unhandled rejection for each.
 */
export function hearingFetch(base: Fetch, emulation: string, heard: () => void): Fetch {
  return async (input, init) => {
    if (input === emulation) return base(input, init).catch(() => Response.error());
    const response = await base(input, init);
    if (!response.body) return response;
    const listening = new TransformStream<Uint8Array, Uint8Array>({
      transform(piece, controller) {
        heard();
        controller.enqueue(piece);
      },
    });
    const { status, statusText, headers } = response;
    return new Response(response.body.pipeThrough(listening), { status, statusText, headers });
  };
}
