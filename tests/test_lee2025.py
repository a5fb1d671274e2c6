"""The preset `lee2025` against an oracle written from the paper, on the embedded model.

The oracle knows nothing of batches, cells or reductions: it renders one dialogue at a time with the chat template,
takes the last prompt position of every layer from `run_with_cache`, counts `act(gate) * up > 0` and ranks in float64.
"""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from emorhet_lens import EMOTIONS, Corpus, Example, Generated, Question, Screen, effects, load_model
from emorhet_lens.cli.commands import app
from emorhet_lens.models.embedded import embedded_dir
from emorhet_lens.screening.presets import LEE2025_PROMPT

DIALOGUES = {
    "anger": ("A: You read my letters?\nB: I did.\nA: Then pack.", "A: He took credit again.\nB: Third time."),
    "disgust": ("A: What is in the sink?\nB: It was soup once.", "A: He ate it off the floor.\nB: In the station?"),
    "fear": ("A: Did you hear that?\nB: The door was locked.", "A: The scan is tomorrow.\nB: I'll hold your hand."),
    "happiness": ("A: She said yes!\nB: I knew it!", "A: We got the flat.\nB: With the balcony?\nA: With it!"),
    "sadness": ("A: His chair is still there.\nB: Leave it.", "A: They closed the school.\nB: I learned there."),
    "surprise": ("A: You're his twin?\nB: Nobody told you?", "A: It was in my pocket.\nB: All week?"),
}
TOP = 0.01
UNSEEN = (
    ("anger", "A: You sold my bike?\nB: You never used it.\nA: Get out of my house."),
    ("fear", "A: Someone is in the hall.\nB: Don't open that door."),
    ("fear", "A: The lump has grown.\nB: When do they call you back?"),
    ("happiness", "A: It's a girl!\nB: Both well?\nA: Both perfect!"),
)
NEW_TOKENS = 6


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("lee2025")
    items = [
        {"topic": f"topic {n}", "dialogue": dialogue, "theme": emotion, "model": emotion, "label": emotion}
        for emotion, dialogues in DIALOGUES.items()
        for n, dialogue in enumerate(dialogues)
    ]
    corpus, prompt = folder / "emoprism.json", folder / "prompt.json"
    corpus.write_text(json.dumps(items), encoding="utf-8")
    messages = [
        {"role": "system", "content": "You are a sentiment analysis expert."},
        {"role": "user", "content": "Which emotion is this?\n{text}\nOne word."},
    ]
    prompt.write_text(json.dumps(messages), encoding="utf-8")
    return corpus, prompt


