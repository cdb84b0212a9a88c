// npm ws, the broadcast of its README: node_ws.cjs PORT
const http = require("http");
const { WebSocketServer } = require("ws");
let offset = 0;
const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    offset += 1;
    const data = Buffer.concat(parts).toString();
    const push = `{"push":{"channel":"room:1","pub":{"data":${data},"offset":${offset}}}}`;
    for (const client of sockets.clients) client.send(push);
    response.end("ok");
  });
});
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket) => {
  socket.on("message", () => socket.send('{"id":2,"subscribe":{}}'));
  socket.on("error", () => {});
});
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 4096 });
