/** Keeps the page itself for when there is no network: its own built files, and nothing of the hub's. */

interface Extendable extends Event {
  waitUntil(done: Promise<unknown>): void;
}

interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}

interface Worker {
  skipWaiting(): Promise<void>;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: 'install' | 'activate', hear: (event: Extendable) => void): void;
  addEventListener(type: 'fetch', hear: (event: Fetching) => void): void;
}

/** Filled in by the build: the files of the page, and a name that changes with them. */
declare const __FILES__: readonly string[];
declare const __BUILD__: string;

const me = globalThis as unknown as Worker;
const HOME = '/gate/';
const CACHE = `gate-${__BUILD__}`;

async function keep(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll([HOME, ...__FILES__.map((it) => HOME + it)]);
  await me.skipWaiting();
}

async function tidy(): Promise<void> {
  const old = (await caches.keys()).filter((it) => it.startsWith('gate-') && it !== CACHE);
  await Promise.all(old.map((it) => caches.delete(it)));
  await me.clients.claim();
}

async function answer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request.mode === 'navigate' ? HOME : request, { ignoreVary: true });
  return kept ?? fetch(request);
}

me.addEventListener('install', (event) => event.waitUntil(keep()));
me.addEventListener('activate', (event) => event.waitUntil(tidy()));
me.addEventListener('fetch', (event) => {
  const { origin, pathname } = new URL(event.request.url);
  // The hub's own addresses are none of our business: what they answer is never kept.
  if (event.request.method !== 'GET' || origin !== location.origin || !pathname.startsWith(HOME)) return;
  if (pathname === `${HOME}sw.js`) return;
  event.respondWith(answer(event.request));
});
