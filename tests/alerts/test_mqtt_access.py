"""Who may do what: passwords, certificates and access rules, against a real mosquitto."""

import asyncio
import logging
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.channels.mqtt import MqttSettings, Protocol
from alerts.notification import Outcome
from sensors.secret import Secret
from tests.alerts.mosquitto import ROOT, TOPICS, Broker, Listener, ids, note, running, until

pytestmark = [pytest.mark.broker, pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")]


def test_what_the_brokers_access_rules_refuse_is_parked_and_claims_no_success(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {ROOT}/#\ntopic deny {ROOT}/alert/forbidden/#\n")
    broker = Broker(tmp_path, "allow_anonymous true", f"acl_file {rules}")
    broker.start()

    async def story() -> None:
        async with running(broker.port) as box:
            await box.alarm(note(1), note(2, "forbidden"), note(3))
            assert await box.outbox.wait_drained(5)
            final = {each.notification: each.outcome for each in box.heard}
            assert final == {note(1).id: Outcome.UNHEARD, note(2).id: Outcome.REFUSED, note(3).id: Outcome.UNHEARD}
            assert box.outbox.statistics()["mqtt"].parked == {"Not authorized": 1}
            assert await box.channel.publish_state(f"{ROOT}/alert/forbidden/x", b"{}", timedelta(seconds=9)) is Outcome.REFUSED

    asyncio.run(story())
    broker.kill()


def test_an_old_broker_is_told_over_3_1_1_and_the_loss_is_what_the_settings_say(tmp_path: Path) -> None:
    rules = tmp_path / "acl"
    rules.write_text(f"topic readwrite {ROOT}/#\ntopic deny {ROOT}/alert/forbidden/#\n")
    broker = Broker(tmp_path, "allow_anonymous true", f"acl_file {rules}")
    broker.start()
    listener = Listener(broker.port)

    async def story() -> None:
        async with running(broker.port, protocol=Protocol.V311) as box:
            await box.alarm(note(0), note(1, "forbidden"))
            assert await box.outbox.wait_drained(5)
            assert await box.channel.publish_state(TOPICS.heartbeat, b"{}", timedelta(seconds=9)) is Outcome.DELIVERED
            assert {each.outcome for each in box.heard} <= {Outcome.DELIVERED, Outcome.RETRY}, "refused or not: 3.1.1 cannot say"

    asyncio.run(story())
    assert listener.alerts(1) == ids(1)
    assert listener.wait_for(lambda each: each.topic == TOPICS.heartbeat).payload == b"{}"
    listener.status("stopped")
    listener.close()
    broker.kill()


def test_a_wrong_password_is_an_outage_with_a_reason_and_is_printed_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch()
    subprocess.run(["mosquitto_passwd", "-b", passwords, "box", "right-horse"], check=True)
    broker = Broker(tmp_path, f"password_file {passwords}", "allow_anonymous false")
    broker.start()

    async def story(password: str) -> str:
        async with running(broker.port, username="box", password=Secret(password)) as box:
            await until(lambda: box.channel.statistics().problem != "not connected yet")
            printed = repr(box.channel.statistics()) + repr(MqttSettings(host="h", username="box", password=Secret(password)))
            await box.alarm(note(0))
            await until(lambda: len(box.heard) > 0)
            return printed + box.channel.statistics().problem + "".join(repr(each) for each in box.heard)

    with caplog.at_level(logging.DEBUG):
        said = asyncio.run(story("wrong-battery"))
        assert "Not authorized" in said
        assert "wrong-battery" not in said + caplog.text
        assert "refuses" not in asyncio.run(story("right-horse"))
    broker.kill()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, a certificate for 127.0.0.1, one for the box, and another authority that signed nothing."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    for name in ("ca", "other"):
        openssl("req", "-x509", *curve, "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "9", "-subj", f"/CN={name}")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for name in ("broker", "box"):
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "9", "-extfile", "names"]
        openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signed)
    return folder


@pytest.mark.parametrize(
    ("authority", "own", "expected"),
    [
        ("ca", "box", ""),
        ("other", "box", "certificate verify failed"),  # the broker is not who we think
        ("ca", "", "CERTIFICATE_REQUIRED"),  # the broker does not know who we are
        ("missing", "box", "No such file"),  # said, and tried again, since it may come
    ],
)
def test_tls_needs_the_right_authority_and_the_boxs_own_certificate(
    tmp_path: Path, certificates: Path, *, authority: str, own: str, expected: str
) -> None:
    files = [f"{word} {certificates / name}" for word, name in (("cafile", "ca.crt"), ("certfile", "broker.crt"), ("keyfile", "broker.key"))]
    broker = Broker(tmp_path, *files, "require_certificate true", "allow_anonymous true")
    broker.start()
    mine = {"certificate": certificates / f"{own}.crt", "key": certificates / f"{own}.key"} if own else {}

    async def story() -> None:
        async with running(broker.port, tls=True, ca=certificates / f"{authority}.crt", **mine) as box:
            await until(lambda: box.channel.statistics().problem != "not connected yet")
            if not expected:
                assert box.channel.connected
                await box.alarm(note(0))
                assert await box.outbox.wait_drained(5)
                assert box.heard[-1].outcome is Outcome.UNHEARD
            else:
                await until(lambda: expected in box.channel.statistics().problem)

    asyncio.run(story())
    broker.kill()
