import { BrowserSafe, ticketIn } from '@daibiao/shared';
import type { Ticket } from '@daibiao/shared';
import { createApp } from 'vue';

import App from './App.vue';
import Setup from './Setup.vue';
import { probe, refusal, Wall } from './wall.js';
import '@daibiao/shared/ribbon.css';
import './screen.css';

interface Place extends Partial<Ticket> {
  readonly meetingId: string;
  readonly gate: string;
}

/** `#m=<meeting>&g=<gate>` without a token: the wall of somebody of the staff who is logged in. */
function placeIn(hash: string): { readonly meetingId: string; readonly gate: string } | undefined {
  const said = new URLSearchParams(hash.slice(1));
  const meetingId = said.get('m') ?? '';
  return /^[0-9A-Z]{26}$/.test(meetingId) ? { meetingId, gate: said.get('g') ?? '' } : undefined;
}

async function start(): Promise<void> {
  const said = placeIn(location.hash);
  const given = ticketIn(location.hash);
  if (said && !given) {
    show({ ...said });
    return;
  }
  if (!globalThis.crypto?.subtle) throw new Error('本页需要 HTTPS：没有它，令牌无法加密保存');
  const safe = await BrowserSafe.open('daibiao-screen', ['kept']);
  const enter = async (ticket: Ticket, gate = ''): Promise<void> => {
    await probe(ticket);
    const place: Place = { ...ticket, gate };
    await safe.change({ put: { kept: [['place', place]] } });
    // A token in the address bar would be in everybody's sight.
    history.replaceState(undefined, '', location.pathname);
    location.reload();
  };
  const kept = await safe.get<Place>('kept', 'place');
  const refused = given ? await enter(given, said?.gate).then(() => '', refusal) : '';
  if (given && !refused) return;
  if (kept && !given) show(kept, () => void safe.change({ clear: ['kept'] }));
  else createApp(Setup, { enter, said: refused }).mount('#app');
}

function show(place: Place, gone?: () => void): void {
  const wall = new Wall(place.meetingId, place.token, place.gate, gone);
  createApp(App, { wall }).mount('#app');
  wall.start();
  const stay = (): void => void (document.hidden || navigator.wakeLock?.request('screen').catch(() => undefined));
  document.addEventListener('visibilitychange', stay);
  stay();
}

start().catch((error: unknown) => {
  const place = document.getElementById('app');
  if (place) place.textContent = error instanceof Error ? error.message : String(error);
});
