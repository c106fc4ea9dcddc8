"""Greets the configured broker as the box would, with its name, password, certificates and version of MQTT, and leaves. Publishes nothing.

It goes under a client id of its own, since a broker throws out whoever comes second under one: the box may be running.
"""

import asyncio
import secrets
from collections.abc import Mapping

from alerts.channels.connection import Ack, Connection
from alerts.channels.mqtt_settings import MqttSettings, Protocol
from appliance.doctor.finding import Finding, Health

PATIENCE_S = 5.0

LOGIN = "compare `username`, and the file that `password: !secret` names, with the broker's own list of users (mosquitto: `password_file`)"
REFUSALS: Mapping[int, str] = {
    0x84: "the broker does not know this version of MQTT: `protocol: 3.1.1`",
    0x85: "the broker's rules must allow client ids that begin with omniwatch-",
    0x86: LOGIN,
    0x87: LOGIN,
    0x88: "the broker is up, but not ready: try again in a minute, and look at its log",
    0x89: "the broker has too much to do, or too many clients: look at its log",
    0x8A: "the broker has banned this box: lift that in the broker's settings",
    0x8C: "the broker wants another way to log in than name and password: let it take those, or a certificate",
    0x97: "the broker's quota for this user is used up",
    0x9C: "the broker wants to be reached elsewhere: put that address into `host`",
    0x9D: "the broker has moved: put its new address into `host`",
    0x9F: "the broker takes no more connections for now: try again in a minute",
}
"""What to do, by the reason code of MQTT 5; those of 3.1.1 are told as the same."""
NO_TLS = "it hangs up on TLS: is this the broker's port for it (usually 8883), and may this box's address in?"
WORDS: Mapping[str, str] = {
    "refused": "nothing listens there: is the broker running, and is this its port (usually 1883, with TLS 8883)?",
    "timed out": "no answer: check the address, and any firewall in between",
    "no route": "no way there: check the address and this machine's network",
    "unreachable": "no way there: check the address and this machine's network",
    "not known": "no such name: check `host`, or write the address",
    "no address": "no such name: check `host`, or write the address",
    "name resolution": "this machine's DNS does not answer: check its network, or write the address",
    "key values mismatch": "`key:` does not belong to `certificate:`",
    "mismatch": "the certificate is for another name: write `host` as the certificate has it",
    "not valid for": "the certificate is for another name: write `host` as the certificate has it",
    "expired": "renew the broker's certificate; or is this machine's clock right?",
    "not yet valid": "is this machine's clock right?",
    "self-signed": "name the file of the authority that signed the broker's certificate: `ca:`",
    "self signed": "name the file of the authority that signed the broker's certificate: `ca:`",
    "local issuer": "name the file of the authority that signed the broker's certificate: `ca:`",
    "certificate required": "the broker wants this box's own certificate: `certificate:` and `key:`",
    "wrong version": NO_TLS,
    "eof occurred": NO_TLS,
    "reset by peer": NO_TLS,
    "permission denied": "let the user that runs omniwatch read the files that `ca`, `certificate` and `key` name",
}
"""What to do, by a part of what the system or OpenSSL says (in small letters) where the broker itself said nothing."""
MUTE = "it takes connections and does not answer in MQTT: is this its port, and does it want `tls: true` or a certificate there?"


def try_broker(mqtt: MqttSettings) -> Finding:
    """Whether it takes us, and how."""
    return asyncio.run(_greet(mqtt))


async def _greet(mqtt: MqttSettings) -> Finding:
    connection = Connection(mqtt, f"omniwatch-doctor-{secrets.token_hex(4)}", will=None)
    connection.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            problem = await asyncio.shield(connection.accepted)
            if not problem:
                connection.leave()
                await asyncio.shield(connection.ended)
    except TimeoutError:
        problem = "" if connection.greeting else f"did not answer within {PATIENCE_S:g} s"
    connection.drop("the doctor leaves")
    where = f"{mqtt.host}:{mqtt.port}, MQTT {mqtt.protocol}{' over TLS' if mqtt.tls else ''}"
    answer = _said(connection.greeting)
    if not problem:
        return Finding(what="broker", health=Health.OK, says=f"{where}: {answer}, as {mqtt.username or 'nobody (no username)'}")
    return Finding(what="broker", health=Health.FAILURE, says=f"{where}: {answer or problem}", do=_remedy(mqtt, connection.greeting, problem))


def _said(greeting: Ack | None) -> str:
    return "" if greeting is None else f"{greeting.name} (reason code 0x{greeting.code:02x})"


def _remedy(mqtt: MqttSettings, greeting: Ack | None, problem: str) -> str:
    if greeting is not None:
        return REFUSALS.get(greeting.code, "look into the broker's log for this moment")
    said = problem.lower().replace("_", " ")
    found = next((remedy for words, remedy in WORDS.items() if words in said), MUTE)
    old = " An old broker may want `protocol: 3.1.1`" if found is MUTE and mqtt.protocol is Protocol.V5 else ""
    return found + old
