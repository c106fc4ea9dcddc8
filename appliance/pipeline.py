"""The whole way of a window: gate, queue, judge, rules, store, outbox. Everything that decides is elsewhere and pure; this is the order.

    window() ──► gate ──► queue ──► judge_once() ──► fold() ──► rules.decide ──► one transaction ──► outbox
                  │ not asked                          ▲
                  └────────────────────────────────────┘        tick() folds the passing of time and the supervisor's own facts

It knows no process, no broker and no database, only the seams in front of them.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from alerts.audience import Audience, notifications
from alerts.builtin import CUES_ONLY, FEED
from alerts.decision import Context, Decision
from alerts.event import Event, Judged, Ticked
from alerts.names import SELF_TEST
from alerts.notification import Notification
from alerts.rules import decide, withdrawals
from alerts.track import Track
from analyzers.gates import Gates, Key
from analyzers.judge import Judge, Question
from analyzers.judgement import JudgeKind, Judgement
from analyzers.policy import Policy
from analyzers.queue import Dropped, Queue
from appliance.children.judge_link import AsyncJudge
from appliance.clock import Clock
from appliance.holding import Holding
from appliance.seams import Ledger, LowStep, Observer, Teller
from appliance.store.store import StoreFailed
from appliance.watch import Watch
from sensors.moment import Moment
from sensors.window import SensorId, ViewId, Window

log = logging.getLogger("omniwatch")

BATCH = 8
"""Questions a batch at most: views, each with all of its policies."""


class Pipeline:
    """The data path of one box."""

    def __init__(self, *, clock: Clock, cues: Judge, judge: AsyncJudge | None, ledger: Ledger, teller: Teller | None, queue: Queue) -> None:
        """`judge` None: cues answer everything. `teller` None: nobody is told (a replay)."""
        self._clock = clock
        self._cues = cues
        self.judge = judge
        self._ledger = ledger
        self._teller = teller
        self.queue = queue
        self._watch: Watch | None = None
        self._policies: Mapping[Key, Policy] = {}
        self._tracks: dict[Key, Track] = {}
        self._told: set[Key] = set()
        self._gates = Gates()
        self.holding = Holding()
        self._something = asyncio.Event()
        self._folding = asyncio.Lock()
        self._under_way: set[asyncio.Task[tuple[Decision, ...]]] = set()
        self.audiences: tuple[Audience, ...] = ()
        self.observers: list[Observer] = []
        self.low_steps: list[LowStep] = []
        self.stirs: Callable[[Window], bool | None] = lambda _window: None
        """What the camera itself says of a window; None: nothing."""
        self.mode: str | None = None
        """The arm mode; None: disarmed."""
        self.grouped: frozenset[SensorId] = frozenset()
        self.waits_for_judge = False
        """True: no cues stand in while the judge is away; questions wait for it, and are shed when they are too old."""

    async def configure(self, watch: Watch) -> None:
        """Watch this from now on. Tracks live on by policy and view; an alarm ends whose policy is gone, or that nobody could clear any more."""
        self._watch, self._policies = watch, watch.policies()
        now = self._clock.now()
        async with self._folding:
            leaves = [track for key, track in self._tracks.items() if key not in self._policies or self._is_out_of_reach(track)]
            gone = [decision for track in leaves for decision in withdrawals(track, now)]
            for decision in gone:
                self._keep(decision.track)
            await self._take([decision for decision in gone if decision.change])
        self._tracks = {key: track for key, track in self._tracks.items() if key in self._policies}
        self._told &= self._tracks.keys()
        self._gates.keep(self._policies)

    def _is_out_of_reach(self, track: Track) -> bool:
        """A model opened it and the box has none any more: a no of cues never clears it, and a yes of theirs opens it anew."""
        return self.judge is None and track.is_open and track.alert is not None and track.alert.by.rank > JudgeKind.CUES.rank

    def remember(self, tracks: Iterable[Track]) -> None:
        """Take up tracks as they were stored."""
        for track in tracks:
            self._keep(track)

    async def recall(self, tracks: Iterable[Track]) -> None:
        """Take up the alerts of a store that could not be had at the start and has come back. Where another has opened since, the older ends."""
        async with self._folding:
            known = [track for track in tracks if track.alert]
            ends = [track for track in known if not self._may_go_on(track)]
            self.remember(track for track in known if track not in ends)
            await self._take([decision for track in ends for decision in withdrawals(track, self._clock.now()) if decision.change])

    def _may_go_on(self, track: Track) -> bool:
        mine = self._tracks.get((track.policy, track.view))
        return (track.policy, track.view) in self._policies and (mine is None or mine.alert is None)

    def tracks(self) -> tuple[Track, ...]:
        """Where every policy stands. That of the self-test's clips is nobody's business."""
        return tuple(track for track in self._tracks.values() if track.policy != SELF_TEST)

    async def window(self, window: Window) -> None:
        """Gate a window's policies, view by view: answer from cues, put into the queue, or say why it was not asked."""
        answered: list[Judgement] = []
        self.holding.hold(window)  # ours, until every view has been seen: a question may leave the queue as soon as it is put
        for part in window.views:
            by_cues, by_judge = self._sorted(part.id)
            free, refused = self._gated(part.id, window, by_cues, free=True)
            question, quiet = self._gated(part.id, window, by_judge, free=False)
            answered += [*refused, *self._cues.judge((free,)), *quiet]
            if question.policies:
                self.holding.hold(window)
                answered += self._unasked(self.queue.put(question))
        self.holding.let_go(window)
        self.stir()
        await self.answers(answered)

    def _sorted(self, view: ViewId) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        """The policies of a view: those that cues answer now, and those for the judge."""
        watch = self._watch
        policies = watch.by_view.get(view, ()) if watch else ()
        if watch is None or self.judge is None or not (self.judge.ready or self.waits_for_judge):
            return policies, ()
        by_cues = tuple(policy for policy in policies if policy.id in CUES_ONLY)
        return by_cues, tuple(policy for policy in policies if policy.id not in CUES_ONLY)

    def _gated(self, view: ViewId, window: Window, policies: tuple[Policy, ...], *, free: bool) -> tuple[Question, list[Judgement]]:
        """What of a view's policies is asked, and the judgements of the others."""
        question = Question(window=window, view=view, policies=policies)
        normal, stirs = (lambda policy: not self._track(policy, view).asks_always), self.stirs(window)
        return self._gates.through(question, normal=normal, mode=self.mode, free=free, stirs=stirs)

    def _unasked(self, dropped: Iterable[Dropped]) -> list[Judgement]:
        """The judgements of questions that left the queue unasked; their windows are let go."""
        out: list[Judgement] = []
        for drop in dropped:
            if drop.low:
                for step in self._owners(drop.question):
                    step.dropped(drop.question, drop.cause)
                continue
            out += self._gates.dropped(drop.question, drop.cause)
            self.holding.let_go(drop.question.window)
        return out

    async def drop(self, sensor: SensorId) -> None:
        """The slots of a sensor are void: what waits in the queue cannot be asked any more."""
        await self.answers(self._unasked(self.queue.drop(sensor)))

    async def judge_once(self) -> bool:
        """Ask one batch, if something waits; whether something did. The judge is away: cues answer, or (`waits_for_judge`) it waits on."""
        judge = self.judge
        waits = judge is not None and not judge.ready and self.waits_for_judge
        taken = self.queue.take(self._clock.now().boot_ns, 0 if waits else BATCH, low=self._may_begin)
        judgements = self._unasked(taken.shed)
        if taken.low:
            for step in self._owners(taken.low):
                await step.begin(taken.low)
        if taken.batch:
            # Nothing is awaited between taking and asking: a sensor that starts again meanwhile would give the judge other slots.
            asks = judge if judge and (judge.ready or self.waits_for_judge) else None
            judgements += await asks.judge(taken.batch) if asks else self._cues.judge(taken.batch)
        await self.answers(judgements)  # a hit's window is held until it is known whether more is to be said of it
        for question in taken.batch:
            self.holding.let_go(question.window)
        return bool(taken.batch)

    def put_low(self, question: Question) -> None:
        """Let the question of a low step wait for its turn. Where there is none for it, its step hears of that at once."""
        self._unasked(self.queue.put(question, low=True))  # low ones alone make room for a low one
        self.stir()

    def _owners(self, low: Question) -> list[LowStep]:
        """Whose low question it is: one step, if that is still there."""
        return [step for step in self.low_steps if step.owns(low)]

    def _may_begin(self, low: Question) -> bool:
        return any(step.is_free for step in self._owners(low))

    def stir(self) -> None:
        """There may be something to ask."""
        self._something.set()

    async def judge_forever(self, turned: Callable[[], None], idle_s: float = 1.0) -> None:
        """Ask as long as there is something to ask; `turned` is called after each turn, idle or busy."""
        while True:
            self._something.clear()
            while await self.judge_once():
                turned()
            turned()
            with suppress(TimeoutError):
                async with asyncio.timeout(idle_s):
                    await self._something.wait()

    async def answers(self, judgements: Iterable[Judgement]) -> None:
        """Fold judgements in as they come."""
        await self.judged([Judged(judgement=judgement, at=self._clock.now()) for judgement in judgements])

    async def judged(self, answers: Iterable[Judged]) -> None:
        """Fold answers in. One of a policy that a reload has just taken away is forgotten."""
        events: list[tuple[Policy, ViewId, Event]] = []
        for answer in answers:
            judgement = answer.judgement
            if policy := self._policies.get((judgement.policy, judgement.view)):
                events.append((policy, judgement.view, answer))
                self._ledger.judged(judgement)
                self._show(judgement)
        await self.fold(events)

    async def tick(self, at: Moment) -> None:
        """It is `at` now, for every track."""
        await self.fold([(self._policies[key], key[1], Ticked(at=at)) for key in self._tracks if key in self._policies])

    async def fold(self, events: Sequence[tuple[Policy, ViewId, Event]]) -> tuple[Decision, ...]:
        """Decide event by event, write what changed in one transaction, then wake whoever tells. Fails open."""
        if not events:
            return ()
        # What was decided is written and told, even if whoever brought it (a sensor that is being stopped) is cancelled meanwhile.
        folding = asyncio.create_task(self._fold(events), name="fold")
        self._under_way.add(folding)
        folding.add_done_callback(self._under_way.discard)
        return await asyncio.shield(folding)

    async def _fold(self, events: Sequence[tuple[Policy, ViewId, Event]]) -> tuple[Decision, ...]:
        async with self._folding:
            # A reload may have taken a policy away while this waited its turn.
            decisions = tuple(self._decide(*event) for event in events if (event[0].id, event[1]) in self._policies)
            await self._take(decisions)
        return decisions

    async def _take(self, decisions: Sequence[Decision]) -> None:
        """Write what changed, then show everything."""
        changed, now = [decision for decision in decisions if decision.change], self._clock.now()
        if changed:
            await self._write(changed, [note for one in changed for note in notifications(one, self.audiences, now, durable=not self._ledger.away)])
        for decision in decisions:
            if not decision.change:
                self._ledger.noted(decision.track)
            self._show(decision)

    def _decide(self, policy: Policy, view: ViewId, event: Event) -> Decision:
        track = self._track(policy, view)
        decision = decide(track, event, policy, self._context(track))
        self._keep(decision.track)
        return decision

    def _keep(self, track: Track) -> None:
        key = (track.policy, track.view)
        self._tracks[key] = track
        (self._told.add if track.has_told else self._told.discard)(key)

    def _track(self, policy: Policy, view: ViewId) -> Track:
        return self._tracks.get((policy.id, view)) or Track(policy=policy.id, sensor=SensorId(view.partition(".")[0]), view=view)

    def _context(self, track: Track) -> Context:
        stride = self._watch.stride(track.policy, track.view) if self._watch else FEED
        return Context(stride=stride, active=frozenset(self._told), grouped=self.grouped, mode=self.mode, test=track.policy == SELF_TEST)

    async def _write(self, decisions: Sequence[Decision], notifications: Sequence[Notification]) -> None:
        try:
            await self._ledger.commit(decisions, notifications)
        except StoreFailed as error:
            log.debug("could not write %d transitions (%s); telling them from memory", len(decisions), error)  # the store says its outage, once
            if self._teller:
                for notification in notifications:
                    self._teller.tell_undurable(notification)
        if self._teller and notifications:
            self._teller.wake()

    def _show(self, what: Judgement | Decision) -> None:
        for observer in self.observers:
            observer(what)
