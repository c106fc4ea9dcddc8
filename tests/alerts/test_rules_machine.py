"""A machine that tells the rules anything in any order, and the sentences that must stay true whatever it tells."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import TypeAdapter

from alerts.alert import AlertId, AlertState, Change
from alerts.decision import Context, Decision
from alerts.event import MAX_SHELF, Commanded, Event, Judged, Ticked, Verb
from alerts.reason import Reason
from alerts.rules import decide
from alerts.track import Track
from analyzers.judgement import JudgeKind, Judgement, Verdict
from analyzers.policy import Acknowledge, OnNoData, Policy, PolicyId, Trigger
from sensors.moment import BootId, Moment
from sensors.window import SensorId, ViewId, WindowId

STRIDE_S = 4
NAMED_SILENCES = {Reason.SHELVED, Reason.SUPPRESSED, Reason.COOLDOWN, Reason.FLOOD}
INHIBITOR = PolicyId("picture-dark")
ALARM_FLOOD = (PolicyId("alarm-flood"), ViewId("box"))
START = datetime(2026, 3, 28, 20, 0, tzinfo=UTC)
TRACKS: TypeAdapter[Track] = TypeAdapter(Track)
EVENTS: TypeAdapter[Event] = TypeAdapter(Event)

seconds = st.sampled_from([0, 0, 4, 12, 60]).map(lambda number: timedelta(seconds=number))
judges = st.sampled_from([JudgeKind.OMNI, JudgeKind.CUES])
triggers = st.sampled_from([Trigger(count=1, of=1), Trigger(count=2, of=3), Trigger(count=3, of=4), Trigger(count=2, of=2)])
policies = st.builds(
    Policy,
    id=st.just(PolicyId("smoke")),
    title=st.just("Smoke"),
    ask=st.just("Is there smoke?"),
    sensors=st.just((SensorId("hall"),)),
    trigger=triggers,
    clear_after=seconds,
    cooldown=seconds,
    remind_every=st.none() | seconds.map(lambda span: span + timedelta(seconds=1)),
    acknowledge=st.sampled_from(Acknowledge),
    latched=st.booleans(),
    on_no_data=st.sampled_from(OnNoData),
    inhibited_by=st.just(frozenset({INHIBITOR})),
)


@dataclass(frozen=True)
class Told:
    """One line of the log: what the rules were told."""

    event: Event
    context: Context


class Rules(RuleBasedStateMachine):
    """One policy on one view, and everything that can happen to it."""

    @initialize(policy=policies)
    def begin(self, policy: Policy) -> None:
        self.policy = policy
        self.track = self.first = Track(policy=policy.id, sensor=SensorId("hall"), view=ViewId("hall"))
        self.context = Context(stride=timedelta(seconds=STRIDE_S))
        self.log: list[Told] = []
        self.numbers: dict[str, int] = {}
        self.boot, self.up_s, self.utc = 0, 8, START
        self.counted: dict[int, bool] = {}
        """The answers of this boot that may open: end of the window in seconds, and whether it was a yes."""
        self.untold: AlertId | None = None
        """The alert whose opening was not told, while it stands."""
        self.newest_s = -1
        """End of the newest window of this boot that was decided or had no data."""

    # What can happen.

    @rule(verdict=st.sampled_from(Verdict), by=judges, lag=st.sampled_from([0, 0, 1, 2, 5]))
    def judged(self, verdict: Verdict, by: JudgeKind, lag: int) -> None:
        self._judged(verdict, by, lag)

    @rule(verdict=st.sampled_from([Verdict.YES, Verdict.NO]), by=judges, times=st.integers(1, 18))
    def judged_in_a_row(self, verdict: Verdict, by: JudgeKind, times: int) -> None:
        for _ in range(times):
            self._judged(verdict, by, 0)

    @rule(first=st.sampled_from([Verdict.YES, Verdict.NO]), late=st.sampled_from([Verdict.YES, Verdict.NO]), lag=st.integers(1, 3))
    def judged_out_of_order(self, first: Verdict, late: Verdict, lag: int) -> None:
        self._pass(lag * STRIDE_S)
        self._judged(first, JudgeKind.OMNI, 0)
        self._judged(late, JudgeKind.OMNI, lag)

    @rule(passed_s=st.sampled_from([1, 1, 5, 30, 100]))
    def time_passes(self, passed_s: int) -> None:
        self._pass(passed_s)
        self._fold(Ticked(at=self._now()))

    @rule(verb=st.sampled_from(Verb), span=st.sampled_from([1, 60, 3600, 86_400]))
    def commanded(self, verb: Verb, span: int) -> None:
        self._pass(1)
        self._fold(Commanded(verb=verb, who="anna", span=timedelta(seconds=span), at=self._now()))

    @rule(active=st.sets(st.sampled_from([(INHIBITOR, ViewId("hall")), ALARM_FLOOD])))
    def other_alarms(self, active: set[tuple[PolicyId, ViewId]]) -> None:
        self.context = replace(self.context, active=frozenset(active))

    @rule(days=st.integers(-3000, 3000))
    def somebody_sets_the_clock(self, days: int) -> None:
        self.utc += timedelta(days=days)

    @rule(down_s=st.integers(10, 10_000), days=st.sampled_from([0, 0, -3000]))
    def reboot(self, down_s: int, days: int) -> None:
        """`days`: it comes up with its clock set back, as a box without a battery does."""
        self.boot, self.up_s, self.utc = self.boot + 1, 8, self.utc + timedelta(days=days, seconds=down_s)
        self.counted, self.newest_s = {}, -1

    # What must be true then.

    @rule()
    def shelving_always_ends(self) -> None:
        self._pass(round(MAX_SHELF.total_seconds()))
        self._fold(Ticked(at=self._now()))
        assert self.track.shelf is None

    @precondition(lambda self: self.untold is not None)
    @rule()
    def what_was_withheld_is_told_when_nothing_silences_it_any_more(self) -> None:
        untold = self.untold
        self.context = replace(self.context, active=frozenset())
        self._pass(round(max(MAX_SHELF, self.policy.cooldown).total_seconds()))
        decisions = [self._fold(Ticked(at=self._now())) for _ in range(2)]
        assert any(one.told and one.change in (Change.OPENED, Change.REOPENED) and one.alert.id == untold for one in decisions)

    @invariant()
    def the_alert_stands_where_the_track_stands(self) -> None:
        has_alert = self.track.state not in (AlertState.NORMAL, AlertState.PENDING)
        assert (self.track.alert is not None) == has_alert
        assert self.track.alert is None or self.track.alert.state is self.track.state

    @invariant()
    def what_is_remembered_is_bounded(self) -> None:
        assert len(self.track.answers) < 2 * self.policy.trigger.of

    def teardown(self) -> None:
        self._a_replay_of_the_log_gives_the_same_track()

    def _a_replay_of_the_log_gives_the_same_track(self) -> None:
        if not hasattr(self, "log"):
            return
        track = self.first
        for line in self.log:
            track = decide(track, EVENTS.validate_json(EVENTS.dump_json(line.event)), self.policy, line.context).track
        assert track == self.track

    def _holds(self, before: Track, event: Event, decision: Decision) -> None:
        """The sentences about one decision."""
        self._transitions_are_consecutive(decision)
        self._no_alert_vanishes(before, decision)
        assert (decision.change is None) == (decision.alert is None), "a change is a change of an alert"
        assert not decision.told or decision.change, "what is told is a change"
        if decision.opens:
            assert decision.told or decision.reason in NAMED_SILENCES, "an opening is told or has a named reason"
        if decision.alert and decision.alert.test:
            assert replace(decision.track, test=before.test) == before, "a test changes nothing but itself"
            assert decision.told, "a test is told, whatever silences alarms"
        elif decision.change is Change.CLEARED or (self.track.gone and not before.gone):
            self._only_a_no_of_rank_and_in_order_clears(before, event)
        if isinstance(event, Judged) and event.judgement.verdict is Verdict.YES:
            self._enough_yes_answers_open(before, event.judgement, decision)

    def _note_what_is_untold(self, decision: Decision) -> None:
        if decision.alert and decision.alert.test:
            return
        if decision.opens and not decision.told:
            self.untold = decision.alert.id
        elif decision.told or decision.track.alert is None:
            self.untold = None

    def _transitions_are_consecutive(self, decision: Decision) -> None:
        if decision.alert:
            assert decision.alert.transition == self.numbers.get(decision.alert.id, 0) + 1
            self.numbers[decision.alert.id] = decision.alert.transition

    def _no_alert_vanishes(self, before: Track, decision: Decision) -> None:
        if before.alert and (self.track.alert is None or self.track.alert.id != before.alert.id):
            assert decision.change in (Change.CLEARED, Change.ACKNOWLEDGED)
            assert decision.alert.id == before.alert.id
            assert decision.alert.state is AlertState.NORMAL

    def _only_a_no_of_rank_and_in_order_clears(self, before: Track, event: Event) -> None:
        if isinstance(event, Commanded):
            assert event.verb is Verb.RESET
            assert before.gone
            return
        assert isinstance(event, Judged)
        judgement = event.judgement
        assert judgement.verdict is Verdict.NO, "only NO clears"
        assert judgement.by.rank >= before.alert.by.rank, "a lower-ranked judge never clears"
        end_s = judgement.end.boot_ns // 1_000_000_000
        assert end_s >= self.newest_s, "an old judgement never clears"
        latest_yes_s = max((end for end, yes in self.counted.items() if yes), default=None)
        if latest_yes_s is not None:
            assert end_s - latest_yes_s >= self.policy.clear_after.total_seconds(), "no yes for clear_after"

    def _enough_yes_answers_open(self, before: Track, judgement: Judgement, decision: Decision) -> None:
        """An independent count, for the newest window: the last `of` decided, of which `count` say yes within the span."""
        end_s = judgement.end.boot_ns // 1_000_000_000
        if before.is_open or end_s < self.newest_s or decision.reason is Reason.DUPLICATE or end_s == self.newest_s:
            return
        answers = {**self.counted, end_s: True}
        last = sorted(answers)[-self.policy.trigger.of :]
        yes = [end for end in last if answers[end]][-self.policy.trigger.count :]
        span_s = 2 * self.policy.trigger.of * STRIDE_S
        enough = len(yes) == self.policy.trigger.count and yes[-1] - yes[0] <= span_s
        assert decision.opens == enough

    # How it is told.

    def _judged(self, verdict: Verdict, by: JudgeKind, lag: int) -> None:
        if lag == 0:
            self._pass(STRIDE_S - self.up_s % STRIDE_S)
        end_s = max(0, self.up_s - self.up_s % STRIDE_S - lag * STRIDE_S)
        end = replace(self._now(), boot_ns=end_s * 1_000_000_000, utc=self.utc - timedelta(seconds=self.up_s - end_s))
        judgement = Judgement(
            policy=self.policy.id,
            sensor=SensorId("hall"),
            view=ViewId("hall"),
            window=WindowId(f"hall/{self.boot}/{end_s}"),
            start=end,
            end=end,
            verdict=verdict,
            by=by,
        )
        decision = self._fold(Judged(judgement=judgement, at=self._now()))
        self._count(end_s, verdict, decision)

    def _count(self, end_s: int, verdict: Verdict, decision: Decision) -> None:
        if decision.reason not in (Reason.OLD_WINDOW, Reason.DUPLICATE):
            if verdict in (Verdict.YES, Verdict.NO):
                self.counted[end_s] = verdict is Verdict.YES
            if verdict in (Verdict.YES, Verdict.NO, Verdict.NO_DATA):
                self.newest_s = max(self.newest_s, end_s)
        if decision.change is Change.CLEARED or decision.track.settled == decision.track.watermark is not None:
            self.counted = {}

    def _fold(self, event: Event) -> Decision:
        before = self.track
        decision = decide(before, event, self.policy, self.context)
        self.log.append(Told(event=event, context=self.context))
        self.track = TRACKS.validate_json(TRACKS.dump_json(decision.track))
        self._holds(before, event, decision)
        self._note_what_is_untold(decision)
        return decision

    def _pass(self, passed_s: int) -> None:
        self.up_s += passed_s
        self.utc += timedelta(seconds=passed_s)

    def _now(self) -> Moment:
        return Moment(utc=self.utc, boot_ns=self.up_s * 1_000_000_000, boot_id=BootId(str(self.boot)))


TestRules = Rules.TestCase
TestRules.settings = settings(max_examples=400, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
