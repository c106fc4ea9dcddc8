"""What Prometheus reads: states as they stand, no series of what is gone, and counters that begin before the first alarm."""

import os
import socket
import threading
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from urllib.request import urlopen

from prometheus_client import generate_latest

from alerts.alert import AlertState
from alerts.track import Track
from analyzers.judgement import JudgeKind
from analyzers.policy import CueRule, Policy, PolicyId
from appliance.metrics import Metrics
from appliance.metrics_server import MAX_CLIENTS, MetricsServer
from appliance.outbox import ChannelStatistics
from appliance.store.store import StoreStatistics
from sensors.cues import CueName
from sensors.window import SensorId, ViewId
from tests.appliance.conftest import eventually
from tests.appliance.store.test_store import alert, at

DAY = timedelta(days=1).total_seconds()


def lines(metrics: Metrics, start: str) -> list[str]:
    """The lines of one family, without its name."""
    return [line.removeprefix(start) for line in generate_latest(metrics.registry).decode().splitlines() if line.startswith(start)]


def states(metrics: Metrics) -> list[str]:
    """The lines of states that hold."""
    return [line for line in lines(metrics, "omniwatch_alarm_state{") if line.endswith(" 1.0")]


def track(policy: str, state: AlertState) -> Track:
    return Track(policy=PolicyId(policy), sensor=SensorId("hall"), view=ViewId("hall"), state=state)


def policy(name: str, threshold: float = 0.5, *, cued: bool = False) -> Policy:
    rule = CueRule(at_least={CueName.MOTION: 0.1}) if cued else None
    return Policy(id=PolicyId(name), title=name, ask="Is it?", sensors=(SensorId("hall"),), threshold=threshold, fallback=rule)


def test_a_state_is_shown_until_its_track_is_gone() -> None:
    metrics = Metrics()
    metrics.alarms.tracks([track("smoke", AlertState.ACTIVE), track("fall", AlertState.NORMAL)], at(0))
    assert states(metrics) == ['policy="smoke",state="active",view="hall"} 1.0', 'policy="fall",state="normal",view="hall"} 1.0']
    metrics.alarms.tracks([track("smoke", AlertState.PENDING)], at(1))
    assert states(metrics) == ['policy="smoke",state="pending",view="hall"} 1.0']
    metrics.alarms.tracks([], at(2))
    assert "hall" not in generate_latest(metrics.registry).decode()


def test_halvings_begin_at_zero_or_the_first_would_not_be_seen() -> None:
    assert lines(Metrics(), "omniwatch_judge_halvings_total") == ['{what="batch"} 0.0', '{what="frames"} 0.0']
    outcomes = ("agreed", "changed", "late", "failed")
    assert lines(Metrics(), "omniwatch_judge_second_looks_total") == [f'{{outcome="{outcome}"}} 0.0' for outcome in outcomes]


def test_what_is_lost_is_counted_from_zero_and_as_often_as_it_is() -> None:
    metrics, fine = Metrics(), ChannelStatistics(depth=0, oldest_age_s=0, parked={}, undurable=0, outcomes={}, dropped=0)
    store = StoreStatistics(commits=0, failures=0, failing="", owed=0, expired=0)
    seen = []
    for lost, old in ((0, 0), (2, 0), (2, 5), (3, 6)):
        metrics.outbox({"mqtt": replace(fine, dropped=lost), "speech": fine})
        metrics.store(replace(store, expired=old, owed=old))
        names = ("omniwatch_outbox_lost_total", "omniwatch_outbox_expired_total ", "omniwatch_store_owed ")
        seen.append([line for name in names for line in lines(metrics, name)])
    mqtt, speech = '{channel="mqtt"}', '{channel="speech"} 0.0'
    assert seen == [
        [f"{mqtt} 0.0", speech, "0.0", "0.0"], [f"{mqtt} 2.0", speech, "0.0", "0.0"], [f"{mqtt} 2.0", speech, "5.0", "5.0"],
        [f"{mqtt} 3.0", speech, "6.0", "6.0"],
    ]  # fmt: skip


