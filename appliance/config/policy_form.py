"""What an owner writes of a policy, in the configuration itself or in a catalogue. It knows neither sensors nor other policies."""

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag, WithJsonSchema

from analyzers.policy import Acknowledge, CueRule, OnNoData, Policy, PolicyId, Severity, Trigger
from analyzers.schedule import parse
from appliance.config.form import Duration, Form, Id, Line, Number, Probability, Question, Share, TriggerText, Truth, Wait
from sensors.cues import CueName
from sensors.window import Sense, SensorId

MAX_POLICIES = 200
MAX_MODES = 16
MAX_SENSORS = 32
"""Sensors of one policy: a policy travels to the judge with their names."""


def check_schedule(text: str) -> str:
    """A schedule in words; the site's time zone is added later."""
    parse(text, "UTC")
    return text


Active = Annotated[
    str,
    Field(max_length=200),
    AfterValidator(check_schedule),
    WithJsonSchema({"type": "string", "examples": ["mon-fri 22:00-06:00"]}),
]


class FallbackForm(Form):
    """Cues alone as an answer, where no model judges: yes when every one of them is at or over its figure."""

    motion: Share | None = None
    """0..1: share of the view's area that moves."""
    changed: Share | None = None
    """0..1: share of the view's area that differs from its slowly learnt background."""
    dark: Share | None = None
    """0..1: 1 is black."""
    covered: Share | None = None
    """0..1: share of the view's usual detail that is missing."""
    frozen: Annotated[Number, Field(ge=0)] | None = None
    """Seconds without the slightest change, not even a camera's noise."""
    moved: Share | None = None
    """How far the whole picture is displaced, as a share of its width."""
    loud: Annotated[Number, Field(ge=-120, le=0)] | None = None
    """dBFS, 0 is full scale: level of the loudest tenth of a second."""
    onset: Annotated[Number, Field(ge=0, le=120)] | None = None
    """dB: the largest sudden rise of the level."""
    tone: Share | None = None
    """0..1: share of the sound's energy in steady narrow tones."""
    silence: Annotated[Number, Field(ge=0)] | None = None
    """Seconds far below the site's own floor."""
    digital_silence: Annotated[Number, Field(ge=0)] | None = None
    """Seconds of samples that are all the same: a dead microphone."""

    def rule(self) -> CueRule | None:
        """The figures that were given; None where none was."""
        figures = {name: value for name in CueName if (value := getattr(self, name.value)) is not None}
        return CueRule(at_least=figures) if figures else None


class RuleForm(Form):
    """What every policy may say: when it is asked, and what becomes of its answers."""

    title: Line | None = None
    """What people read in the alarm. Default: the id, with spaces."""
    unless: Question | None = None
    """The harmless twin, which alone is no alarm: "steam rises from the press"."""
    zone: Id | None = None
    """The zone of its sensors that it is about. Default: the whole picture."""
    senses: tuple[Sense, ...] = Field(default=(), max_length=2)
    """What it needs to be asked at all: `[sight]`, `[sound]` or both. Default: whatever the sensor has."""
    wake: tuple[CueName, ...] = Field(default=(), max_length=len(CueName))
    """The cues that wake it. Default: any that says that something happens."""
    patrol: Wait | None = None
    """It is asked at least so often, even when nothing stirs: for what does not move. Default: only when woken."""
    severity: Severity = Severity.MEDIUM
    """How urgent an alarm is: critical, high, medium or low."""
    trigger: TriggerText = Trigger(count=1, of=1)
    """How many of the last windows must say yes, like `2 of 3`. Impulses (a shot, glass) want `1 of 1`, states `3 of 4`."""
    trigger_span: Wait | None = None
    """How far apart those yes answers may lie. Default: twice the time that the windows take."""
    threshold: Probability = 0.5
    """From which score (0..1) on an answer is a yes."""
    clear_below: Probability | None = None
    """Below which score an answer is a no; in between it is unsure. Default: the threshold less 1.5 in log-odds."""
    clear_after: Duration = timedelta(seconds=30)
    """How long the answers must be no for an alarm to clear."""
    cooldown: Duration = timedelta(0)
    """How long after an alarm no other is told."""
    remind_every: Wait | None = None
    """How often an alarm that stands unacknowledged is told again. Default: never."""
    acknowledge: Acknowledge = Acknowledge.AUTO
    """`required`: an alarm that has cleared waits until somebody has seen it."""
    active: Active | None = None
    """When it is asked, in the site's time zone: `mon-fri 22:00-06:00; sat,sun 00:00-24:00`. Default: always."""
    modes: tuple[Id, ...] = Field(default=(), max_length=MAX_MODES)
    """The arm modes in which it watches, like `[away, night]`. Default: in all of them, and disarmed as well."""
    latched: Truth = False
    """An alarm stays until somebody resets it."""
    inhibited_by: tuple[Id, ...] = Field(default=(), max_length=16)
    """While an alarm of one of these policies stands, this one's is not told: they explain it."""
    on_no_data: OnNoData = OnNoData.HOLD
    """What no data does: `hold` keeps things as they are, `alarm` opens an alarm. It never clears one."""
    fallback: FallbackForm | None = None
    """What cues alone take for a yes, where no model judges. Default: then it is not asked, and that is counted."""
    say: Line | None = None
    """What is spoken when an alarm opens or is told again, with `notify: speech:`. Default: the alarm's summary."""
    transcript: Truth = False
    """Behind an alarm the model also writes down what was said in its window, as words in its description's event: of policies with `senses`
    that name sound, at sensors with `sound: keep`, where `judge` has `describe: true`. docs/privacy.md says what that means."""
    weight: Annotated[Number, Field(ge=0.1, le=10)] = 1.0
    """Its share of the judge, when there is more to ask than can be asked."""


