"""How far steering by neurons gets before the text breaks, beside asking, the residual stream and random neurons.

The model continues prompts under every method and strength, towards and away from each concept; a judge that was
trained on other corpora than the screening says which texts carry it. Writes tradeoff.csv, best.csv, texts.csv,
tradeoff.json, tradeoff.png, residual_layers.csv, and outputs.md with real texts, unselected: those of the first
prompts at every strength, good and broken. Run again with the same folder, it goes on where it stopped.

For example: python benchmarks/steering_curves.py --screen out/emotion --corpus goemotions \\
    --judge-corpus crowd_envent --judge-corpus carer --concepts happiness,sadness,anger --device cuda
"""

import argparse
import time
from pathlib import Path

import torch

from emorhet_lens import load_corpus, load_model
from emorhet_lens.cli.steer import CHAT, prompts_of
from emorhet_lens.generation.judge import train_judge
from emorhet_lens.generation.residual_layer import choose_layer
from emorhet_lens.generation.residual_steering import residual_differences
from emorhet_lens.generation.tradeoff import plan_tradeoff
from emorhet_lens.generation.tradeoff_methods import by_neurons, by_prompt, by_random_neurons, by_residual
from emorhet_lens.generation.tradeoff_outcomes import Tradeoff
from emorhet_lens.generation.tradeoff_pictures import write_tradeoff_picture
from emorhet_lens.screening.screen import Screen
from emorhet_lens.store import write_text
from emorhet_lens.texts.corpus import Corpus, join

PROMPTS = (
    *(
        "I opened the letter and",
        "When I came home that evening,",
        "My neighbour told me that",
        "The meeting this morning",
    ),
    *(
        "Last night at the station",
        "She looked at the photograph and",
        "The food at the restaurant",
        "On the phone he said that",
    ),
    *("This weekend I", "The doctor came in and", "I have just read your message, and", "The new teacher"),
    *("After the game,", "My brother and I", "We walked into the old house and", "The package that arrived today"),
    *(
        "The weather here",
        "I waited for two hours, and then",
        "He gave me the keys and",
        "What I think about this film is that",
    ),
)
"""Openings that carry none of the concepts."""


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    return tuple(float(part) for part in text.split(","))


def split_of(names: list[str], group, part: str, data_dir: Path | None, limit: int, seed: int) -> Corpus:
    """Equally many texts of every label of some corpora."""
    loaded = [load_corpus(name, split=part, group=group, data_dir=data_dir) for name in names]
    return join(loaded).balanced(limit, seed=seed)


