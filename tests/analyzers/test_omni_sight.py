"""What the tower makes of pairs: as the original tower does, once a pair, and never of another memory, epoch or size."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from analyzers.judge import Question  # noqa: E402
from analyzers.judgement import Cause, Verdict  # noqa: E402
from analyzers.omni import sight as sight_module  # noqa: E402
from analyzers.omni.family import QWEN3_OMNI  # noqa: E402
from analyzers.omni.judge import OmniJudge  # noqa: E402
from analyzers.omni.media import patches  # noqa: E402
from analyzers.omni.sight import Pairs, Sight, changing  # noqa: E402
from analyzers.omni.tower import PatchProduct, Seen, features, quicken  # noqa: E402
from sensors.window import Sense, Window  # noqa: E402
from tests.analyzers import tiny  # noqa: E402
from tests.analyzers.scene import SIGHT, SOUND, START, Scene, policy  # noqa: E402

if TYPE_CHECKING:
    from transformers.models.qwen3_omni_moe.modeling_qwen3_omni_moe import Qwen3OmniMoeVisionEncoder

    from analyzers.omni.weights import Loaded

pytestmark = pytest.mark.model

PERSON = policy("Is there a person?")


def see(pairs: Pairs, tower: "Qwen3OmniMoeVisionEncoder", scene: Scene, *windows: Window) -> tuple[list[Sight], list[Seen]]:
    sights = [pairs.sight(window, window.view(scene.whole), scene.slots) for window in windows]
    seen = pairs.look(tower, sights)
    return sights, [seen[each] for each in sights]


def numbers(sight: Sight) -> list[int]:
    return [number for _, number, _, _ in sight.read]


@pytest.fixture
def tower(loaded: "Loaded") -> "Qwen3OmniMoeVisionEncoder":
    return loaded.model.model.visual


def test_the_first_layer_of_sight_is_the_product_that_it_stands_for() -> None:
    embed = tiny.thinker(tiny.tokenizer()).model.visual.patch_embed
    pixels = torch.randn(12, 1536)
    assert torch.allclose(PatchProduct(embed.proj)(pixels), embed(pixels), atol=1e-5)


def test_pairs_that_go_through_together_are_what_the_original_tower_makes_of_each_alone() -> None:
    original = tiny.thinker(tiny.tokenizer()).double().model.visual
    quick = deepcopy(original)
    quicken(quick, QWEN3_OMNI)
    read = [patches(np.random.default_rng(seed).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8))[0] for seed in range(3)]
    together, alone = features(quick, read, (4, 6), QWEN3_OMNI), [features(original, [each], (4, 6), QWEN3_OMNI)[0] for each in read]
    for ours, theirs in zip(together, alone, strict=True):
        assert (ours.pooled - theirs.pooled).abs().max() < 1e-12
        assert [(a - b).abs().max() < 1e-12 for a, b in zip(ours.deep, theirs.deep, strict=True)] == [True]


def test_a_pair_that_windows_have_in_common_is_read_once_and_is_the_same_to_the_bit(
    tower: "Qwen3OmniMoeVisionEncoder", make_scene: Callable[..., Scene]
) -> None:
    scene, pairs = make_scene(), Pairs()
    (first,), (before,) = see(pairs, tower, scene, scene.window((0, 1, 2)))
    (second,), (after,) = see(pairs, tower, scene, scene.window((1, 2, 3)))
    assert (numbers(first), numbers(second)) == ([0, 1, 2], [3])
    tokens = len(before.pooled) // 3
    for old, new in zip((before.pooled, *before.deep), (after.pooled, *after.deep), strict=True):
        assert torch.equal(old[tokens:], new[: 2 * tokens])
    fresh = see(Pairs(), tower, scene, scene.window((1, 2, 3)))[1][0]
    assert torch.allclose(after.pooled, fresh.pooled, atol=1e-5)


def test_within_a_batch_too_a_pair_is_looked_at_once(tower: "Qwen3OmniMoeVisionEncoder", make_scene: Callable[..., Scene]) -> None:
    scene, pairs = make_scene(), Pairs()
    _, (later, earlier) = see(pairs, tower, scene, scene.window((1, 2, 3)), scene.window((0, 1, 2)))
    tokens = len(later.pooled) // 3
    assert torch.equal(later.pooled[: 2 * tokens], earlier.pooled[tokens:])
    assert numbers(pairs.sight(scene.window((2, 3, 4)), scene.window((2, 3, 4)).view(scene.whole), scene.slots)) == [4], "the newest is kept"


def test_another_epoch_another_size_another_view_and_another_memory_have_nothing_in_common(
    tower: "Qwen3OmniMoeVisionEncoder", make_scene: Callable[..., Scene]
) -> None:
    scene, again, pairs = make_scene(), make_scene(), Pairs()
    window = scene.window((0, 1))
    see(pairs, tower, scene, window)
    view = window.view(scene.whole)
    assert not numbers(pairs.sight(window, view, scene.slots))
    for other, its_view, memory in (
        (replace(window, epoch=1), view, scene.slots),
        (window, replace(view, width=64), scene.slots),
        (window, window.view(scene.door), scene.slots),
        (window, view, again.slots),
    ):
        assert numbers(pairs.sight(other, its_view, memory)) == [0, 1]


def test_no_more_is_kept_than_the_newest_window_of_a_view(tower: "Qwen3OmniMoeVisionEncoder", make_scene: Callable[..., Scene]) -> None:
    scene, pairs = make_scene(), Pairs()
    see(pairs, tower, scene, scene.window((0, 1, 2, 3)))
    most = pairs.kept_bytes
    assert most == 4 * 6 * tiny.HIDDEN * 4 * 2  # pairs, tokens, numbers, bytes, the last layer and a deep one
    for start in range(4):
        see(pairs, tower, scene, scene.window((start, start + 1)))
    assert pairs.kept_bytes == most // 2
    del scene.slots
    assert pairs.kept_bytes == 0, "features outlive their memory"


def test_what_is_kept_is_bounded_over_all_views(
    tower: "Qwen3OmniMoeVisionEncoder", make_scene: Callable[..., Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, pairs = make_scene(), make_scene(name="yard"), Pairs()
    see(pairs, tower, first, first.window((0, 1)))
    monkeypatch.setattr(sight_module, "MAX_KEPT_BYTES", pairs.kept_bytes)
    see(pairs, tower, second, second.window((0, 1)))
    assert numbers(see(pairs, tower, second, second.window((1, 2)))[0][0]) == [2]
    assert numbers(see(pairs, tower, first, first.window((1, 2)))[0][0]) == [1, 2]


def test_a_judge_that_has_seen_the_pictures_says_what_one_says_that_has_not(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene, pairs = make_scene(), Pairs()
    for start in range(4):
        window = scene.window((start, start + 1, start + 2))
        asked = (Question(window=window, view=scene.whole, policies=(PERSON,)), Question(window=window, view=scene.door, policies=(PERSON,)))
        kept, fresh = (OmniJudge(loaded, {scene.sensor: scene.slots}, each).judge(asked) for each in (pairs, Pairs()))
        assert [each.log_odds for each in kept] == pytest.approx([each.log_odds for each in fresh], abs=1e-5)


def grey(*levels: float, noise: float = 8.0) -> list[np.ndarray]:
    """Pairs of frames of one grey each, by default with the noise of a cheap camera in the dark."""
    rng = np.random.default_rng(4)
    return [np.clip(rng.normal(level, noise, (2, 64, 96, 3)), 0, 255).astype(np.uint8) for level in levels]


def test_pairs_in_which_nothing_changes_are_left_out_whatever_the_noise() -> None:
    assert changing(grey(100, 100, 100, 100, 100), 4.0) == (0, 4), "first and last are shown: how long nothing happened is seen"
    assert changing(grey(100, 100, 120, 120, 100, 100), 4.0) == (0, 2, 4, 5)
    assert changing(grey(100, 102, 104, 106, 108, 110, 112, noise=0.0), 6.5) == (0, 4, 6), "what creeps is seen against the last that was shown"
    assert changing(grey(100), 4.0) == (0,)
    assert changing(grey(100, 101), 4.0) == (0, 1)


@pytest.mark.parametrize("frame", [0, 1])
@pytest.mark.parametrize("place", [(0, 0), (48, 80), (30, 40)])
def test_somebody_small_in_one_frame_of_a_pair_is_a_change(frame: int, place: tuple[int, int]) -> None:
    pairs, (y, x) = grey(100, 100, 100, 100), place
    pairs[1][frame, y : y + 16, x : x + 8, 2] = 160
    assert changing(pairs, 4.0) == ((0, 1, 3) if frame == 0 else (0, 1, 2, 3)), "what comes after it is another picture"


def test_a_window_without_its_still_pairs_is_judged_as_one_that_has_only_the_others_at_their_times(
    loaded: "Loaded", make_scene: Callable[..., Scene]
) -> None:
    scene, pairs = make_scene(), Pairs()
    for still in (1, 2):
        scene.slots.frames(still, scene.whole, 64, 96)[:] = scene.slots.frames(0, scene.whole, 64, 96)[1]
    slots, sight = {scene.sensor: scene.slots}, frozenset({Sense.SIGHT})
    asked = Question(window=scene.window((0, 1, 2, 3), sight), view=scene.whole, policies=(PERSON,))
    wide = replace(scene.window((0, 3), sight), end=START.plus(timedelta(seconds=6)))
    whole, found = OmniJudge(loaded, slots).answer((asked,)), OmniJudge(loaded, slots, pairs, still=1.0).answer((asked,))
    (expected,) = OmniJudge(loaded, slots).judge((replace(asked, window=wide),))
    (judgement,) = found.judgements
    assert judgement.log_odds == pytest.approx(expected.log_odds, abs=1e-5)
    assert judgement.log_odds != pytest.approx(whole.judgements[0].log_odds, abs=1e-3)
    assert found.cost.media_tokens == whole.cost.media_tokens // 2
    assert judgement.fingerprint
    assert judgement.fingerprint.view.endswith("of which still ones (1) are left out")
    fresh, after = (OmniJudge(loaded, slots, each, still=1.0).judge((asked,))[0] for each in (Pairs(), pairs))
    assert after.log_odds == pytest.approx(fresh.log_odds, abs=1e-6), "what is kept of it is found again"


class Blind(Pairs):
    """A tower that has no memory left."""

    def look(self, *_: object) -> dict[Sight, Seen]:
        raise RuntimeError("CUDA out of memory")


def test_where_the_tower_fails_what_has_no_picture_is_judged_all_the_same(loaded: "Loaded", make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    asked = [Question(window=scene.window((start,), senses), view=scene.whole, policies=(PERSON,)) for start, senses in ((0, SIGHT), (1, SOUND))]
    seen, heard = OmniJudge(loaded, {scene.sensor: scene.slots}, Blind()).judge(tuple(asked))
    assert (seen.verdict, seen.cause) == (Verdict.FAILED, Cause.JUDGE_FAULT)
    assert heard.log_odds is not None
