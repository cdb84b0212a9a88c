// One session of the official JavaScript SDK: connect, subscribe, publish, history, presence.
//
//   node session.mjs PORT TRANSPORT CODEC     prints one JSON line of what it saw

import { Centrifuge } from 'centrifuge';
import { Centrifuge as CentrifugeProtobuf } from 'centrifuge/build/protobuf';
import EventSource from 'eventsource';
import WebSocket from 'ws';

const [port, transport, codec] = process.argv.slice(2);
const base = `127.0.0.1:${port}`;
const endpoint =
  transport === 'websocket'
    ? `ws://${base}/connection/websocket`
    : `http://${base}/connection/${transport}`;

// A first transport that is blocked: the SDK must fall back to the next one.
const transports =
  transport === 'websocket'
    ? [{ transport, endpoint }]
    : [
        { transport: 'websocket', endpoint: 'ws://127.0.0.1:9/blocked' },
        { transport, endpoint },
      ];

const Client = codec === 'protobuf' ? CentrifugeProtobuf : Centrifuge;
const client = new Client(transports, {
  websocket: WebSocket,
  fetch,
  readableStream: ReadableStream,
  eventsource: EventSource,
  emulationEndpoint: `http://${base}/emulation`,
});
const bytes = (data) =>
  codec === 'protobuf' ? new TextEncoder().encode(JSON.stringify(data)) : data;
const plain = (data) =>
  codec === 'protobuf' ? JSON.parse(new TextDecoder().decode(data)) : data;

const connected = new Promise((resolve) => client.on('connected', resolve));
client.connect();
const hello = await connected;

const sub = client.newSubscription('session');
const heard = new Promise((resolve) => sub.on('publication', resolve));
sub.subscribe();
await sub.ready(5000);
await sub.publish(bytes({ text: '你好，代表' }));
const publication = await heard;
const history = await sub.history({ limit: 10 });
const presence = await sub.presenceStats();
client.disconnect();

console.log(
  JSON.stringify({
    transport: hello.transport,
    data: plain(publication.data),
    offset: publication.offset,
    history: history.publications.map((one) => plain(one.data)),
    clients: presence.numClients,
  }),
);
process.exit(0);
