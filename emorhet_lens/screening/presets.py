"""Named ways to screen: those of three studies, and the default.

| preset | scorers | selection |
|---|---|---|
| `lee2025` | `entropy`: H = -sum P_hat log P_hat, P = f/T | lowest 1 % of all neurons, each to argmax P_hat; no floor |
| `zheng2026` | the same | the recognised 1 %; their filter by D belongs to masking and is not applied here |
| `lape` | the same | P above its 95th percentile for some concept; lowest 1 % H; every concept with P above that bar |
| `default` | `standardized`, `difference_scaled`, `difference` | per concept the best 0.2 % by the worst of the ranks |

The default compares a concept with all other texts. A neuron goes to the concept with the highest `standardized`
score and has to fire in two texts of it. The effect size of texts keeps out what a few tokens do, the difference of
tokens what is consistent but tiny.

The first two have no floor, as published: a neuron that never fires has H = 0 and is selected first. Lee et al. (2025)
count the last prompt token or all of them (open in the paper), Tang et al. (2024) count act(gate) > 0, that is site
`gate`. Site and tokens are choices of `collect_stats`, not of the preset.

Sources: Lee, Lee, Kwon & Kim 2025, Findings of ACL, 15617-15639. Zheng et al. 2026, ACL, 4206-4216. Tang et al. 2024,
Language-Specific Neurons: The Key to Multilingual Capabilities in Large Language Models, ACL.
"""

from dataclasses import replace
from types import MappingProxyType

from emorhet_lens.errors import ScreenError
from emorhet_lens.screening.selection import ScreenOptions

_ENTROPY = ScreenOptions(scorers=("entropy",), top=0.01, scope="global", against="rest", support=0)

PRESETS = MappingProxyType(
    {
        "lee2025": _ENTROPY,
        "zheng2026": _ENTROPY,
        "lape": replace(_ENTROPY, floor=0.95, assign="threshold", bar=0.95),
        "default": ScreenOptions(),
    }
)
"""Options by preset name."""

LEE2025_PROMPT = [
    {"role": "system", "content": "You are a sentiment analysis expert."},
    {
        "role": "user",
        "content": "Name the one primary emotion of the following conversation. Answer with exactly one of these words "
        "and nothing else: anger, disgust, fear, happiness, sadness, surprise.\n\n{text}",
    },
]
"""A prompt after Lee et al. (2025), who give the system message and describe the request without quoting it."""


def preset(name: str) -> ScreenOptions:
    """The options of a preset.

    Raises:
        ScreenError: There is no such preset.
    """
    if name not in PRESETS:
        raise ScreenError(f"unknown preset {name!r}; there are {', '.join(PRESETS)}")
    return PRESETS[name]
