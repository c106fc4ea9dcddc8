"""The benchmark for a card, run here on a CPU with a small shape: that it goes through, and that its figures belong together."""

import json
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
SMALL = Path(__file__).with_name("small_shape.json")

pytestmark = pytest.mark.model


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    torch.set_num_threads(1)
    import card  # noqa: PLC0415

    return card


def test_the_benchmark_for_a_card_goes_through_on_a_small_shape(card) -> None:  # noqa: ANN001
    found = card.measured(card.Asked(shape=SMALL, device="cpu", size=(64, 96), pairs=2, runs=1))
    times = {name: value for name, value in found.items() if name.endswith("_s") and name != "all_s"}
    assert {"together_1_s", "together_8_s", "together_32_s", "full_batch_s", "together_8_experts_by_4_s", "json_each_s", "json_for_8_s"} <= set(times)
    assert min(times.values()) > 0
    assert found["media_tokens"] == 2 * 6 + 52
    assert found["windows_a_batch"] > 10
    assert found["windows_a_second"] == pytest.approx(found["windows_a_batch"] / found["full_batch_s"])
    assert 0 < found["share_of_ceiling_alone"] < 1
    assert 0 < found["share_of_ceiling_batched"] < 1
    assert found["weight_bytes"] < 3_000_000, "the experts are packed"
    assert found["planned_over_measured"] > 0.5


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_without_a_card_it_says_so(card, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setattr(sys, "argv", ["card.py"])
    with pytest.raises(SystemExit, match="there is no NVIDIA card here"):
        card.main()


def test_the_arithmetic_of_the_published_model_is_that_of_its_active_parameters(card) -> None:  # noqa: ANN001
    from operations import operations  # noqa: PLC0415

    from analyzers.omni.work import Occasion  # noqa: PLC0415

    published = json.loads(card.PUBLISHED.read_text())
    words = Occasion(pairs=0, sound_s=None, policies=1, question_tokens=960)
    more = Occasion(pairs=0, sound_s=None, policies=1, question_tokens=961)
    # 3.04 billion parameters take part in a token, without embeddings and head: 2.7; and it sees a thousand others in 48 layers.
    a_token = operations(published, more) - operations(published, words)
    assert a_token / 2 == pytest.approx(2.73e9 + 1000 * 2 * 32 * 128 * 48, rel=0.01)
