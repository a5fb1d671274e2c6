"""Statistics of the same texts under labels at random: what any analysis finds where labels mean nothing.

Labels are dealt to the null cells of every source, as `emorhet_lens.screening.stability` does. A source with one
concept and its rest has four null cells, which allows three different contrasts and no more: a null of few values is a
weak one.
"""

from collections import Counter
from collections.abc import Iterator

from emorhet_lens.activations.stats import ActivationStats
from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.stability import deal_labels
from emorhet_lens.texts.splitting import random_stream


def shuffled_labels(stats: ActivationStats, n: int, *, seed: int = 0) -> Iterator[ActivationStats]:
    """The statistics under `n` labellings at random, in the proportions of the true ones.

    Args:
        stats: From `collect_stats`.
        n: Number of labellings.
        seed: Of the dealing.

    Yields:
        Statistics whose sums are shared, not copied; they keep no extremes.

    Raises:
        ScreenError: A source has too few null cells to deal one to every label, as after adding statistics of other
            labels to it.
    """
    wanted = Counter(cell.source for cell in stats.cells if cell.label is not None)
    lacking = sorted(wanted - Counter(cell.source for cell in stats.null_cells))
    if lacking:
        raise ScreenError(
            f"the labels of {', '.join(map(repr, lacking))} cannot be shuffled: statistics of other labels were added "
            "to the source; collect the statistics in one pass, or ask for shuffles=0"
        )
    generator = random_stream(seed, "shuffled labels")
    for _ in range(n):
        yield stats.relabelled(deal_labels(stats, generator))
