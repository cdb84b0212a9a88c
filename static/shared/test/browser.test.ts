/** The connection in a real Chromium, logged in by cookie, through a network that is cut. */

import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import type { Browser, Page } from 'playwright-core';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { house, tell } from './house.js';
import type { House } from './house.js';
import { Proxy } from './proxy.js';

const hub = house() as House;
const executablePath = process.env.CHROMIUM;
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];
const HTML =
  '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><p id="link"></p><p id="states"></p>' +
  '<p id="snapshot"></p><p id="heard"></p><script src="/front.js"></script>';

describe.skipIf(!house() || !executablePath)('in Chromium', () => {
  let browser: Browser;
  let script: string;
  let proxy: Proxy;
  let page: Page;

  beforeAll(async () => {
    const entry = fileURLToPath(new URL('./page.ts', import.meta.url));
    const bundle = await build({
      entryPoints: [entry], bundle: true, write: false, format: 'iife', target: 'es2020',
    });
    script = bundle.outputFiles[0]?.text ?? '';
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: FLAGS });
    return () => browser.close();
  }, 120_000);

  beforeEach(async () => {
    proxy = await Proxy.before(hub.url);
    const context = await browser.newContext();
    page = await context.newPage();
    // The page comes from the hub's own origin, so that cookie, CSRF and origin checks are real.
    await page.route('**/front.html*', (route) => route.fulfill({ contentType: 'text/html', body: HTML }));
    await page.route('**/front.js', (route) => route.fulfill({ contentType: 'text/javascript', body: script }));
  });

  afterEach(async () => {
    await page.context().close();
    await proxy.close();
  });

  const shows = (id: string, text: string): Promise<void> =>
    expect.poll(() => page.textContent(`#${id}`), { timeout: 40_000, interval: 50 }).toBe(text);

  const states = async (): Promise<[string, number][]> =>
    JSON.parse((await page.textContent('#states')) ?? '[]') as [string, number][];

  const open = async (transport: string): Promise<void> => {
    const { username, password } = hub;
    const person = new URLSearchParams({ username, password });
    await page.goto(`${proxy.url}/front.html?transport=${transport}#${person.toString()}`);
    await shows('link', 'up');
    await shows('snapshot', 'there');
  };

  it.each(['websocket', 'http_stream'])(
    'a cut over %s shows the banner after five seconds, not before, and loses nothing',
    async (transport) => {
      await open(transport);
      const heard = [await tell(hub, 'news')];
      await shows('heard', heard.join(' '));

      proxy.cut();
      heard.push(await tell(hub, 'news'), await tell(hub, 'news'));
      await shows('link', 'down');
      proxy.mend();
      await shows('link', 'up');
      heard.push(await tell(hub, 'news'));
      await shows('heard', heard.join(' '));

      const log = await states();
      expect(log.map(([state]) => state)).toEqual(['up', 'waiting', 'down', 'up']);
      const [, [, lost] = [], [, banner] = []] = log;
      expect(Number(banner) - Number(lost)).toBeGreaterThanOrEqual(4_990);
      expect(Number(banner) - Number(lost)).toBeLessThan(10_000);
    },
    120_000,
  );

  it('a page that is left posts its receipts, and the hub takes them', async () => {
    // The connection never comes about, so that nothing was confirmed before the page is left.
    const { username, password } = hub;
    await page.route('**/connection/**', (route) => route.abort());
    await page.routeWebSocket('**/connection/**', (socket) => socket.close());
    await page.goto(`${proxy.url}/front.html#${new URLSearchParams({ username, password }).toString()}`);
    await shows('link', 'down');
    proxy.log.asked = proxy.log.answered = '';
    await page.goto('about:blank');
    await expect.poll(() => proxy.log.asked, { timeout: 20_000 }).toContain('{"ids":["n1","n2"]}');
    expect(proxy.log.asked).toMatch(/^POST \/api\/v1\/realtime\/token /m);
    await expect.poll(() => proxy.log.answered, { timeout: 20_000 }).toMatch(/^HTTP\/1\.1 200 /);
  }, 120_000);

  it('a short cut shows no banner', async () => {
    await open('websocket');
    proxy.cut();
    await shows('link', 'waiting');
    const missed = await tell(hub, 'news');
    proxy.mend();
    await shows('heard', missed);
    expect((await states()).map(([state]) => state)).toEqual(['up', 'waiting', 'up']);
  }, 120_000);
});
