import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Acks } from '../src/acks.js';
import { RpcError } from '../src/errors.js';

const unreachable = new RpcError({ code: 'unreachable', msg: '' }, true);
const refusal = new RpcError({ code: 'not_found', msg: '' });

function acks(path?: string) {
  const rpc = vi.fn<(method: string, params: unknown) => Promise<unknown>>().mockResolvedValue({});
  const post = vi.fn<(path: string, body: unknown) => Promise<boolean>>().mockResolvedValue(true);
  const refused = vi.fn();
  const made = new Acks({ rpc, post }, { method: 'notice.read', refused, ...(path && { path }) });
  return { acks: made, rpc, post, refused };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('receipts', () => {
  it('are gathered for a moment and said in one call', async () => {
    const { acks: made, rpc } = acks();
    made.add('1');
    made.add('2', '1');
    expect(rpc).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(rpc.mock.calls).toEqual([['notice.read', { ids: ['1', '2'] }]]);
    expect(made.size).toBe(0);
  });

  it('go a hundred at a time', async () => {
    const { acks: made, rpc } = acks();
    made.add(...Array.from({ length: 250 }, (_, n) => `${n}`));
    await vi.advanceTimersByTimeAsync(200);
    const sizes = rpc.mock.calls.map(([, params]) => (params as { ids: string[] }).ids.length);
    expect(sizes).toEqual([100, 100, 50]);
  });

  it('are kept while the hub cannot be reached, and said when the link is back', async () => {
    const { acks: made, rpc } = acks();
    rpc.mockRejectedValueOnce(unreachable);
    made.add('1');
    await vi.advanceTimersByTimeAsync(200);
    expect(made.size).toBe(1);
    await made.flush();
    expect(rpc).toHaveBeenCalledTimes(2);
    expect(made.size).toBe(0);
  });

  it('are said again by themselves after an answer that was lost', async () => {
    const { acks: made, rpc } = acks();
    rpc.mockRejectedValueOnce(unreachable);
    made.add('1');
    await vi.advanceTimersByTimeAsync(200 + 5000);
    expect(rpc).toHaveBeenCalledTimes(2);
    expect(made.size).toBe(0);
  });

  it('are given up when the hub refuses them', async () => {
    const { acks: made, rpc, refused } = acks();
    rpc.mockRejectedValueOnce(refusal);
    made.add('1');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(rpc).toHaveBeenCalledTimes(1);
    expect(refused).toHaveBeenCalledWith(['1'], refusal);
  });

  it('are posted when the page is left, also those whose answer is awaited', async () => {
    const { acks: made, rpc, post } = acks('/api/v1/notices/read');
    rpc.mockReturnValue(new Promise(() => undefined));
    made.add('1');
    await vi.advanceTimersByTimeAsync(200);
    made.add('2');
    made.farewell();
    expect(post.mock.calls).toEqual([['/api/v1/notices/read', { ids: ['1', '2'] }]]);
    await vi.advanceTimersByTimeAsync(0);
    expect(made.size).toBe(0);
  });

  it('are kept when the post was not taken, for a page that comes back', async () => {
    const { acks: made, post } = acks('/api/v1/notices/read');
    post.mockResolvedValue(false);
    made.add('1');
    made.farewell();
    await vi.advanceTimersByTimeAsync(0);
    expect(made.size).toBe(1);
  });

  it('are said at once over the connection where there is no address to post to', () => {
    const { acks: made, rpc } = acks();
    made.add('1');
    made.farewell();
    expect(rpc).toHaveBeenCalledTimes(1);
  });
});
