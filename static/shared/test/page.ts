/** The page of browser.test.ts: logs in, reads the news, and shows the banner. */

import { Realtime } from '../src/index.js';

const show = (id: string, text: string): void => {
  const element = document.getElementById(id);
  if (element) element.textContent = text;
};

async function start(): Promise<void> {
  const { username, password } = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  const reply = await fetch('/api/v1/session', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  if (!reply.ok) throw new Error(`login: ${reply.status}`);
  const transport = new URLSearchParams(location.search).get('transport');
  const hub = new Realtime({
    transports: transport === 'http_stream' ? ['http_stream'] : ['websocket', 'http_stream'],
    sdk: { maxReconnectDelay: 1000 },
  });
  const heard: string[] = [];
  const since = performance.now();
  const states: [string, number][] = [];
  hub.onLink(({ state }) => {
    states.push([state, performance.now() - since]);
    show('link', state);
    show('states', JSON.stringify(states));
  });
  hub.open('news', {
    snapshot: () => Promise.resolve('there'),
    show: (state) => show('snapshot', state),
    apply: ({ id }) => show('heard', (heard.push(id), heard.join(' '))),
  });
  hub.connect();
  // Any address with a CSRF check will do: what is proven is that the post gets there and gets in.
  hub.acks({ method: 'test.read', path: '/api/v1/realtime/token' }).add('n1', 'n2');
}

start().catch((error: unknown) => show('link', String(error)));
