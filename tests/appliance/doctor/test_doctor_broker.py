"""What the doctor says of a broker: a message of its own comes back, or where its way ended and which line of the rules is missing."""

import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alerts.channels import probe
from alerts.channels.mqtt_settings import MqttSettings, Protocol
from alerts.channels.packet import Ack
from alerts.channels.probe import Probed
from alerts.channels.topics import Topics
from appliance.doctor.broker import judged, try_broker
from appliance.doctor.finding import Finding, Health
from sensors.secret import Secret
from tests.alerts.mosquitto import TOPICS, Broker, Listener
from tests.appliance.conftest import free_port

SHIPPED = Path(__file__).parents[3] / "configs" / "mosquitto.acl"
PLUGIN = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so"
YES, NO = Ack(code=0, name="Success"), Ack(code=0x87, name="Not authorized")


def tried(port: int, protocol: Protocol = Protocol.V5, **more: object) -> Finding:
    return try_broker(MqttSettings(host="127.0.0.1", port=port, protocol=protocol, **more), TOPICS)


@contextmanager
def served(folder: Path, *extra: str) -> Iterator[Broker]:
    broker = Broker(folder, *extra)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def ruled(folder: Path, rules: str) -> tuple[str, str]:
    """What makes a broker keep to these rules; without a login, everybody is nobody."""
    (folder / "acl").write_text(rules)
    return "allow_anonymous true", f"acl_file {folder / 'acl'}"


@pytest.mark.broker
@pytest.mark.parametrize("protocol", Protocol)
def test_a_message_of_its_own_comes_back_under_the_rules_that_are_shipped_and_stays_nowhere(tmp_path: Path, protocol: Protocol) -> None:
    (tmp_path / "passwords").write_text("omniwatch:hunter2\n")
    subprocess.run(["mosquitto_passwd", "-U", tmp_path / "passwords"], check=True)
    rules = ruled(tmp_path, f"topic readwrite omniwatch/#\n{SHIPPED.read_text()}")
    with served(tmp_path, *rules, f"password_file {tmp_path / 'passwords'}") as broker:
        ear = Listener(broker.port)
        found = tried(broker.port, protocol, username="omniwatch", password=Secret("hunter2"))
        assert found.health is Health.OK
        taken = rf"127.0.0.1:{broker.port}, MQTT {protocol}: Success \(reason code 0x00\), as omniwatch"
        said = re.fullmatch(rf"{taken}; a message came back in (\d+) ms", found.says)
        assert said, found
        assert 1 <= int(said[1]) <= probe.PATIENCE_S * 1000
        heard = ear.wait_for(lambda _message: True)
        assert heard.topic == "omniwatch/plant-7/press-hall/probe"
        assert list(json.loads(heard.payload)) == ["nonce"]
        assert getattr(heard.properties, "MessageExpiryInterval", None) == (5 if protocol is Protocol.V5 else None)
        late = Listener(broker.port)  # what is retained would come to it before anything else
        late.say(TOPICS.heartbeat, b"{}")
        for each in (ear, late):
            assert each.wait_for(lambda _message: True).topic == TOPICS.heartbeat
            each.close()
        found = tried(broker.port, protocol, username="omniwatch", password=Secret("guess"))
        assert (found.health, "Not authorized (reason code 0x87)" in found.says) == (Health.FAILURE, True)
        assert "`password: !secret`" in found.do


@pytest.mark.broker
@pytest.mark.parametrize(
    ("may", "protocol", "says", "do"),
    [
        ("read", Protocol.V5, "but we may not publish to {topic}: Not authorized (reason code 0x87)", "let this box write and read there"),
        ("write", Protocol.V5, "but nothing of what we published to {topic} came back", "mosquitto takes a subscription that its rules forbid"),
        ("deny", Protocol.V5, "but we may not publish to {topic}", "let this box write and read there"),
        ("read", Protocol.V311, "but nothing of what we published to {topic} came back", "does not say in MQTT 3.1.1 what its rules refuse"),
        ("write", Protocol.V311, "but nothing of what we published to {topic} came back", "does not say in MQTT 3.1.1 what its rules refuse"),
    ],
)
def test_where_the_rules_forbid_it_the_line_that_is_named_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, may: str, protocol: Protocol, says: str, do: str
) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.5)
    rules = f"topic {may} {TOPICS.probe}\n"
    with served(tmp_path, *ruled(tmp_path, rules)) as broker:
        found = tried(broker.port, protocol)
    assert found.health is Health.FAILURE
    assert says.format(topic=TOPICS.probe) in found.says
    assert do in found.do
    line = re.search(r"above the first `user` line: `(.*?)`", found.do)
    assert line
    monkeypatch.undo()
    with served(tmp_path, *ruled(tmp_path, f"{line[1]}\n")) as broker:
        assert tried(broker.port, protocol).health is Health.OK