def oracle(corpus: Path, prompt: Path) -> tuple[list[tuple[str, int, int]], np.ndarray, tuple[int, int]]:
    """Selected (concept, layer, neuron) in order, P `[concept, neuron]`, and ties at the cut (tied, places)."""
    model = load_model()
    emotions = list(EMOTIONS.concepts)
    layers, width = model.cfg.n_layers, model.cfg.d_mlp
    fired, seen = np.zeros((6, layers * width)), np.zeros(6)
    for item in json.loads(corpus.read_text(encoding="utf-8")):
        messages = json.loads(prompt.read_text(encoding="utf-8"))
        messages[-1]["content"] = messages[-1]["content"].replace("{text}", item["dialogue"])
        text = model.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = torch.tensor([model.tokenizer(text, add_special_tokens=False)["input_ids"]])
        _, cache = model.run_with_cache(ids)
        last = torch.cat([cache[f"blocks.{layer}.mlp.hook_post"][0, -1] for layer in range(layers)])
        row = emotions.index(item["label"])
        fired[row] += (last.double() > 0).numpy()
        seen[row] += 1
    p = fired / seen[:, None]
    total = p.sum(0)
    shares = np.divide(p, total, out=np.zeros_like(p), where=total > 0)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(0)
    places = math.ceil(TOP * layers * width)
    order = np.lexsort((np.arange(layers * width), np.round(entropy, 12)))[:places]
    cut = np.round(entropy, 12)[order[-1]]
    tied = (np.round(entropy, 12) == cut).sum(), (np.round(entropy, 12)[order] == cut).sum()
    chosen = [(emotions[int(shares[:, i].argmax())], int(i) // width, int(i) % width) for i in order]
    return chosen, p, (int(tied[0]), int(tied[1]))


@pytest.mark.real
def test_preset_equals_the_oracle(files: tuple[Path, Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    corpus, prompt = files
    arguments = ["screen", "--corpus", str(corpus), "--group", "emotion", "--preset", "lee2025", "--no-progress"]
    more = ["--prompt", str(prompt), "--shuffles", "0", "--out", str(tmp_path)]
    outcome = CliRunner().invoke(app, [*arguments, *more])
    assert outcome.exit_code == 0, outcome.output
    result = Screen.load(tmp_path)
    chosen, p, (tied, places) = oracle(corpus, prompt)

    assert result.stats.options["tokens"] == "last"
    assert result.stats.summed("tokens")[:6].tolist() == [2] * 6
    firings = result.stats.summed("firings")[:6].flatten(1).double().numpy()
    # An activation that is zero to rounding may change its sign between batches; none may here by more than that.
    assert (firings != 2 * p).mean() <= 1e-6
    assert tied > places, "with so few dialogues never-firing neurons alone fill the selection"
    assert result.selection.ties == {"global": (tied, places)}
    table = result.to_dataframe().sort_values(["entropy", "layer", "neuron"])
    found = list(zip(table["concept"], table["layer"], table["neuron"], strict=True))
    assert set(found) == set(chosen)
    assert any("never fire" in warning for warning in result.warnings)
    assert any("tie at the cut" in warning for warning in result.warnings)


def written_by_hand(corpus: Corpus, masked: list[tuple[int, int]]) -> list[tuple[str, int]]:
    """Greedy text and parsed answer of every dialogue, from the plain model with zeroed inputs of `down_proj`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(embedded_dir())
    model = AutoModelForCausalLM.from_pretrained(embedded_dir(), dtype=torch.float32).eval()

    def zeroing(columns: list[int]):
        def hook(module, inputs):
            (x,) = inputs
            x = x.clone()
            x[..., columns] = 0
            return (x,)

        return hook

    for layer, block in enumerate(model.model.layers):
        columns = [neuron for own, neuron in masked if own == layer]
        if columns:
            block.mlp.down_proj.register_forward_pre_hook(zeroing(columns))
    found = []
    for example in corpus:
        messages = [{**m, "content": m["content"].replace("{text}", example.text)} for m in LEE2025_PROMPT]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW_TOKENS)
        answer = tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
        words = re.findall(r"\w+", answer.lower())
        first = next((word for word in words if word in EMOTIONS.concepts), None)
        found.append((answer, -1 if first is None else list(EMOTIONS.concepts).index(first)))
    return found


@pytest.mark.real
def test_zero_masks_and_generated_answers_equal_the_oracle(files: tuple[Path, Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    corpus, prompt = files
    arguments = ["screen", "--corpus", str(corpus), "--group", "emotion", "--preset", "lee2025", "--no-progress"]
    more = ["--prompt", str(prompt), "--shuffles", "0", "--out", str(tmp_path)]
    assert CliRunner().invoke(app, [*arguments, *more]).exit_code == 0
    result = Screen.load(tmp_path)
    test = Corpus("unseen", EMOTIONS, tuple(Example(str(n), t, label, "new") for n, (label, t) in enumerate(UNSEEN)))
    chosen, _, _ = oracle(corpus, prompt)
    # The paper asks about all six emotions, whichever occur among the texts.
    found = effects(
        load_model(),
        result.neurons["anger"] | result.neurons["fear"],
        test,
        stats=result.stats,
        readout=Generated(LEE2025_PROMPT, max_new_tokens=NEW_TOKENS),
        question=Question(EMOTIONS.concepts),
        controls=("other",),
        progress=False,
    )
    for answers, concept in [(found.base[0], None), *((a, step.masked) for step, a in found.masked.items())]:
        masked = [(layer, neuron) for own, layer, neuron in chosen if own == concept]
        assert (concept is None) == (not masked)
        expected = written_by_hand(test, masked)
        assert list(answers.texts or ()) == [text for text, _ in expected]
        assert answers.predicted.tolist() == [label for _, label in expected]
    assert found.measure == "accuracy"
