"""The figures of descriptions, for Prometheus: hits by what became of them, and what they cost the judge."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from analyzers.description import Undescribed
from analyzers.transcript import Transcribed

SECONDS = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0)


class DescribingFigures:
    """The series. Asked = written + unwritten + those that wait or are under way."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """All of them, with what each means."""
        self._asked = Counter("omniwatch_descriptions_asked", "Alarms of the model that were to be described.", registry=registry)
        self._written = Counter("omniwatch_descriptions_written", "Those whose description was told.", registry=registry)
        self._unwritten = Counter("omniwatch_descriptions_unwritten", "Those that got none, by why.", ["reason"], registry=registry)
        for why in Undescribed:  # from 0 on
            self._unwritten.labels(why.value)
        self._transcripts = Counter(
            "omniwatch_transcripts", "Transcripts that were wanted of described alarms, by what became of them.", ["outcome"], registry=registry
        )
        for each in Transcribed:
            self._transcripts.labels(each.value)
        self._seconds = Counter("omniwatch_descriptions_judge_seconds", "Time of the judge that they took.", registry=registry)
        self._first = Histogram(
            "omniwatch_description_first_word_seconds", "Time from an alarm to the first word of its description.", buckets=SECONDS, registry=registry
        )

    def asked(self) -> None:
        """An alarm is to be described."""
        self._asked.inc()

    def written(self) -> None:
        """Its description was told."""
        self._written.inc()

    def unwritten(self, why: Undescribed) -> None:
        """It has none."""
        self._unwritten.labels(why.value).inc()

    def transcribed(self, outcome: Transcribed) -> None:
        """Its policy wanted to know what was said."""
        self._transcripts.labels(outcome.value).inc()

    def spent(self, took_s: float) -> None:
        """So much of the judge's time it took, written or not."""
        self._seconds.inc(took_s)

    def first_word(self, after_s: float) -> None:
        """Its first word was there."""
        self._first.observe(max(0.0, after_s))
