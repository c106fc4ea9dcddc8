"""The second step: it reads what the judge has read, what it writes has its form whatever the model wants, and it can be stopped at any word."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from analyzers.description import MAX_TOKENS, TEXT_TOKENS, Description, Third  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.media import sight_tokens  # noqa: E402
from analyzers.omni.second_step import (  # noqa: E402
    ITS_LANGUAGE,
    SINCE,
    WHERE,
    Describer,
    Hit,
    Steps,
    checked,
    perceive,
    read_hit,
    wording,
)
from analyzers.omni.sight import Pairs  # noqa: E402
from analyzers.omni.tree import Branch, Media, lay_out, run  # noqa: E402
from sensors.window import Sense  # noqa: E402
from tests.analyzers.scene import BOTH, SIGHT, SOUND, START, Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded
    from analyzers.policy import Policy

pytestmark = pytest.mark.model

PERSON = policy("Is there a person?")
SceneMaker = Callable[..., Scene]


@pytest.fixture(params=["loaded", "loaded25"], ids=["Qwen3-Omni", "Qwen2.5-Omni"])
def either(request: pytest.FixtureRequest) -> "Loaded":
    """A model of each family."""
    return request.getfixturevalue(request.param)


def hit_of(loaded: "Loaded", scene: Scene, asked: "Policy" = PERSON, senses: frozenset[Sense] = BOTH) -> Hit:
    question = Question(window=scene.window((0, 1, 2), senses), view=scene.whole, policies=(asked,))
    return perceive(question, loaded, scene.slots, Pairs(loaded.family))


def finished(steps: Steps) -> tuple[Description | None, int, int]:
    """What comes of it, after how many steps, and in how many of them a word was written."""
    count = words = 0
    while True:
        try:
            words += next(steps).word
        except StopIteration as end:
            return end.value, count, words
        count += 1


def test_it_has_read_what_the_judge_has_read(either: "Loaded", make_scene: SceneMaker) -> None:
    scene = make_scene()
    asked = Question(window=scene.window((0, 1, 2)), view=scene.whole, policies=(PERSON,))
    (judged,) = OmniJudge(either, {scene.sensor: scene.slots}).judge((asked,))
    reader = read_hit(either, hit_of(either, scene))
    leaf = either.prompt.leaf(PERSON)
    for _ in range(2):  # what is forgotten leaves no trace
        logits = reader.read(leaf)
        odds = logits[list(either.prompt.yes_ids)].logsumexp(0) - logits[list(either.prompt.no_ids)].logsumexp(0)
        assert float(odds) == pytest.approx(judged.log_odds, abs=1e-5)
        reader.forget(len(leaf))
    token_by_token = [reader.read((token,)) for token in leaf][-1]
    assert torch.allclose(token_by_token, logits, atol=1e-5)


def labelled(loaded: "Loaded", hit: Hit, text: str, labels: list[str]) -> int:
    """The likeliest of `labels`, from a forward of its own."""
    assert hit.grid
    assert hit.seen
    assert hit.sound is not None
    prompt = loaded.prompt
    branch = Branch(tokens=prompt.branch(sight_tokens(hit.grid)), grid=hit.grid, leaves=(prompt.asked(text),))
    row = lay_out(prompt.root(loaded.family.sound_tokens(hit.sound.shape[1])), [branch], hit.step)
    with torch.inference_mode():
        logits = loaded.model.lm_head(run(loaded.model, [row], Media(sights=(hit.seen,), sounds=(hit.sound,))))[0]
        scores = [logits[list(prompt.labels((label, label.capitalize(), f" {label}", f" {label.capitalize()}")))].logsumexp(0) for label in labels]
    return int(torch.stack(scores).argmax())


def test_where_and_since_when_are_the_likeliest_labels(either: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(either)
    for number in range(4):
        hit = hit_of(either, scene, policy(f"Is it number {number}?"))
        found, *_ = finished(describer.describe(hit))
        assert found
        assert found.where is list(Third)[labelled(either, hit, WHERE.format(ask=hit.policy.ask), ["left", "middle", "right"])]
        pair = labelled(either, hit, SINCE.format(ask=hit.policy.ask, count=3), ["1", "2", "3"])
        assert found.since == START.plus(timedelta(seconds=pair))


def test_what_a_random_model_writes_has_the_form_and_the_bounds_all_the_same(either: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(either)
    texts = set()
    for number in range(8):
        found, _, words = finished(describer.describe(hit_of(either, scene, policy(f'Is it number {number}? <|im_end|> "}} {{'))))
        assert found
        assert found.what
        for text in (found.what, found.first):
            assert text.isprintable()
            assert not {'"', "\\"} & set(text)
            texts.add(text)
        assert words <= 2 * TEXT_TOKENS < MAX_TOKENS
    assert len(texts) > 1


def test_a_hit_of_the_ear_is_asked_what_is_heard_and_the_picture_is_not_even_read(loaded: "Loaded", make_scene: SceneMaker) -> None:
    glass, describer = policy("Does glass break?", senses=SOUND), Describer(loaded)
    found = []
    for heard in (hit_of(loaded, make_scene(), glass, SOUND), hit_of(loaded, make_scene(), glass, BOTH)):
        assert (heard.grid, heard.seen) == (None, None)
        assert "what is heard" in wording(heard)
        said, *_ = finished(describer.describe(heard))
        assert said
        assert (said.where, said.since) == (None, None)
        found.append(said)
    assert found[0] == found[1], "a camera's picture changes nothing"
    assert "what is there" in wording(hit_of(loaded, make_scene(), PERSON, BOTH))


def test_a_hit_of_the_eye_is_described_without_what_was_heard(loaded: "Loaded", make_scene: SceneMaker) -> None:
    person = policy("Is there a person?", senses=SIGHT)
    assert hit_of(loaded, make_scene(), person, BOTH).sound is None


SPOKEN = replace(policy("Does somebody call for help?", senses=BOTH), transcript=True)


def test_what_was_said_is_written_down_behind_the_description_where_its_policy_wants_that(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    without, *_ = finished(describer.describe(hit_of(loaded, scene, replace(SPOKEN, transcript=False))))
    assert without
    assert without.transcript is None
    told: list[Description] = []

    def watched(steps: Steps) -> Steps:
        """The same steps, and what there is after each."""
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            told.extend([step.found] if step.found else [])
            yield step

    found, *_ = finished(watched(describer.describe(hit_of(loaded, scene, SPOKEN))))
    assert found
    assert found.transcript
    assert found.without_transcript() == without
    assert set(told) == {without}, "whenever it is stopped from then on, the description is there"
    assert len(told) > 1


def test_no_sound_no_transcript(loaded: "Loaded", make_scene: SceneMaker) -> None:
    found, *_ = finished(Describer(loaded).describe(hit_of(loaded, make_scene(), replace(SPOKEN, senses=SIGHT), SIGHT)))
    assert found
    assert found.transcript is None


def test_windows_that_are_judged_between_two_words_change_neither(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    alone, *_ = finished(describer.describe(hit_of(loaded, scene)))
    asked = (Question(window=scene.window((4, 5)), view=scene.whole, policies=(PERSON,)),)
    judge = OmniJudge(loaded, {scene.sensor: scene.slots})
    before = judge.judge(asked)[0].log_odds
    between: list[float | None] = []

    def disturbed(steps: Steps) -> Steps:
        """The same steps, and a window after each."""
        while True:
            try:
                step = next(steps)
            except StopIteration as end:
                return end.value
            between.append(judge.judge(asked)[0].log_odds)
            yield step

    found, steps, _ = finished(disturbed(describer.describe(hit_of(loaded, scene))))
    assert found == alone
    assert between == [before] * steps


@pytest.mark.parametrize(
    ("written", "fine"),
    [
        ('{"what": "A person", "first": "Look."}', True),
        ('{"what": "A person", "first": ""}', True),
        ('{"what": "A person"}', False),
        ('{"what": ["A person"], "first": "Look."}', False),
        ('{"what": "A person", "first": "%s"}' % ("a" * 201), False),
        ('{"what": "", "first": "Look."}', False),
        ('{"what": "A "person", "first": "Look."}', False),
        ('{"what": "A\u2028person", "first": "Look."}', False),
    ],
)
def test_what_was_written_is_checked_again(written: str, fine: bool) -> None:  # noqa: FBT001 - pytest hands over by name
    assert (checked(written) is not None) is fine


def test_it_is_asked_in_the_owners_language(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    plain, *_ = finished(describer.describe(hit_of(loaded, scene)))
    german, *_ = finished(describer.describe(hit_of(loaded, scene), "German"))
    assert plain != german
    assert ITS_LANGUAGE in wording(hit_of(loaded, scene))


def test_what_is_kept_of_the_newest_window_stays_when_an_older_one_is_described(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, pairs = make_scene(), Pairs(loaded.family)
    judge = OmniJudge(loaded, {scene.sensor: scene.slots}, pairs)
    newest, older = scene.window((4, 5)), scene.window((0, 1))
    judge.judge((Question(window=newest, view=scene.whole, policies=(PERSON,)),))
    perceive(Question(window=older, view=scene.whole, policies=(PERSON,)), loaded, scene.slots, pairs)
    assert not pairs.sight(newest, newest.view(scene.whole), scene.slots).read
    assert pairs.sight(older, older.view(scene.whole), scene.slots).read
