import errno
from urllib.parse import unquote, urlsplit

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.container import REASONS, fault_of, scheme_for
from sensors.fault import FaultReason, SensorFault
from sensors.sources import SCHEMES, SOUND_CODECS, STREAM_CODECS, VIDEO_CODECS, address, scheme_of
from tests.sensors.harness import settings_for

SIGNS = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF), min_size=1, max_size=20)


@given(username=SIGNS, password=SIGNS)
def test_whatever_is_in_a_login_the_address_still_leads_to_the_camera(username: str, password: str) -> None:
    parts = urlsplit(address("rtsp://10.0.0.21:8554/stream?channel=1", username, password))
    assert (parts.hostname, parts.port, parts.path, parts.query) == ("10.0.0.21", 8554, "/stream", "channel=1")
    assert (unquote(parts.username or ""), unquote(parts.password or "")) == (username, password)


def test_without_a_login_the_address_is_the_source() -> None:
    assert address("rtsp://10.0.0.21/stream", None, None) == "rtsp://10.0.0.21/stream"
    assert address("rtsp://10.0.0.21/stream", "anna", None) == "rtsp://anna:@10.0.0.21/stream"
    assert address("rtsps://[fd00::1]:322/stream", "anna", "p") == "rtsps://anna:p@[fd00::1]:322/stream"


def test_a_file_is_never_read_as_the_address_of_something_else() -> None:
    assert address("file:http://10.0.0.1/x", "anna", "p") == "file:http://10.0.0.1/x"


@pytest.mark.parametrize("source", ["http://10.0.0.1/x", "concat:a|b", "subfile:x", "/etc/passwd", "exec:true", "", "RTSP://10.0.0.1/x"])
def test_whatever_is_not_in_the_table_is_refused(source: str) -> None:
    with pytest.raises(SensorFault) as caught:
        scheme_for(settings_for(source))
    assert caught.value.reason is FaultReason.UNSUPPORTED


def test_only_network_cameras_are_live_and_every_scheme_says_what_ffmpeg_may_do() -> None:
    assert {name for name, scheme in SCHEMES.items() if scheme.live} == {"rtsp", "rtsps"}
    for name, scheme in SCHEMES.items():
        assert scheme_of(f"{name}:x") == name
        assert {"protocol_whitelist", "codec_whitelist"} <= set(scheme.options)
        assert "http" not in scheme.options["protocol_whitelist"]


@pytest.mark.parametrize("name", sorted(VIDEO_CODECS | SOUND_CODECS | set(STREAM_CODECS.split(","))))
def test_every_codec_that_is_taken_is_the_name_of_a_decoder(name: str) -> None:
    assert name in {av.Codec(known, "r").name for known in (name, "mp3") if known in av.codecs_available or known == name}


def test_what_cameras_may_send_can_be_decoded_by_what_is_taken() -> None:
    assert set(STREAM_CODECS.split(",")) <= VIDEO_CODECS | SOUND_CODECS
    assert "av1" not in STREAM_CODECS


@pytest.mark.parametrize(("kind", "reason"), REASONS)
def test_a_fault_says_neither_the_address_nor_the_login(kind: type[av.FFmpegError], reason: FaultReason) -> None:
    fault = fault_of(kind(1000, "Something went wrong", "rtsp://anna:secret@10.0.0.21/stream"), was_open=False)
    assert fault.reason is reason
    assert "secret" not in str(fault) + fault.detail
    assert "10.0.0.21" not in str(fault) + fault.detail


def test_an_error_of_an_open_source_is_not_one_of_opening() -> None:
    assert fault_of(av.ExitError(1000, "x"), was_open=True).reason is FaultReason.STALLED
    assert fault_of(av.InvalidDataError(1000, "x"), was_open=True).reason is FaultReason.BROKEN
    assert fault_of(av.ConnectionResetError(1000, "x"), was_open=True).reason is FaultReason.ENDED
    assert fault_of(av.UndefinedError(1000, "x"), was_open=True).reason is FaultReason.BROKEN


def test_what_ffmpeg_cannot_name_is_no_lack_of_a_password() -> None:
    for was_open in (False, True):
        unnamed = fault_of(av.PermissionError(errno.EPERM, "Operation not permitted"), was_open=was_open)
        assert (unnamed.reason, unnamed.detail) == (FaultReason.BROKEN, "FFmpeg does not say why, or this machine forbids it")
        assert fault_of(av.PermissionError(errno.EACCES, "Permission denied"), was_open=was_open).reason is FaultReason.UNAUTHORIZED
