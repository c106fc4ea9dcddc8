"""A camera for the demo: serves one recording over RTSP, from its start for the first who plays it.

It runs under Debian's own /usr/bin/python3, which has the GStreamer bindings, and imports nothing of the project.
usage: rtsp_server.py FILE PORT PATH
"""

import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - versions must be named before

PIPELINE = (
    "( filesrc location={file} ! qtdemux name=demux "
    "demux.video_0 ! queue ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=1 "
    "demux.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97 )"
)


def told(_media: object, state: int) -> None:
    """Say when the film begins to run: the scene's second 0, on boot time in nanoseconds."""
    if state == Gst.State.PLAYING:
        print("playing", time.clock_gettime_ns(time.CLOCK_BOOTTIME), flush=True)  # noqa: T201 - as above


def main(file: Path, port: str, path: str) -> None:
    """Serve until killed."""
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(file=file))
    factory.set_shared(True)
    factory.connect("media-configure", lambda _factory, media: media.connect("new-state", told))
    server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print("serving", flush=True)  # noqa: T201 - the demo waits for this line
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3])