def test_what_stands_is_counted_by_severity_and_is_stale_after_a_day() -> None:
    metrics = Metrics()
    one = alert(1)
    standing = Track(policy=one.policy, sensor=one.sensor, view=one.view, state=AlertState.ACTIVE, alert=one)
    metrics.alarms.tracks([standing], at(DAY))
    assert lines(metrics, "omniwatch_alarms_standing")[1:] == ['{severity="high"} 1.0', '{severity="medium"} 0.0', '{severity="low"} 0.0']
    assert lines(metrics, "omniwatch_alarms_stale ") == ["0.0"]
    metrics.alarms.tracks([standing], at(DAY + 1))
    assert lines(metrics, "omniwatch_alarms_stale ") == ["1.0"]


def test_an_opening_is_counted_from_zero_or_the_first_alarm_would_not_be_seen() -> None:
    metrics = Metrics()
    metrics.alarms.policies([policy("smoke")], [policy("smoke")], JudgeKind.OMNI)
    assert lines(metrics, "omniwatch_alarm_changes_total{") == ['change="opened",policy="smoke",severity="medium"} 0.0']


def test_a_policy_has_the_threshold_of_whoever_answers_as_long_as_it_is_in_force() -> None:
    metrics = Metrics()
    both = [policy("smoke", threshold=0.5), policy("fall", threshold=0.9, cued=True)]
    metrics.alarms.policies(both, both, JudgeKind.OMNI)
    shown = lines(metrics, "omniwatch_policy_threshold_log_odds{")
    assert shown[0] == 'by="omni",policy="smoke"} 0.0'
    assert shown[1].startswith('by="omni",policy="fall"} 2.197')
    assert shown[2:] == ['by="cues",policy="fall"} 0.0']
    metrics.alarms.policies(both[:1], both[:1], JudgeKind.OMNI)
    assert lines(metrics, "omniwatch_policy_threshold_log_odds{") == ['by="omni",policy="smoke"} 0.0']


def test_the_judges_process_is_shown_while_there_is_one() -> None:
    metrics, pids = Metrics(), [os.getpid()]
    metrics.judge_process(lambda: pids[0] if pids else None)
    assert float(lines(metrics, "omniwatch_judge_process_resident_memory_bytes ")[0]) > 1e6
    assert lines(metrics, "omniwatch_process_resident_memory_bytes ")
    pids.clear()
    assert not lines(metrics, "omniwatch_judge_process_resident_memory_bytes")


def test_what_nobody_has_looked_at_yet_has_no_sample() -> None:
    metrics = Metrics()
    assert lines(metrics, "omniwatch_disk_free_ratio ") + lines(metrics, "omniwatch_store_up ") == []
    metrics.disk_free.set(0.4)
    metrics.store_up.set(0)
    assert lines(metrics, "omniwatch_disk_free_ratio ") + lines(metrics, "omniwatch_store_up ") == ["0.4", "0.0"]


def test_whoever_connects_and_says_nothing_takes_neither_threads_nor_the_figures_from_others() -> None:
    server = MetricsServer("127.0.0.1", 0, Metrics().registry, client_s=0.3)
    stop, before = server.begin(), threading.active_count()
    with ExitStack() as stack:
        for _ in range(3 * MAX_CLIENTS):
            stack.enter_context(socket.create_connection(server.server_address[:2], timeout=5))
        last = stack.enter_context(socket.create_connection(server.server_address[:2], timeout=5))
        assert last.recv(1) == b"", "one more is hung up on"
        assert threading.active_count() <= before + MAX_CLIENTS
        eventually(lambda: threading.active_count() <= before, 10, "those who say nothing are let go")
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics", timeout=5) as answer:
            assert b"omniwatch_build_info" in answer.read()
    stop()
