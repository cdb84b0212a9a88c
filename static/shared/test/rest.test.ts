/** The REST interface with a hub that says what a test tells it to. */

import { describe, expect, expectTypeOf, it, vi } from 'vitest';

import { ApiError, Rest } from '../src/index.js';
import type { Answer } from '../src/index.js';

function hub(status: number, body: unknown, headers: Record<string, string> = {}) {
  const fetch = vi.fn<typeof globalThis.fetch>(() =>
    Promise.resolve(new Response(body === undefined ? null : JSON.stringify(body), { status, headers })));
  return { fetch, rest: new Rest({ hub: 'http://hub', bearer: 't', fetch }) };
}

describe('the REST interface', () => {
  it('fills addresses and leaves out what was not asked', async () => {
    const { fetch, rest } = hub(200, {});
    await rest.get('/api/v1/meetings/{meeting_id}/hall-code', {
      path: { meeting_id: 'a/b' }, query: { gate: '东', draw: undefined },
    });
    expect(fetch.mock.calls[0]?.[0]).toBe('http://hub/api/v1/meetings/a%2Fb/hall-code?gate=%E4%B8%9C');
  });

  it('knows what an address answers', () => {
    expectTypeOf<Answer<'GET', '/api/v1/me'>>().toHaveProperty('name').toBeString();
    expectTypeOf<Answer<'POST', '/api/v1/scans/claims'>>().toHaveProperty('claim').toBeString();
    expectTypeOf<Answer<'DELETE', '/api/v1/session'>>().toBeUndefined();
  });

  it('answers nothing where the hub answers nothing', async () => {
    await expect(hub(204, undefined).rest.delete('/api/v1/session')).resolves.toBeUndefined();
  });

  it('throws the refusal with its words, its detail and how long to wait', async () => {
    const said = { code: 'rate_limited', msg: '操作过于频繁', detail: { retry_after: 7 } };
    const refused = hub(429, said, { 'Retry-After': '7' }).rest.get('/api/v1/me');
    await expect(refused).rejects.toBeInstanceOf(ApiError);
    await expect(refused).rejects.toMatchObject({
      status: 429, code: 'rate_limited', message: '操作过于频繁', retryAfter: 7, detail: { retry_after: 7 },
    });
  });

  it('has words of its own for what is no answer of the hub', async () => {
    const rest = new Rest({ hub: '', bearer: '', fetch: () => Promise.resolve(new Response('<html>', { status: 502 })) });
    await expect(rest.get('/api/v1/me')).rejects.toMatchObject({ code: 'http_502', status: 502, unreachable: false });
  });

  it('says that the hub cannot be reached, after its patience at the latest', async () => {
    const deaf: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('aborted'))));
    const rest = new Rest({ hub: '', bearer: '', fetch: deaf, patience: 10 });
    await expect(rest.get('/api/v1/me')).rejects.toMatchObject({ code: 'unreachable', unreachable: true });
  });

  it('shows the page’s token with everything that changes something', async () => {
    vi.stubGlobal('document', { cookie: 'a=1; daibiao_csrf=abc' });
    const fetch = vi.fn<typeof globalThis.fetch>(() => Promise.resolve(new Response('{}')));
    const rest = new Rest({ hub: '', fetch });
    await rest.get('/api/v1/me');
    await rest.post('/api/v1/scans/claims', { code: 'x' });
    vi.unstubAllGlobals();
    const [looked, changed] = fetch.mock.calls.map(([, init]) => init?.headers as Record<string, string>);
    expect([looked?.['X-CSRF-Token'], changed?.['X-CSRF-Token']]).toEqual([undefined, 'abc']);
  });
});