@pytest.mark.broker
@pytest.mark.skipif(not Path(PLUGIN).exists(), reason="mosquitto's plugin for dynamic security is not there")
@pytest.mark.parametrize(
    ("may_publish", "protocol", "says"),
    [
        (True, Protocol.V5, "but we may not subscribe to {topic}: Not authorized (reason code 0x87); publishing is not refused"),
        (True, Protocol.V311, "but we may not subscribe to {topic}: Unspecified error (reason code 0x80); publishing is not refused"),
        (False, Protocol.V5, "but we may not publish to {topic}: Not authorized (reason code 0x87), nor listen there"),
    ],
)
def test_a_broker_that_refuses_to_be_listened_to_is_told_apart(tmp_path: Path, *, may_publish: bool, protocol: Protocol, says: str) -> None:
    may = {"publishClientSend": may_publish, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    (tmp_path / "security.json").write_text(json.dumps({"defaultACLAccess": may}))
    with served(tmp_path, "allow_anonymous true", f"plugin {PLUGIN}", f"plugin_opt_config_file {tmp_path / 'security.json'}") as broker:
        found = tried(broker.port, protocol)
    assert found.health is Health.FAILURE
    assert says.format(topic=TOPICS.probe) in found.says
    assert f"`topic readwrite {TOPICS.probe}`" in found.do


@pytest.mark.broker
def test_what_others_say_on_that_topic_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 0.5)
    rules = f"topic read {TOPICS.probe}\nuser other\ntopic write {TOPICS.probe}\n"
    with served(tmp_path, *ruled(tmp_path, rules)) as broker:
        said = ["-u", "other", "-p", str(broker.port), "-t", TOPICS.probe, "-q", "1", "-m", '{"nonce": "00"}', "-r"]
        subprocess.run(["mosquitto_pub", *said], check=True, timeout=10)
        assert "came back within" in tried(broker.port, Protocol.V311).says


def test_another_box_has_another_topic_and_the_login_tells_where_its_line_belongs() -> None:
    mqtt = MqttSettings(host="h", username="hall")
    other = Topics(site="plant-7", box="paint-shop").probe
    found = judged(mqtt, other, Probed(greeting=YES, reading=YES, writing=NO))
    assert "below `user hall`: `topic readwrite omniwatch/plant-7/paint-shop/probe`" in found.do


@pytest.mark.parametrize(
    ("code", "do"), [(0x87, "`topic readwrite"), (0x90, "`topic readwrite"), (0x95, "`max_packet_size`"), (0x97, "quota for this user")]
)
def test_a_message_that_is_refused_for_something_else_has_another_remedy(code: int, do: str) -> None:
    probed = Probed(greeting=YES, reading=YES, writing=Ack(code=code, name="word"))
    assert do in judged(MqttSettings(host="h"), TOPICS.probe, probed).do


@contextmanager
def answering(*answers: bytes | None) -> Iterator[int]:
    """A port where somebody takes one connection, and says each of `answers` to what it hears, then hangs up; None: says no more and stays."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            end, _ = server.accept()
            with end:
                for answer in answers:
                    if answer is None:
                        done.wait(30)
                        return
                    end.recv(1000)
                    end.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            done.set()
            thread.join()


TAKEN, SUBSCRIBED = b"\x20\x03\x00\x00\x00", b"\x90\x04\x00\x01\x00\x01"


@pytest.mark.parametrize(
    ("answers", "tls", "says", "do"),
    [
        ([b"\x20\x02\x00\x01"], False, "Unsupported protocol version (reason code 0x84)", "`protocol: 3.1.1`"),  # a broker of 2014
        ([b"\x20\x03\x00\x88\x00"], False, "Server unavailable (reason code 0x88)", "try again in a minute"),
        ([b"\x20\x03\x00\x97\x00"], False, "Quota exceeded (reason code 0x97)", "quota"),
        ([b"\x15\x03\x03\x00\x02\x02\x16"], False, "", "`tls: true`"),  # TLS's alert: it is its port
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], True, "", "port for it"),
        ([b""], True, "", "port for it"),
        ([None], False, "did not answer within 1 s", "answer in MQTT"),
        ([TAKEN], False, "but it hung up over a message to", "some brokers do so with what their rules refuse"),
        ([TAKEN, SUBSCRIBED], False, "but it hung up over a message to", "some brokers do so with what their rules refuse"),
        ([TAKEN, None], False, "but it did not acknowledge our subscription within", "stuck"),
        ([TAKEN, SUBSCRIBED, None], False, "but it did not acknowledge a message within", "stuck"),
    ],
    ids=["3.1.1", "not ready", "quota", "wants TLS", "no TLS", "hangs up", "mute", "no subscription", "no publication", "stuck", "stuck later"],
)
def test_a_broker_that_does_not_take_us_is_a_failure_with_its_word_and_what_to_do(
    answers: list[bytes | None], monkeypatch: pytest.MonkeyPatch, *, tls: bool, says: str, do: str
) -> None:
    monkeypatch.setattr(probe, "PATIENCE_S", 1.0)
    with answering(*answers) as port:
        found = tried(port, tls=tls)
    assert found.health is Health.FAILURE
    assert says in found.says
    assert do in found.do, found


def test_where_no_broker_listens_that_is_said() -> None:
    found = tried(free_port())
    assert found.health is Health.FAILURE
    assert found.do.startswith("nothing listens there")
