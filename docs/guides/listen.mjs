// Listen to the hub from another system: log in, connect, subscribe, survive what comes.
//
//   npm install centrifuge ws
//   node listen.mjs http://127.0.0.1:8000 zhuomuqing 'password' news sys

import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

const [hub, username, password, ...channels] = process.argv.slice(2);

async function call(path, body = {}, bearer) {
  const headers = { 'Content-Type': 'application/json' };
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  const reply = await fetch(hub + path, { method: 'POST', headers, body: JSON.stringify(body) });
  const answer = await reply.json();
  if (!reply.ok) throw new Error(`${answer.code}: ${answer.msg}`);
  return answer;
}

const login = await call('/api/v1/session', { username, password });

const client = new Centrifuge(hub.replace(/^http/, 'ws') + '/connection/websocket', {
  websocket: WebSocket,
  // Asked again whenever the old one is about to end.
  getToken: async () => (await call('/api/v1/realtime/token', {}, login.token)).token,
});

for (const channel of channels) {
  client
    .newSubscription(channel)
    .on('subscribed', (ctx) =>
      console.log('subscribed', channel, ctx.wasRecovering && !ctx.recovered ? 'missed some' : ''),
    )
    .on('publication', (ctx) => console.log(channel, ctx.offset, JSON.stringify(ctx.data)))
    .on('unsubscribed', (ctx) => console.log('unsubscribed', channel, ctx.code, ctx.reason))
    .subscribe();
}

client.on('disconnected', (ctx) => console.log('disconnected', ctx.code, ctx.reason)).connect();
