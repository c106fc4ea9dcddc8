"""The names of the policies that watch the watcher, and of the view that is the box itself. What they mean is in `builtin.py`."""

from analyzers.policy import PolicyId
from sensors.window import SensorId, ViewId

BOX = ViewId("box")
BOX_SENSOR = SensorId("box")
"""No sensor may be called so: it stands for the box where a judgement needs a sensor."""

BLANK_SENSOR = SensorId("blank-control")
"""Nor so: it is the one whose windows hold nothing."""
SELF_TEST_SENSOR = SensorId("self-test")
"""No sensor may be called so either: it is the one that plays the self-test's clips."""
SELF_TEST = PolicyId("self-test")
"""The question of the self-test's clips. It is no policy of anybody's: only its outcome concerns people."""

SENSOR_LOST = PolicyId("sensor-lost")
SENSORS_LOST = PolicyId("sensors-lost")
PICTURE_DARK = PolicyId("picture-dark")
PICTURE_COVERED = PolicyId("picture-covered")
PICTURE_FROZEN = PolicyId("picture-frozen")
CAMERA_MOVED = PolicyId("camera-moved")
MICROPHONE_DEAD = PolicyId("microphone-dead")
JUDGE_DOWN = PolicyId("judge-down")
UNDECIDED = PolicyId("undecided")
STORE_FAILED = PolicyId("store-failed")
DISK_LOW = PolicyId("disk-low")
EVIDENCE_FULL = PolicyId("evidence-full")
BROKER_UNREACHABLE = PolicyId("broker-unreachable")
PUBLISH_REFUSED = PolicyId("publish-refused")
WINDOWS_SHED = PolicyId("windows-shed")
SELF_TEST_FAILED = PolicyId("self-test-failed")
CONFIG_RELOAD_FAILED = PolicyId("config-reload-failed")
CLOCK_STEPPED = PolicyId("clock-stepped")
WATCH_GAP = PolicyId("watch-gap")
ALARM_FLOOD = PolicyId("alarm-flood")
