"""The report: what stands in it, that it asks no network, and that texts cannot bring HTML into it."""

import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from tiny import planted_corpus, tiny_corpus

from emorhet_lens.activations.collect import collect_stats
from emorhet_lens.causal.tables import EffectTables
from emorhet_lens.errors import CorpusError, ScreenError
from emorhet_lens.models.embedded import NAME
from emorhet_lens.quality import describe_quality
from emorhet_lens.report.parts import GroupReport, gather
from emorhet_lens.report.report import write_report
from emorhet_lens.screening.screen import screen
from emorhet_lens.show import page_script

pytest.importorskip("circuitsvis", reason="circuitsvis is not installed (extra 'show')")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra 'show')")
MINUS = "\N{MINUS SIGN}"
HOSTILE = ("<script>alert(1)</script>", " </script>", " <img src=x onerror=alert(1)>", " R&B")


class Page(HTMLParser):
    """Tags with attributes in order, visible text, and headings."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.headings = "", []
        self._hidden = False
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._hidden = tag in ("script", "style")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_endtag(self, tag):
        self._hidden = False
        self.text += " " if tag in ("td", "th", "dt", "dd", "li", "p") else ""

    def handle_data(self, data):
        self.text += "" if self._hidden else data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def found(planted):
    corpus = planted_corpus(planted, per_label=15)
    stats = collect_stats(planted.model, corpus, progress=False)
    return corpus, screen(stats, shuffles=4, top=0.05)


@pytest.fixture(scope="module")
def group(planted, found):
    corpus, screened = found
    seconds = {"screening pass": 31.04}
    return gather(
        planted.model, corpus, screened, top=3, shown=2, texts=3, random_sets=2, seconds=seconds, progress=False
    )


@pytest.fixture(scope="module")
def page(group, tmp_path_factory):
    path = write_report(tmp_path_factory.mktemp("report") / "report.html", [group], title="Tiny <b>report</b>")
    return Page(path.read_text(encoding="utf-8"))


def test_a_report_asks_no_network(group, tmp_path):
    path = write_report(tmp_path / "deep" / "report.html", [group])
    written = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 8_000_000
    for tag, attributes in Page(written).tags:
        for name in ("src", "href", "srcset", "data", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, name, value[:80])
    assert not re.search(r"(?:src|href)\s*=\s*[\"']?https?:|url\(\s*[\"']?https?:|@import", written)
    [policy] = [a["content"] for a in Page(written).attributes("meta") if "http-equiv" in a]
    # What a browser would refuse even if something asked for it.
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_the_script_stands_in_it_once(group, tmp_path):
    written = write_report(tmp_path / "report.html", [group, group]).read_text(encoding="utf-8")
    assert written.count(page_script()) == 1
    drawings = 2 * len(group.driving)
    assert written.count("CircuitsVis.render(") - page_script().count("CircuitsVis.render(") == drawings
    ids = Counter(attributes["id"] for _, attributes in Page(written).tags if "id" in attributes)
    assert max(ids.values()) == 1


def test_the_same_report_is_the_same_bytes(group, tmp_path):
    first, second = (write_report(tmp_path / name, [group]).read_bytes() for name in ("1.html", "2.html"))
    assert first == second


def test_structure_for_readers_who_do_not_see(page):
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(page.headings, page.headings[1:], strict=False))
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.attributes("th"))
    assert len(page.attributes("img")) == 2
    assert all(len(attributes["alt"] or "") > 20 for attributes in page.attributes("img"))
    assert page.attributes("html") == [{"lang": "en"}]
    ids = {attributes.get("id") for _, attributes in page.tags}
    assert all((attributes["href"] or "")[1:] in ids for attributes in page.attributes("a"))


def test_what_was_run_is_said(page, group):
    stats = group.screen.stats
    for fact in (
        "planted, 2 layers of 40 neurons, float32 weights",
        "TransformerBridge",
        f"transformer-lens {stats.options['versions']['transformer-lens']}",
        f"planted, 60 texts, SHA-256 {stats.options['corpora'][0]['sha256'][:12]}",
        "standardized, difference_scaled, difference",
        "default*",
        "top 0.05",
        f"{len(group.screen.neurons)} of 80 neurons",
        "The texts themselves were ranked: 60 texts of planted, the same that the screening used.",
        "screening pass 31.0 s, second pass",
        "texts 15 15 15 15",
        "tokens " + " ".join(str(n) for n in stats.summed("tokens").tolist()),
    ):
        assert fact in page.text


def test_numbers_stand_as_they_are(page, group):
    stability = group.screen.stability
    assert f"Jaccard index of {stability.jaccard:.3f}" in page.text
    interval = f"95 % interval {stability.low:.3f} to {stability.high:.3f}".replace("-", MINUS)
    assert f"The excess is {stability.excess:.3f}, {interval}" in page.text
    table = group.screen.to_dataframe()
    for concept in group.screen.neurons.concepts:
        first = table[table["concept"] == concept].iloc[0]
        mine = group.auroc[group.auroc["concept"] == concept].iloc[0]
        rates = " ".join(f"{first[f'p_{other}']:.3f}" for other in group.screen.neurons.concepts)
        row = (
            f"{first['layer']} {first['neuron']} {first['score']:.3f} {first['entropy']:.3f} {first['support']} "
            f"{mine['auroc']:.3f} {rates}"
        )
        assert row.replace("-", MINUS) in page.text
    selected = {len(chosen) for chosen in group.screen.neurons.sets.values()}
    assert {int(n) for n in re.findall(r"The first 3 of (\d+) neurons", page.text)} == selected != {3}
    drawn = page.text.count("the texts that drive it hardest")
    assert drawn == 2 * len(group.screen.neurons.concepts)


def test_warnings_stand_verbatim(group, tmp_path):
    warned = replace(group.screen, warnings=("a <b>bold</b> claim & more", "second"))
    text = Page(write_report(tmp_path / "r.html", [replace(group, screen=warned)]).read_text(encoding="utf-8")).text
    assert "a <b>bold</b> claim & more" in text
    assert "second" in text
    assert "no warnings" not in text


def test_what_it_does_not_show(page, group, tmp_path):
    assert page.text.index("What this does not show") > page.text.index("the texts that drive it hardest")
    assert "Nothing here was changed in the model" in page.text
    assert "4-bit" not in page.text
    stats = replace(group.screen.stats, model=replace(group.screen.stats.model, name=NAME))
    small = replace(group, screen=replace(group.screen, stats=stats))
    assert "4-bit" in Page(write_report(tmp_path / "r.html", [small]).read_text(encoding="utf-8")).text


def test_texts_bring_no_html(group, tmp_path):
    key = group.driving["key"].iloc[0]
    views = []
    for view in group.views:
        if view.example.key == key:
            words = (*HOSTILE, *view.tokens[len(HOSTILE) :])
            view = replace(view, example=replace(view.example, id="<i>id</i>"), tokens=words)
            key = view.example.key
        views.append(view)
    first = group.driving["key"].iloc[0]
    driving = group.driving.assign(key=group.driving["key"].replace(first, key), source="<u>here</u>")
    path = write_report(tmp_path / "r.html", [replace(group, views=tuple(views), driving=driving)], title="<s>T</s>")
    html = path.read_text(encoding="utf-8")
    read = Page(html)
    tags = {tag for tag, _ in read.tags}
    assert not {"s", "u"} & tags
    assert "<i>id</i>" in read.text
    assert "<u>here</u>" in read.text
    # As many scripts as circuitsvis' and one a drawing, and no tag from a text.
    assert len(read.attributes("script")) == 1 + len(driving)
    assert not [attributes for attributes in read.attributes("img") if attributes.get("src") == "x"]
    assert "<img src=x" not in html


def test_a_screening_alone_can_be_reported(found, tmp_path):
    _, screened = found
    bare = GroupReport(replace(screened, stability=None))
    html = write_report(tmp_path / "r.html", [bare]).read_text(encoding="utf-8")
    text = Page(html).text
    assert "Stability was not measured" in text
    assert "AUROC" not in text.partition("What this does not show")[0]
    assert "CircuitsVis" not in html
    assert "not recorded" in text


def test_a_concept_without_neurons_says_so(found, tmp_path):
    _, screened = found
    concept = screened.neurons.concepts[0]
    neurons = replace(
        screened.neurons,
        sets={**screened.neurons.sets, concept: ()},
        scores={**screened.neurons.scores, concept: ()},
    )
    text = Page(
        write_report(tmp_path / "r.html", [GroupReport(replace(screened, neurons=neurons))]).read_text(encoding="utf-8")
    ).text
    assert text.count("No neuron was selected.") == 1


def test_gathering_names_its_corpus_and_limits_itself(group):
    assert group.checked_on == "60 texts of planted, the same that the screening used"
    assert list(group.seconds) == ["screening pass", "second pass", "texts token by token"]
    assert group.auroc.groupby("concept").size().max() == 3
    assert set(group.driving.groupby(["concept", "layer", "neuron"]).size()) == {3}
    assert {view.example.key for view in group.views} == set(group.driving["key"])


def test_texts_that_the_screening_did_not_use_are_told_apart(planted, found):
    corpus, screened = found
    some = replace(corpus, name="mixed", examples=corpus.examples)
    stats = replace(screened.stats, options={**screened.stats.options, "ids": [e.key for e in some.examples[:7]]})
    for examples, words in ((some.examples, "7 of which"), (some.examples[7:], "none of which")):
        part = replace(some, examples=examples)
        gathered = gather(
            planted.model, part, replace(screened, stats=stats), top=1, shown=1, texts=1, random_sets=0, progress=False
        )
        assert gathered.checked_on == f"{len(part)} texts of mixed, {words} the screening used"
        assert gathered.balance is None


def test_what_cannot_be_reported_is_refused(planted, found, group, tmp_path):
    _, screened = found
    with pytest.raises(ScreenError, match="at least one group"):
        write_report(tmp_path / "r.html", [])
    with pytest.raises(CorpusError, match="the screen of"):
        gather(planted.model, tiny_corpus(), screened)
    with pytest.raises(ScreenError, match="have no view"):
        write_report(tmp_path / "r.html", [replace(group, views=group.views[1:])])
    assert not (tmp_path / "r.html").exists()


def test_effects_stand_in_the_report(group, effects, tmp_path):
    told = replace(group, effects=EffectTables.of(effects))
    page = Page(write_report(tmp_path / "report.html", [told]).read_text(encoding="utf-8"))
    rows = effects.primary()
    assert "Do they matter?" in page.text
    assert f"beyond that under {effects.n_random} matched random sets" in page.text
    for row in rows.itertuples():
        numbers = (row.own, row.random_mean, row.excess, row.low, row.high, row.p_holm)
        written = " ".join(f"{value:.3f}".replace("-", MINUS) for value in numbers)
        assert f"{row.concept} {row.neurons} {row.n} {written}" in page.text
    established = [row.concept for row in rows.itertuples() if row.p_holm < 0.05 and row.excess < 0 and row.own < 0]
    told_in_words = "no concept's neurons are shown to matter more than random ones" in page.text
    assert told_in_words == (not established)
    assert len(page.attributes("img")) == 4
    assert "No effects" not in page.text


def test_a_group_that_was_only_screened_beside_one_that_was_masked(group, effects, tmp_path):
    told = replace(group, effects=EffectTables.of(effects))
    stats = group.screen.stats
    other = replace(stats, group=replace(stats.group, name="lone"))
    lone = replace(group, screen=replace(group.screen, stats=other))
    for groups, unchanged in (
        ([told, lone], "lone"),
        ([lone, told], "lone"),
        ([lone, told, group], "lone and planted"),
    ):
        text = Page(write_report(tmp_path / "both.html", groups).read_text(encoding="utf-8")).text
        # The caveat of the effects that are shown, and by name what has none.
        assert "Effects hold for this way of asking" in text
        assert f"No effects of {unchanged}. These neurons were neither masked nor pushed." in text
        assert "No effects." not in text and "Nothing here was changed" not in text


def test_the_texts_stand_in_the_report(found, group, page, tmp_path):
    corpus, _ = found
    quality = describe_quality(corpus, splits={"train": corpus, "test": replace(corpus, examples=corpus.examples[:7])})
    told = Page(write_report(tmp_path / "r.html", [replace(group, quality=quality)]).read_text(encoding="utf-8"))
    assert "most telling" not in page.text
    assert f"balanced accuracy of {quality.leakage.accuracy:.2f} (guessing: 0.25;" in told.text
    for one in quality.lengths:
        words = ", ".join(quality.leakage.words[one.label])
        numbers = f"{one.texts} {one.median:.1f} {one.low:.0f} {one.high:.0f} {quality.leakage.recalls[one.label]:.2f}"
        assert f"{one.label} {numbers} {words}" in told.text
    assert "Of the 60 texts of train, 7 also stand in test and 0 almost." in told.text
    assert quality.warnings
    assert all(warning in told.text for warning in quality.warnings)
    assert all(attributes.get("scope") in ("col", "row") for attributes in told.attributes("th"))


@pytest.fixture(scope="module")
def effects(planted, found):
    from emorhet_lens.causal.plan import effects as measure
    from emorhet_lens.readouts.probe import Probe

    _, screened = found
    unseen = planted_corpus(planted, per_label=12, seed=5).split({"train": 0.5, "test": 0.5})
    renamed = {part: replace(c, examples=tuple(replace(e, source="new") for e in c)) for part, c in unseen.items()}
    return measure(
        planted.model,
        screened.neurons,
        renamed["test"],
        train=renamed["train"],
        stats=screened.stats,
        readout=Probe(),
        n_random=3,
        progress=False,
    )