Sensors = Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_SENSORS)]


class PolicyForm(RuleForm):
    """A policy of one's own."""

    id: Id
    """Its name: a part of the alarm's topic."""
    ask: Question
    """The question, to be answered with yes or no: concrete, about what can be seen or heard in a few seconds."""
    sensors: Sensors
    """The sensors that it is asked about."""

    def policy(self, timezone: str) -> Policy:
        """The policy that this form asks for."""
        return Policy(
            id=PolicyId(self.id),
            title=self.title or self.id.replace("-", " ").capitalize(),
            ask=self.ask,
            unless=self.unless,
            sensors=tuple(SensorId(sensor) for sensor in self.sensors),
            zone=self.zone,
            senses=frozenset(self.senses),
            wake=frozenset(self.wake),
            patrol=self.patrol,
            severity=self.severity,
            trigger=self.trigger,
            trigger_span=self.trigger_span,
            threshold=self.threshold,
            clear_below=self.clear_below,
            clear_after=self.clear_after,
            cooldown=self.cooldown,
            remind_every=self.remind_every,
            acknowledge=self.acknowledge,
            active=parse(self.active, timezone) if self.active else None,
            modes=frozenset(self.modes),
            latched=self.latched,
            inhibited_by=frozenset(PolicyId(other) for other in self.inhibited_by),
            on_no_data=self.on_no_data,
            fallback=self.fallback.rule() if self.fallback else None,
            say=self.say,
            transcript=self.transcript,
            weight=self.weight,
        )


class UseForm(RuleForm):
    """A policy of a catalogue, put to use. What is said here takes the place of what the catalogue says."""

    use: Id
    """The policy's name in the catalogue."""
    id: Id | None = None
    """Another name for it here, so that it can be used twice. Default: its name in the catalogue."""
    ask: Question | None = None
    """The question in other words. Default: the catalogue's."""
    sensors: Sensors
    """The sensors that it is asked about."""


class CatalogueLine(Form):
    """A catalogue whose policies can be used."""

    catalogue: Annotated[str, Field(min_length=1, max_length=1000)]
    """Its path, relative to this file."""


class OfferForm(RuleForm):
    """A policy in a catalogue: off until it is used."""

    id: Id
    """Its name."""
    ask: Question
    """The question, to be answered with yes or no."""


class CatalogueForm(Form):
    """A file of policies that can be used."""

    policies: tuple[OfferForm, ...] = Field(max_length=MAX_POLICIES)
    """The policies on offer."""


TAGS: dict[str, type[Form]] = {"(policy)": PolicyForm, "(use)": UseForm, "(catalogue)": CatalogueLine}
"""How the kinds of entries are told apart in the places of errors: words that no file can hold as a key."""


def kind_of(entry: Any) -> str:  # noqa: ANN401 - whatever the file holds
    """Which kind of entry it means to be."""
    keys = entry.keys() if isinstance(entry, dict) else entry.__class__.model_fields.keys() if isinstance(entry, Form) else ()
    return "(use)" if "use" in keys else "(catalogue)" if "catalogue" in keys else "(policy)"


Entry = Annotated[
    Annotated[PolicyForm, Tag("(policy)")] | Annotated[UseForm, Tag("(use)")] | Annotated[CatalogueLine, Tag("(catalogue)")],
    Discriminator(kind_of),
]
