"""Whether the configured broker takes this box, with its name, password, certificates and version of MQTT, and hands a message on.

A login alone proves little: what a broker's access rules refuse is only seen once something is published.
"""

import asyncio
from collections.abc import Mapping

from alerts.channels.mqtt_settings import MqttSettings, Protocol
from alerts.channels.packet import Ack
from alerts.channels.probe import PATIENCE_S, Probed, probe
from alerts.channels.topics import Topics
from appliance.doctor.finding import Finding, Health

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


OWN_RULES = "configs/mosquitto.acl has all the lines that a box needs; `site` and `box` in them are those of the configuration"
WRITE_REMEDIES: Mapping[int, str] = {
    0x95: "the broker takes no message of this size: raise its limit (mosquitto: `max_packet_size`)",
    0x97: "the broker's quota for this user is used up",
}
"""What to do about a message that was refused, where it is not for the broker's rules."""


def try_broker(mqtt: MqttSettings, topics: Topics) -> Finding:
    """Whether it takes us, and hands on what we say."""
    return judged(mqtt, topics.probe, asyncio.run(probe(mqtt, topics.probe)))


def judged(mqtt: MqttSettings, topic: str, probed: Probed) -> Finding:
    """What there is to say of a round trip by way of `topic`. Pure."""
    greeting = probed.greeting
    where = f"{mqtt.host}:{mqtt.port}, MQTT {mqtt.protocol}{' over TLS' if mqtt.tls else ''}"
    if greeting is None or greeting.is_refusal:
        said = _word(greeting) if greeting else probed.problem
        return Finding(what="broker", health=Health.FAILURE, says=f"{where}: {said}", do=_remedy(mqtt, greeting, probed.problem))
    where = f"{where}: {_word(greeting)}, as {mqtt.username or 'nobody (no username)'}"
    if probed.took_s is not None:
        return Finding(what="broker", health=Health.OK, says=f"{where}; a message came back in {max(1, round(probed.took_s * 1000))} ms")
    says, do = _broken_off(mqtt, topic, probed)
    return Finding(what="broker", health=Health.FAILURE, says=f"{where}; but {says}", do=do)


def _broken_off(mqtt: MqttSettings, topic: str, probed: Probed) -> tuple[str, str]:
    """Where the way of a message ended, and what to do."""
    reading, writing = probed.reading, probed.writing
    if writing and writing.is_refusal:
        deaf = ", nor listen there" if reading and reading.is_refusal else ""
        return f"we may not publish to {topic}: {_word(writing)}{deaf}", WRITE_REMEDIES.get(writing.code, _rule(mqtt, topic))
    if reading and reading.is_refusal:
        return f"we may not subscribe to {topic}: {_word(reading)}; publishing is not refused", _rule(mqtt, topic)
    if probed.problem:
        return f"it hung up over a message to {topic}: {probed.problem}", f"some brokers do so with what their rules refuse: {_rule(mqtt, topic)}"
    if writing is None or reading is None:
        what = "our subscription" if reading is None else "a message"
        return f"it did not acknowledge {what} within {PATIENCE_S:g} s", "the broker is up, but stuck: look at its log, and at its disk"
    silent = "mosquitto takes a subscription that its rules forbid, and serves it nothing"
    if mqtt.protocol is Protocol.V311:
        silent = "a broker does not say in MQTT 3.1.1 what its rules refuse, so this box may be allowed neither to publish nor to subscribe"
    return f"nothing of what we published to {topic} came back within {PATIENCE_S:g} s", f"{silent}: {_rule(mqtt, topic)}"


def _rule(mqtt: MqttSettings, topic: str) -> str:
    place = f"below `user {mqtt.username}`" if mqtt.username else "above the first `user` line"
    return f"let this box write and read there; mosquitto, in its `acl_file` {place}: `topic readwrite {topic}`. {OWN_RULES}"


def _word(ack: Ack) -> str:
    return f"{ack.name} (reason code 0x{ack.code:02x})"


def _remedy(mqtt: MqttSettings, greeting: Ack | None, problem: str) -> str:
    if greeting is not None:
        return REFUSALS.get(greeting.code, "look into the broker's log for this moment")
    said = problem.lower().replace("_", " ")
    found = next((remedy for words, remedy in WORDS.items() if words in said), MUTE)
    old = " An old broker may want `protocol: 3.1.1`" if found is MUTE and mqtt.protocol is Protocol.V5 else ""
    return found + old
