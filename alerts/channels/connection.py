"""One connection to an MQTT broker, from its first byte to its last; it is never used again. It knows no alert.

paho does the protocol, in a thread of this connection's own that is always asked for its end. Nothing of paho's memory is relied
on: its client is thrown away with the connection, so that it never sends again by itself what the outbox sends again anyway, and
never holds more than what is on its way. Callbacks only hand values to the event loop. The thread alone writes to the socket.
"""

import array
import asyncio
import fcntl
import logging
import socket
import termios
import threading
from collections.abc import Callable, Mapping

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from alerts.channels.listening import DEAF, Ears, Inbox
from alerts.channels.mqtt_settings import MqttSettings, Protocol
from alerts.channels.packet import Ack, Message

MAX_ON_THE_WAY = 20
"""Messages that wait for their PUBACK: mosquitto's limit, unless the broker says that its own is lower."""
CONNECT_S = 5.0
QOS = 1
LOOKS_EVERY_S = 0.005
UNSPECIFIED = 0x80
TOO_LARGE = 0x95
OVERHEAD = 256
"""Bytes of a publish beside its topic and payload, at most."""
LARGEST_HEARD = 64 * 1024
"""The broker keeps from us what is larger (version 5)."""

log = logging.getLogger("omniwatch.mqtt")


