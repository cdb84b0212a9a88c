import { ticketIn } from '@daibiao/shared';
import { createApp } from 'vue';

import App from './App.vue';
import { Gate } from './gate.js';
import { openSafe } from './safe.js';
import { wakeSound } from './sound.js';
import '@daibiao/shared/ribbon.css';
import './gate.css';

async function start(): Promise<void> {
  if (!globalThis.crypto?.subtle) throw new Error('本页需要 HTTPS：没有它，令牌和名单无法加密保存');
  const gate = new Gate(await openSafe(), { origin: location.origin });
  const given = ticketIn(location.hash);
  // A token in the address bar would be in everybody's sight, and in the history.
  if (location.hash) history.replaceState(undefined, '', location.pathname);
  await gate.start();
  const refused = given && (await gate.setUp(given.token, given.meetingId).then(() => undefined, (error: unknown) => error));
  createApp(App, { gate }).mount('#app');
  if (refused) gate.state.problem = refused instanceof Error ? refused.message : String(refused);
  window.addEventListener('pointerdown', wakeSound, { once: true });
  if (navigator.serviceWorker && import.meta.env.PROD) await navigator.serviceWorker.register('/gate/sw.js', { scope: '/gate/' });
  await navigator.storage?.persist?.();
  await awake();
}

/** A scanner that sleeps scans nothing. */
async function awake(): Promise<void> {
  const stay = (): void => void (document.hidden || navigator.wakeLock?.request('screen').catch(() => undefined));
  document.addEventListener('visibilitychange', stay);
  stay();
}

start().catch((error: unknown) => {
  const place = document.getElementById('app');
  if (place) place.textContent = error instanceof Error ? error.message : String(error);
});
