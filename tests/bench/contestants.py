"""Who is compared: the hub, the C loop that is the limit, plain Tornado, and peers of the field."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.rig import BUILD, HERE, PEERS, Contestant, installed, tool

SERVERS = HERE / "servers"
BODY = ("--pub-body", '{"text":"%M"}')


def hub_client(channel: str = "room:1") -> list[str]:
    return [
        *("--path", "/connection/websocket", "--heartbeat", "centrifugo"),
        *("--open", '{"id":1,"connect":{}}'),
        *("--open", f'{{"id":2,"subscribe":{{"channel":"{channel}"}}}}', "--ready", '"id":2'),
        *("--pub-http", f"/publish?channel={channel}", *BODY),
    ]


def hub(
    *, channel: str = "room:1", transport: str = "door", name: str = "", ping: int = 25
) -> Contestant:
    script = str(SERVERS / "hub.py")
    options = ("--transport", transport, "--ping", str(ping))
    return Contestant(
        name or f"hub ({transport})".replace(" (door)", ""),
        lambda port: [sys.executable, script, str(port), *options],
        hub_client(channel),
    )


C_LOOP = Contestant(
    "C send loop",
    lambda port: [str(tool("cfan")), str(port)],
    ["--path", "/ws", "--pub-http", "/publish", "--pub-body", "%M"],
)

WRITE_MESSAGE = Contestant(
    "Tornado write_message",
    lambda port: [sys.executable, str(SERVERS / "tornado_plain.py"), str(port)],
    [
        *("--path", "/connection/websocket", "--open", "x", "--ready", '"id":2'),
        *("--pub-http", "/publish", *BODY),
    ],
)


def _python(script: str, port: int) -> Sequence[str] | None:
    python = PEERS / "venv" / "bin" / "python"
    return [str(python), str(SERVERS / script), str(port)] if python.exists() else None


WEBSOCKETS = Contestant(
    "websockets broadcast()",
    lambda port: _python("websockets_broadcast.py", port),
    ["--path", "/", "--open", "subscribe", "--ready", '"id":2', "--pub-ws", *BODY],
)

PYTHON_SOCKETIO = Contestant(
    "python-socketio (uvicorn)",
    lambda port: _python("python_socketio.py", port),
    [
        *("--path", "/socket.io/?EIO=4&transport=websocket", "--open", "40"),
        *("--heartbeat", "eio", "--ready", "40{", "--pub-http", "/publish", *BODY),
    ],
)


def _node(port: int) -> Sequence[str] | None:
    modules = PEERS / "node_modules"
    node = installed(Path("node"))
    if node is None or not (modules / "ws").exists():
        return None
    return [str(node), str(SERVERS / "node_ws.cjs"), str(port)]


NODE_WS = Contestant(
    "npm ws",
    _node,
    ["--path", "/", "--open", "x", "--ready", '"id":2', "--pub-http", "/publish", *BODY],
    env={"NODE_PATH": str(PEERS / "node_modules")},
)


def _nats(port: int) -> Sequence[str] | None:
    binary = installed(PEERS / "deb" / "usr" / "sbin" / "nats-server")
    if binary is None:
        return None
    config = BUILD / f"nats-{port}.conf"
    config.write_text(
        f"listen: 127.0.0.1:{port + 1}\nmax_connections: 20000\n"
        f"websocket {{ listen: '127.0.0.1:{port}', no_tls: true }}\n"
    )
    return [str(binary), "-c", str(config)]


NATS = Contestant(
    "nats-server ws",
    _nats,
    [
        *(
            "--path",
            "/",
            "--open",
            'CONNECT {"verbose":false,"pedantic":false}\\r\\nSUB room.1 1\\r\\nPING\\r\\n',
        ),
        *("--ready", "PONG", "--pub-tcp", "--pub-port", "{port+1}"),
        *(
            "--pub-hello",
            'CONNECT {"verbose":false}\\r\\n',
            "--pub-body",
            "PUB room.1 %L\\r\\n%M\\r\\n",
        ),
    ],
    env={"GOMAXPROCS": "1"},
)


def _nchan(port: int) -> Sequence[str] | None:
    binary = installed(PEERS / "deb" / "usr" / "sbin" / "nginx")
    module = PEERS / "deb" / "usr" / "lib" / "nginx" / "modules" / "ngx_nchan_module.so"
    if binary is None or not module.exists():
        return None
    config = BUILD / f"nchan-{port}.conf"
    config.write_text(
        f"""load_module {module};
daemon off; worker_processes 1; worker_rlimit_nofile 20000;
pid {BUILD}/nchan-{port}.pid; error_log stderr error;
events {{ worker_connections 16000; }}
http {{
  access_log off; keepalive_requests 1000000;
  client_body_temp_path {BUILD}/nchan/body; proxy_temp_path {BUILD}/nchan/proxy;
  fastcgi_temp_path {BUILD}/nchan/fastcgi; uwsgi_temp_path {BUILD}/nchan/uwsgi;
  scgi_temp_path {BUILD}/nchan/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location /sub {{
      client_body_temp_path {BUILD}/nchan/body;
      nchan_subscriber websocket; nchan_channel_id room1; nchan_subscriber_first_message newest;
    }}
    location /publish {{
      client_body_temp_path {BUILD}/nchan/body;
      nchan_publisher; nchan_channel_id room1; nchan_message_buffer_length 100;
    }}
  }}
}}
"""
    )
    (BUILD / "nchan").mkdir(exist_ok=True)
    return [str(binary), "-p", str(BUILD), "-c", str(config)]


NCHAN = Contestant(
    "nginx nchan", _nchan, ["--path", "/sub", "--settle", "1", "--pub-http", "/publish", *BODY]
)


def _centrifugo(port: int) -> Sequence[str] | None:
    binary = installed(PEERS / "centrifugo")
    if binary is None:
        return None
    room = {"name": "room", "history_size": 100, "history_ttl": "300s"}
    config = BUILD / f"centrifugo-{port}.json"
    config.write_text(
        json.dumps(
            {
                "client": {"insecure": True, "allowed_origins": ["*"]},
                "channel": {
                    "namespaces": [{**room, "force_recovery": True, "force_positioning": True}]
                },
                "http_api": {"insecure": True},
                "http_server": {"address": "127.0.0.1", "port": str(port)},
                "log": {"level": "error"},
            }
        )
    )
    return [str(binary), "-c", str(config)]


CENTRIFUGO = Contestant(
    "Centrifugo 6",
    _centrifugo,
    [
        *hub_client()[:-4],
        *("--pub-http", "/api/publish"),
        *("--pub-body", '{"channel":"room:1","data":{"text":"%M"}}'),
    ],
    env={"GOMAXPROCS": "1"},
)
"""The same protocol, the same promises: history of 100, recovery and positions on, one core."""

PEER_LIST = (CENTRIFUGO, WEBSOCKETS, PYTHON_SOCKETIO, NODE_WS, NATS, NCHAN)