class Connection:
    """One connection. Everything here but `_work` and the callbacks belongs to the event loop."""

    def __init__(self, settings: MqttSettings, client_id: str, will: Message | None, ears: Ears = DEAF, *, hears_itself: bool = False) -> None:
        """Nothing happens before `start`. `hears_itself`: what it publishes comes back where it listens (3.1.1 knows no other way)."""
        self.accepted: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """'' once the broker has accepted us; else why not."""
        self.greeting: Ack | None = None
        """The broker's own word on that; None where it said nothing."""
        self.listening: asyncio.Future[Mapping[str, Ack]] = asyncio.get_running_loop().create_future()
        """The broker's word on each topic that is listened to; nothing where the connection ended before it came."""
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why it ended, once it has."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Ack | None]] = {}
        self._room = asyncio.Semaphore(MAX_ON_THE_WAY)
        self._largest: int | None = None
        self._topics = tuple(ears)
        self._hears_itself = hears_itself
        self._inbox = Inbox(ears)
        self._dropped = ""
        self._heard = ""
        self._client = self._new_client(client_id, will)

    def start(self) -> None:
        """Connect, in a thread that ends with the connection."""
        threading.Thread(target=self._work, name="mqtt", daemon=True).start()

    async def publish(self, message: Message) -> Ack | None:
        """The broker's word on `message`; None where the connection ended before it came. In the order of the calls.

        Of one that may be lost it is the kernel's: it has taken the last byte.
        """
        async with self._room:
            if self.ended.done() or not self.accepted.done():
                return None
            if self._largest is not None and len(message.topic.encode()) + len(message.payload) + OVERHEAD > self._largest:
                return Ack(code=TOO_LARGE, name="Packet too large")  # sent, it would end the connection, again and again
            properties = self._properties(PacketTypes.PUBLISH, message) if self._settings.protocol is Protocol.V5 else None
            qos = 0 if message.may_be_lost else QOS
            info = self._client.publish(message.topic, message.payload, qos, message.retain, properties)
            if info.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                return None
            waiting: asyncio.Future[Ack | None] = self._loop.create_future()
            self._waiting[info.mid] = waiting
            return await waiting

    async def wait_idle(self) -> None:
        """Wait until the other end has all that was published, and has said so where it is to."""
        while self._waiting or self._unsent():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(LOOKS_EVERY_S)

    async def wait_sent(self) -> None:
        """Wait until the other end has all that the kernel has taken."""
        while self._unsent():  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(LOOKS_EVERY_S)

    def _unsent(self) -> int:
        """Bytes that the kernel has taken, and the other end's kernel has not yet acknowledged."""
        end, count = self._client.socket(), array.array("i", [0])
        if isinstance(end, socket.socket):
            try:
                fcntl.ioctl(end, termios.TIOCOUTQ, count)
            except OSError as error:
                log.debug("it has ended already: %s", error)
        return count[0]

    @property
    def missed(self) -> int:
        """Messages that came faster than they could be heard."""
        return self._inbox.missed

    def leave(self) -> None:
        """Say goodbye, so that the broker does not publish the last will."""
        self._client.disconnect()

    def drop(self, reason: str) -> None:
        """Give the connection up where the other end no longer answers. The thread sees its socket end."""
        self._dropped = self._dropped or reason
        end = self._client.socket()
        if isinstance(end, socket.socket):
            try:
                socket.socket.shutdown(end, socket.SHUT_RDWR)  # past ssl, which would need the other end for it
            except OSError as error:
                log.debug("it has ended already: %s", error)

    def _new_client(self, client_id: str, will: Message | None) -> paho.Client:
        v5 = self._settings.protocol is Protocol.V5
        version = paho.MQTTv5 if v5 else paho.MQTTv311
        clean = None if v5 else True
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id, clean, protocol=version, reconnect_on_failure=False)
        client.suppress_exceptions = True
        client.connect_timeout = CONNECT_S
        if will is not None:
            client.will_set(will.topic, will.payload, QOS, will.retain, self._properties(PacketTypes.WILLMESSAGE, will) if v5 else None)
        if self._settings.username is not None:
            client.username_pw_set(self._settings.username, self._settings.password.reveal() if self._settings.password else None)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_log = self._on_log
        client.on_socket_open = _without_delay
        client.on_socket_register_write = _left_to_the_thread
        return client

    @staticmethod
    def _properties(packet: int, message: Message) -> Properties:
        properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho has no types here
        properties.ContentType = message.content_type
        if message.expiry_s is not None:
            properties.MessageExpiryInterval = message.expiry_s
        if message.correlation:
            properties.CorrelationData = message.correlation
        return properties

    def _greeting(self) -> Properties | None:
        """What we ask of the broker: to send us little at a time."""
        if self._settings.protocol is not Protocol.V5:
            return None
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho has no types here
        properties.MaximumPacketSize = LARGEST_HEARD
        properties.ReceiveMaximum = MAX_ON_THE_WAY
        return properties

    def _work(self) -> None:
        """The thread: connect, and go round until it ends."""
        problem = "the network thread broke"
        try:
            if self._settings.tls:  # here, because certificates that cannot be read, or have been renewed, are the world's business
                ca, certificate, key = (str(each) if each else None for each in (self._settings.ca, self._settings.certificate, self._settings.key))
                self._client.tls_set(ca, certificate, key, keyfile_password="")  # a key with a password is an error, no question to the terminal
            self._client.connect(self._settings.host, self._settings.port, self._settings.keepalive_s, properties=self._greeting())
            while not self._dropped and self._client.loop() is MQTTErrorCode.MQTT_ERR_SUCCESS:
                pass
            problem = self._heard or "the connection was lost"
        except OSError as error:
            problem = str(error)
        finally:
            self._post(self._end, problem)

    def _on_connect(self, client: paho.Client, _data: object, _flags: paho.ConnectFlags, code: ReasonCode, properties: Properties | None) -> None:
        self.greeting = Ack(code=int(code.value), name=str(code))
        if code.is_failure:
            self._heard = f"the broker refuses us: {code}"
        elif self._topics:
            self._subscribe(client)
        self._largest = getattr(properties, "MaximumPacketSize", None)
        self._post(self._accept, self._heard, getattr(properties, "ReceiveMaximum", MAX_ON_THE_WAY))

    def _subscribe(self, client: paho.Client) -> None:
        if self._settings.protocol is Protocol.V5:
            options = SubscribeOptions(QOS, noLocal=not self._hears_itself, retainAsPublished=True)
            client.subscribe([(topic, options) for topic in self._topics])
        else:
            client.subscribe([(topic, QOS) for topic in self._topics])

    def _on_disconnect(
        self, _client: paho.Client, _data: object, flags: paho.DisconnectFlags, code: ReasonCode, _properties: Properties | None
    ) -> None:
        """Comes more than once for one loss; the first word is the cause."""
        says_nothing = code.value == UNSPECIFIED and not flags.is_disconnect_packet_from_server  # paho's word for a socket that ended
        self._heard = self._heard or ("the connection was lost" if says_nothing else str(code))

    def _on_log(self, _client: paho.Client, _data: object, level: int, words: str) -> None:
        """The only place where paho tells what the socket said."""
        if level == paho.MQTT_LOG_ERR:
            self._heard = self._heard or words

    def _on_publish(self, _client: paho.Client, _data: object, mid: int, code: ReasonCode, _properties: Properties | None) -> None:
        _acknowledge(self._client.socket())
        self._post(self._settle, mid, Ack(code=int(code.value), name=str(code)))

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if self._inbox.put(message):
            self._post(self._inbox.take)

    def _on_subscribe(self, _client: paho.Client, _data: object, _mid: int, codes: list[ReasonCode], _properties: Properties | None) -> None:
        self._post(self._listen, {topic: Ack(code=int(code.value), name=str(code)) for topic, code in zip(self._topics, codes, strict=False)})

    def _post(self, call: Callable[..., None], *values: object) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *values)
        except RuntimeError:  # the loop has been closed: nobody wants to know any more
            log.debug("the network thread outlived the event loop")

    def _accept(self, refusal: str, most: int) -> None:
        self._room = asyncio.Semaphore(min(most, MAX_ON_THE_WAY))
        if not self.accepted.done():
            self.accepted.set_result(refusal)

    def _listen(self, said: Mapping[str, Ack]) -> None:
        if not self.listening.done():
            self.listening.set_result(said)

    def _settle(self, mid: int, ack: Ack) -> None:
        waiting = self._waiting.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ack)

    def _end(self, problem: str) -> None:
        reason = self._dropped or problem
        for each in (self.accepted, self.ended):
            if not each.done():
                each.set_result(reason)
        self._listen({})
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(None)
        self._waiting.clear()


def _without_delay(_client: paho.Client, _data: object, end: object) -> None:
    if isinstance(end, socket.socket):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _acknowledge(end: object) -> None:
    """Acknowledge what has come at once, for a broker that leaves Nagle's algorithm on, as mosquitto does.

    It holds the next PUBACK back until then, and the kernel waits 40 ms by default. Measured: 2,000 alarms that waited took 8.3 s;
    with this, half a second.
    """
    if isinstance(end, socket.socket):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _left_to_the_thread(_client: paho.Client, _data: object, _end: object) -> None:
    """With this callback set, `publish` does not write to the socket itself: two threads that write would mix their bytes."""
