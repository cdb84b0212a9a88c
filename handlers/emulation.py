"""``/emulation``: commands of a client whose connection is a response that never ends.

They may reach any process; the one that has the connection is told over the control channel, so
no balancer needs to remember who went where.
"""

from __future__ import annotations

import msgspec

from handlers.stream import OCTETS, CrossOriginHandler
from realtime import control
from realtime.codec import BadMessage
from realtime.codec.protobuf import read_emulation


class _Body(msgspec.Struct):
    session: str
    node: str
    data: str


_decoder = msgspec.json.Decoder(_Body)


class EmulationHandler(CrossOriginHandler):
    """``POST /emulation``."""

    async def post(self) -> None:
        """Pass commands on to the connection they belong to."""
        try:
            node, session, payload = self._read()
        except BadMessage:
            self.refuse(400, "unreadable")
            return
        if node == self.hub.broker.node_id:
            # A session that has just ended is no error: its last words cross its farewell.
            if connection := self.hub.sessions.get(session):
                connection.receive(payload)
        elif node in await self.hub.broker.nodes():
            await control.tell(self.hub, control.Forward(session, payload), node=node)
        else:
            self.refuse(404, "unknown node")
            return
        self.set_status(204)

    def _read(self) -> tuple[str, str, bytes]:
        if self.request.headers.get("Content-Type", "").startswith(OCTETS):
            return read_emulation(self.request.body)
        try:
            body = _decoder.decode(self.request.body)
        except msgspec.MsgspecError as error:
            raise BadMessage(str(error)) from error
        return body.node, body.session, body.data.encode()