def outputs(found: Tradeoff, n_prompts: int) -> str:
    """The first prompts' texts at every strength, as Markdown."""
    table = found.texts()
    lines = [
        "# Real outputs, unselected",
        "",
        f"The first {n_prompts} prompts at every strength, good and broken. Verdict: what the judge says (held-out "
        f"accuracy {found.judge['accuracy']:.2f}); perplexity: of the model without steering, after the plain prompt.",
    ]
    first = list(dict.fromkeys(table["prompt"]))[:n_prompts]
    for prompt in first:
        own = table[table["prompt"] == prompt]
        lines += ["", f"## {prompt}", "", "| concept | method | strength | text | verdict | perplexity |"]
        lines += ["|---|---|---|---|---|---|"]
        for row in own.itertuples():
            text = " ".join(str(row.text).split()).replace("|", r"\|")
            lines.append(
                f"| {row.concept or '-'} | {row.method} | {row.strength:g} | {text} | {row.verdict} | "
                f"{row.perplexity:.1f} |"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure the curves."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--screen", type=Path, required=True, help="folder that emorhet screen wrote")
    options.add_argument("--corpus", action="append", required=True, help="texts for the residual difference; repeat")
    options.add_argument("--judge-corpus", action="append", required=True, help="not screened on; repeat for several")
    options.add_argument("--concepts", default="happiness,sadness,anger")
    options.add_argument("--strengths", default="-16,-8,-4,4,8,16", help="of neurons and of random neurons")
    options.add_argument("--residual-strengths", default="-4,-2,-1,1,2,4")
    options.add_argument("--form", default="contrast", help="how neurons are pushed")
    options.add_argument("--neurons", type=int, help="only the first so many neurons of every concept")
    options.add_argument("--n-random", type=int, default=4)
    options.add_argument("--prompts", type=Path, help="file with one prompt a line; built-in ones by default")
    options.add_argument("--chat", action="store_true", help="prompts are messages of a user")
    options.add_argument("--limit", type=int, help="only the first so many prompts")
    options.add_argument("--texts", type=int, default=100, help="texts a label for the residual difference")
    options.add_argument("--judge-texts", type=int, default=1000, help="most texts a label and source for the judge")
    options.add_argument("--max-new-tokens", type=int, default=40)
    options.add_argument("--show", type=int, default=3, help="prompts in outputs.md")
    options.add_argument("--model", default="smollm2-135m-instruct")
    options.add_argument("--data-dir", type=Path)
    options.add_argument("--device")
    options.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--out", type=Path, default=Path("results/steering_curves"))
    options.add_argument("--cost-only", action="store_true", help="stop after saying the cost")
    chosen = options.parse_args()
    started, concepts = time.monotonic(), chosen.concepts.split(",")
    prompts = (list(PROMPTS) if chosen.prompts is None else prompts_of([str(chosen.prompts)]))[: chosen.limit]
    model = load_model(chosen.model, device=chosen.device, dtype=getattr(torch, chosen.dtype))
    screened = Screen.load(chosen.screen, model)
    group, sources = screened.stats.group, (chosen.data_dir, chosen.seed)
    neurons = screened.neurons if chosen.neurons is None else screened.neurons.head(chosen.neurons)
    judged = split_of(chosen.judge_corpus, group, "train", sources[0], chosen.judge_texts, chosen.seed)
    judge = train_judge(judged, screened=screened.stats, seed=chosen.seed)
    print(judge)
    print("accuracy on each source of a judge of the other sources:", judge.across)
    train, dev = (
        split_of(chosen.corpus, group, part, sources[0], limit, chosen.seed)
        for part, limit in (("train", chosen.texts), ("dev", max(20, chosen.texts // 4)))
    )
    differences = residual_differences(model, train, progress=False)
    layers = {concept: choose_layer(model, differences, concept, dev, progress=False) for concept in concepts}
    rows = [
        f"{c},{row.layer},{row.concept:.6f},{row.rest:.6f}" for c, (_, t) in layers.items() for row in t.itertuples()
    ]
    write_text(chosen.out / "residual_layers.csv", "\n".join(["concept,layer,gain,gain_of_rest", *rows]) + "\n")
    print("residual layers:", {concept: layer for concept, (layer, _) in layers.items()})
    strengths = numbers(chosen.strengths)
    methods = [
        by_neurons(neurons, screened.stats, strengths, form=chosen.form),
        by_random_neurons(
            model, neurons, screened.stats, strengths, form=chosen.form, n_random=chosen.n_random, seed=chosen.seed
        ),
        by_residual(differences, {c: layer for c, (layer, _) in layers.items()}, numbers(chosen.residual_strengths)),
        by_prompt(),
    ]
    plan = plan_tradeoff(
        model,
        concepts,
        prompts,
        methods,
        judge,
        template=CHAT if chosen.chat else None,
        folder=chosen.out / "generations",
        progress=False,
        max_new_tokens=chosen.max_new_tokens,
    )
    print(
        f"{len(plan.remaining)} of {len(plan.conditions)} conditions to do: {plan.texts} texts, "
        f"at most about {plan.minutes:.1f} minutes ({(time.monotonic() - started) / 60:.1f} minutes so far)"
    )
    if chosen.cost_only:
        return
    found = plan.run(model)
    found.save(chosen.out)
    write_tradeoff_picture(chosen.out, found.to_dataframe())
    write_text(chosen.out / "outputs.md", outputs(found, chosen.show))
    print(found.best().to_string(index=False))
    print(f"wrote {chosen.out / 'tradeoff.csv'} after {(time.monotonic() - started) / 60:.1f} minutes")


if __name__ == "__main__":
    main()
