"""The figures of evidence, for Prometheus: clips by what became of them, the room that they take, how far back segments reach."""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from sensors.news import SensorFigures
from sensors.window import SensorId


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceStatistics:
    """How evidence stands."""

    kept: int
    """Clips that were made since the start."""
    failed: Mapping[str, int]
    """Those that were not, by why: a closed set."""
    removed: Mapping[str, int]
    """Those that were deleted since the start, by why: a closed set."""
    waiting: int
    bytes: int
    """What clips and posters take."""
    segment_bytes: int
    oldest_s: Mapping[SensorId, float]
    """How far back each sensor's segments reach."""
    full: str
    """Why no more is kept; empty while there is room."""


class EvidenceFigures:
    """The series."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All of them, with what each means."""
        self._counted: Tally[tuple[str, str]] = Tally()
        self._clips = Counter("omniwatch_evidence_clips", "Clips by what became of them.", ["outcome", "reason"], registry=registry)
        self._waiting = Gauge("omniwatch_evidence_clips_waiting", "Clips that are still to be made.", registry=registry)
        self._bytes = Gauge("omniwatch_evidence_bytes", "What clips and posters take.", registry=registry)
        self._full = Gauge("omniwatch_evidence_full", "1 while there is no room to keep more.", registry=registry)
        self._segment_bytes = Gauge("omniwatch_segment_bytes", "What the newest minutes of all sensors take.", registry=registry)
        sensor = ["sensor"]
        self._reach = Gauge("omniwatch_segments_oldest_seconds", "How far back a sensor's segments reach.", sensor, registry=registry)
        self._lost = Gauge("omniwatch_segments_process_lost", "Segments not kept whole since their process started.", sensor, registry=registry)

    def second(self, figures: SensorFigures) -> None:
        """A second of whoever keeps a sensor's segments."""
        self._lost.labels(figures.sensor).set(figures.segments_lost)

    def stand(self, evidence: EvidenceStatistics) -> None:
        """How it stands."""
        totals = Tally({("kept", ""): evidence.kept})
        totals.update({("failed", why): count for why, count in evidence.failed.items()})
        totals.update({("removed", why): count for why, count in evidence.removed.items()})
        for labels, count in (totals - self._counted).items():
            self._clips.labels(*labels).inc(count)
        self._counted = totals
        self._waiting.set(evidence.waiting)
        self._bytes.set(evidence.bytes)
        self._full.set(bool(evidence.full))
        self._segment_bytes.set(evidence.segment_bytes)
        self._reach.clear()
        for sensor, seconds in evidence.oldest_s.items():
            self._reach.labels(sensor).set(seconds)
