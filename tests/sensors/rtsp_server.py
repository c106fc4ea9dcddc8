"""A camera to test against: gst-rtsp-server, run by Debian's own Python, which has its bindings.

`/usr/bin/python3 rtsp_server.py PORT pcma|aac [--file RECORDING] [--login NAME:PASSWORD]` serves rtsp://127.0.0.1:PORT/camera
and says `ready`. Without a recording (Matroska, MJPEG and raw sound) it makes up a moving picture and ticks.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions come first

MADE_UP = ("videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1", "audiotestsrc is-live=true wave=ticks")
QUEUE = "queue max-size-buffers=0 max-size-bytes=0 max-size-time=0"
RECORDED = (f"camera. ! {QUEUE} ! jpegdec", f"camera. ! {QUEUE}")
SOUNDS = {
    "pcma": "audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay name=pay1 pt=8",
    "aac": "audio/x-raw,rate=48000,channels=1 ! voaacenc bitrate=64000 ! aacparse ! rtpmp4gpay name=pay1 pt=97",
}
ENCODED = "videoconvert ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=30 bitrate=500 ! rtph264pay name=pay0 pt=96 config-interval=1"


def launch(sound: str, file: str | None) -> str:
    """The pipeline of one client's stream."""
    demuxer = f"filesrc location={file} ! matroskademux name=camera" if file else ""
    picture, noise = RECORDED if file else MADE_UP
    return f"( {demuxer} {picture} ! {ENCODED} {noise} ! audioconvert ! audioresample ! {SOUNDS[sound]} )"


def ask_for(login: str, server: GstRtspServer.RTSPServer, factory: GstRtspServer.RTSPMediaFactory) -> None:
    """Let nobody in without `login`."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = GstRtspServer.RTSPAuth()
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*login.split(":", 1)), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", permission, True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port")
    parser.add_argument("sound", choices=sorted(SOUNDS))
    parser.add_argument("--file")
    parser.add_argument("--login")
    arguments = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(arguments.port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch(arguments.sound, arguments.file))
    factory.set_shared(True)
    if arguments.login:
        ask_for(arguments.login, server, factory)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
