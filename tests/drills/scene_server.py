"""A camera whose scene goes by the clock and not by who looks: light and dark in turn, for every client and every connection the same.

`/usr/bin/python3 scene_server.py PORT PERIOD_S TRUTH` serves rtsp://127.0.0.1:PORT/camera and says `ready`; each change is a line of TRUTH:
`dark` or `light`, and when, in seconds since 1970.
"""

import sys
import time
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402 - the versions come first

PIPELINE = (
    "( videotestsrc name=scene is-live=true pattern=smpte ! video/x-raw,width=320,height=192,framerate=10/1 ! videoconvert"
    " ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=300 ! rtph264pay name=pay0 pt=96 config-interval=1 )"
)
LOOK_MS = 50


class Scene:
    """What the camera sees."""

    def __init__(self, period_s: float, truth: Path) -> None:
        """Light for the first half of each period, dark for the second."""
        self._period_s = period_s
        self._truth = truth.open("a", buffering=1)
        self._sources: list[Gst.Element] = []
        self._dark = False

    def configured(self, _factory: GstRtspServer.RTSPMediaFactory, media: GstRtspServer.RTSPMedia) -> None:
        """A client looks, the first for a while."""
        source = media.get_element().get_by_name("scene")
        source.set_property("pattern", "black" if self._dark else "smpte")
        self._sources = [source]

    def look(self) -> bool:
        """Change when it is time to."""
        dark = time.time() % self._period_s >= self._period_s / 2
        if dark != self._dark:
            self._dark = dark
            for source in self._sources:
                source.set_property("pattern", "black" if dark else "smpte")
            self._truth.write(f"{'dark' if dark else 'light'} {time.time():.3f}\n")
        return True


def main() -> None:
    """Serve until killed."""
    port, period_s, truth = sys.argv[1:]
    Gst.init(None)
    scene = Scene(float(period_s), Path(truth))
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE)
    factory.set_shared(True)
    factory.connect("media-configure", scene.configured)
    server.get_mount_points().add_factory("/camera", factory)
    server.attach(None)
    GLib.timeout_add(LOOK_MS, scene.look)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
