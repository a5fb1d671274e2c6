"""What synthesis yields with a very small generator: how many of the sentences asked for are kept, and why not all.

Run it with `make synthesis`; it needs EMORHET_DATA. The embedded model writes one sentence a topic and emotion and is
one of the two labellers (zero-shot, calibrated on goemotions); the other one is a bag-of-words classifier trained on
goemotions. Run again, it goes on from the kept answers. Low numbers say that a small model follows the format badly
and shows the emotion that was asked for only sometimes; they say nothing about larger generators.
"""

import argparse
from pathlib import Path

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from emorhet_lens import EMOTIONS, ZeroShot, load_corpus, load_model
from emorhet_lens.store import write_json
from emorhet_lens.synthesis import LocalModel, readout_labeller, synthesize

TOPICS = (
    *("a missed train", "a birthday party", "a noisy neighbour", "a letter from an old friend"),
    *("a spider in the kitchen", "a lost wallet", "the first day at a new job", "a meal in a cheap restaurant"),
)


def main() -> None:
    """Synthesise, and write the counts as results/synthesis.json."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--topics", type=int, default=len(TOPICS), help="how many of the base topics")
    options.add_argument("--out", type=Path, default=Path("synthesis"), help="folder of texts and kept answers")
    options.add_argument("--results", type=Path, default=Path("results/synthesis.json"))
    chosen = options.parse_args()
    # On processors like the tested ones this precision takes less time, and labels are read in it, too.
    model = load_model(dtype=torch.bfloat16)
    emotions = EMOTIONS.concepts
    train = load_corpus("goemotions", split="train").where(lambda example: example.label in emotions)
    dev = load_corpus("goemotions", split="dev").where(lambda example: example.label in emotions).balanced(8)
    words = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(class_weight="balanced", max_iter=500))
    words.fit([example.text for example in train], [example.label for example in train])
    result = synthesize(
        TOPICS[: chosen.topics],
        EMOTIONS,
        generator=LocalModel(model, max_new_tokens=60),
        labellers={
            "zero-shot": readout_labeller(ZeroShot(), model, EMOTIONS, themes=emotions, dev=dev),
            "goemotions-words": lambda text: str(words.predict([text])[0]),
        },
        out=chosen.out,
        rounds=1,
        per_cell=1,
        kind="sentence",
    )
    print(result.to_dataframe().to_string(index=False))
    print(result.agreement)
    counts = result.corpus().counts() if result.kept else {}
    write_json(chosen.results, {**result.to_json(), "label_counts": counts}, kind="synthesis")
    print(
        f"kept {result.kept}, {result.share_kept:.0%} of those asked for; {result.calls_made} calls were not replayed"
    )


if __name__ == "__main__":
    main()
