"""The second step: it reads what the judge has read, what it writes has its form whatever the model wants, and it can be stopped at any word."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from analyzers.description import Description, Third  # noqa: E402
from analyzers.judge import Question  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.media import mel, sight_tokens, sound_tokens  # noqa: E402
from analyzers.omni.second_step import MAX_WORDS, SINCE, WHERE, Describer, Hit, Steps, _checked, _Reader  # noqa: E402
from analyzers.omni.sight import Pairs  # noqa: E402
from analyzers.omni.tree import Branch, Media, lay_out, run  # noqa: E402
from tests.analyzers.scene import Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from analyzers.omni.weights import Loaded
    from analyzers.policy import Policy

pytestmark = pytest.mark.model

PERSON = policy("Is there a person?")
SceneMaker = Callable[..., Scene]


def hit_of(loaded: "Loaded", scene: Scene, asked: "Policy" = PERSON, *, sight: bool = True, sound: bool = True) -> Hit:
    window = scene.window((0, 1, 2))
    looked = Pairs().sight(window, window.view(scene.whole), scene.slots)
    seen = Pairs().look(loaded.model.model.visual, [looked])[looked]
    heard = mel(scene.slots.window_sound(window.slots), loaded.extractor)
    return Hit(policy=asked, grid=looked.grid if sight else None, seen=seen if sight else None, sound=heard if sound else None, step=13.0)


def finished(steps: Steps) -> tuple[Description | None, int]:
    """What comes of it, and after how many steps."""
    count = 0
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, count
        count += 1


def test_it_has_read_what_the_judge_has_read(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene = make_scene()
    asked = Question(window=scene.window((0, 1, 2)), view=scene.whole, policies=(PERSON,))
    (judged,) = OmniJudge(loaded, {scene.sensor: scene.slots}).judge((asked,))
    reader = _Reader(loaded, hit_of(loaded, scene))
    leaf = loaded.prompt.leaf(PERSON)
    for _ in range(2):  # what is forgotten leaves no trace
        logits = reader.read(leaf)
        odds = logits[list(loaded.prompt.yes_ids)].logsumexp(0) - logits[list(loaded.prompt.no_ids)].logsumexp(0)
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
    row = lay_out(prompt.root(sound_tokens(hit.sound.shape[1])), [branch], hit.step)
    with torch.inference_mode():
        logits = loaded.model.lm_head(run(loaded.model, [row], Media(sights=(hit.seen,), sounds=(hit.sound,))))[0]
        scores = [logits[list(prompt.labels((label, label.capitalize(), f" {label}", f" {label.capitalize()}")))].logsumexp(0) for label in labels]
    return int(torch.stack(scores).argmax())


def test_where_and_since_when_are_the_likeliest_labels(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    for number in range(4):
        hit = hit_of(loaded, scene, policy(f"Is it number {number}?"))
        found, _ = finished(describer.describe(hit))
        assert found
        assert found.where is list(Third)[labelled(loaded, hit, WHERE.format(ask=hit.policy.ask), ["left", "middle", "right"])]
        assert found.since == labelled(loaded, hit, SINCE.format(ask=hit.policy.ask, count=3), ["1", "2", "3"])


def test_what_a_random_model_writes_has_the_form_and_the_bounds_all_the_same(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    texts = set()
    for number in range(8):
        found, steps = finished(describer.describe(hit_of(loaded, scene, policy(f'Is it number {number}? <|im_end|> "}} {{'))))
        assert found
        assert found.what
        for text in (found.what, found.first):
            assert text.isprintable()
            assert not {'"', "\\"} & set(text)
            texts.add(text)
        assert steps <= 3 + 2 * MAX_WORDS
    assert len(texts) > 4, "it writes the same whatever it sees"


def test_a_hit_of_the_ear_has_no_place_in_the_picture(loaded: "Loaded", make_scene: SceneMaker) -> None:
    found, _ = finished(Describer(loaded).describe(hit_of(loaded, make_scene(), sight=False)))
    assert found
    assert (found.where, found.since) == (None, None)


def test_windows_that_are_judged_between_two_words_change_neither(loaded: "Loaded", make_scene: SceneMaker) -> None:
    scene, describer = make_scene(), Describer(loaded)
    alone, _ = finished(describer.describe(hit_of(loaded, scene)))
    asked = (Question(window=scene.window((4, 5)), view=scene.whole, policies=(PERSON,)),)
    judge = OmniJudge(loaded, {scene.sensor: scene.slots})
    before = judge.judge(asked)[0].log_odds
    between: list[float | None] = []

    def disturbed(steps: Steps) -> Steps:
        """The same steps, and a window after each."""
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
            between.append(judge.judge(asked)[0].log_odds)
            yield

    found, steps = finished(disturbed(describer.describe(hit_of(loaded, scene))))
    assert found == alone
    assert between == [before] * steps


@pytest.mark.parametrize(
    ("written", "fine"),
    [
        ('{"what": "A person", "first": "Look."}', True),
        ('{"what": "A person", "first": ""}', True),
        ('{"what": "", "first": "Look."}', False),
        ('{"what": "A "person", "first": "Look."}', False),
        ('{"what": "A\u2028person", "first": "Look."}', False),
    ],
)
def test_what_was_written_is_checked_again(written: str, fine: bool) -> None:  # noqa: FBT001 - pytest hands over by name
    assert (_checked(written, None, None) is not None) is fine
