"""Texts of a trade-off to be read, unselected: those of the first prompts at every strength, good and broken."""

from emorhet_lens.generation.tradeoff_outcomes import Tradeoff


def outputs_of(found: Tradeoff, n_prompts: int) -> str:
    """The texts of the first prompts as Markdown, a table a prompt.

    Args:
        found: The trade-off.
        n_prompts: How many prompts.
    """
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
