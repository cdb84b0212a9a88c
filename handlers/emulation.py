"""``/emulation``: commands of a client whose connection is a response that never ends.

They may reach any process; the one that has the connection is told over the control channel, so
no balancer needs to remember who went where.
"""

from __future__ import annotations

import msgspec

from handlers.stream import OCTETS, CrossOriginHandler
from realtime import control
from realtime.broker import BrokerDown
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
        else:
            try:
                known = await self._pass_on(node, session, payload)
            except BrokerDown:
                # The broker's own task has said so; the SDK's command runs out and it comes back.
                self.refuse(503, "the broker is away")
                return
            if not known:
                self.refuse(404, "unknown node")
                return
        self.set_status(204)

    async def _pass_on(self, node: str, session: str, payload: bytes) -> bool:
        """Tell the process that has the connection; ``False`` if there is no such process."""
        if node not in await self.hub.broker.nodes():
            return False
        await control.tell(self.hub, control.Forward(session, payload), node=node)
        return True

    def _read(self) -> tuple[str, str, bytes]:
        if self.request.headers.get("Content-Type", "").startswith(OCTETS):
            return read_emulation(self.request.body)
        try:
            body = _decoder.decode(self.request.body)
        except msgspec.MsgspecError as error:
            raise BadMessage(str(error)) from error
        return body.node, body.session, body.data.encode()
