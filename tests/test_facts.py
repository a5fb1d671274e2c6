"""Every file of facts is complete, and a wrong one is refused with the reason."""

import re

import pytest

from emorhet_lens.corpora.facts import DIRECTORY, PUBLISHERS, facts, known, read_facts
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC

TEN = ("EmoPrism", "FLUTE", "GoEmotions", "HYPO", "HYPO-L", "iSarcasm", "ISEAR", "MELD", "MOH-X", "TroFi")

GOOD = """
what = "Sentences."
citation = "A. Nobody 2020"
licence = "not stated"
published = "nobody/nothing"
group = "emotion"
splits = "own"
left_out = ["calm"]
confounds = ["Short."]
[mapping]
happiness = ["joy", "glee"]
[rows]
train = 3
"""
PUBLISHER = (
    GOOD.replace('splits = "own"', 'splits = "own"\nlayout = "CSV"\nget = "Ask."') + '[files]\ntrain = ["t.csv"]\n'
)


def test_all_are_known_and_in_order():
    assert known()[:2] == ("stimuli-emotion", "stimuli-rhetoric")
    assert len(known()) == 31
    assert known()[2:21] == tuple(sorted(known()[2:21]))
    assert known()[21:] == TEN
    assert all(facts(name).form == "publisher" for name in TEN)


@pytest.mark.parametrize("name", known())
def test_facts_are_complete(name):
    about = facts(name)
    assert about.name == name
    labels = {label for label in about.concepts.labels if label in about.mapping}
    assert labels == set(about.mapping) and about.confounds
    for text in (about.what, about.citation, about.licence, about.published, about.splits):
        assert text == text.strip() and len(text) > 2
    assert about.what.endswith(".") and all(confound.endswith(".") for confound in about.confounds)
    if about.form == "publisher":
        assert about.layout and about.get and name in about.get
        assert all(any(file in about.layout for file in files) or "*" in files[-1] for files in about.files.values())
    if about.form == "folder":
        assert re.search(r"\w+/\w+", about.published), "the repository is named as owner/name"
        assert about.splits in ("own", "seeded", "as crowd_envent") and set(about.rows) <= {"train", "dev", "test"}


def test_facts_of_two_spellings_are_two():
    assert facts("hypo").form == "folder" and facts("HYPO").form == "publisher"
    with pytest.raises(CorpusError, match=r"no facts are kept about 'Hypo'; there are facts about stimuli-emotion, .*"):
        facts("Hypo")


def test_no_two_files_are_one_on_a_file_system_without_case():
    for folder in (DIRECTORY, DIRECTORY / PUBLISHERS):
        names = [file.name.lower() for file in folder.iterdir()]
        assert len(names) == len(set(names))


def test_groups_are_extended_where_labels_need_it():
    assert facts("meld").concepts is EMOTIONS and facts("hypo").concepts is RHETORIC
    assert facts("pineapple").concepts == RHETORIC.extended("personification")


def test_facts_cannot_be_changed():
    about = facts("GoEmotions")
    with pytest.raises(ValueError, match="frozen"):
        about.what = "else"
    for table in (about.mapping, about.rows, about.files, about.codes, facts("meld").codes):
        with pytest.raises(TypeError):
            table["new"] = "else"


def test_codes_of_goemotions_are_those_of_its_list_of_emotions():
    codes = facts("GoEmotions").codes
    assert list(codes) == [str(code) for code in range(28)]
    assert list(codes.values())[:-1] == sorted(set(codes.values()) - {"neutral"}) and codes["27"] == "neutral"
    assert set(codes.values()) == {source for of in facts("GoEmotions").mapping.values() for source in of}


def test_a_good_file_is_read(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    about = read_facts(path)
    assert (about.name, about.form, about.mapping["happiness"]) == ("mine", "folder", ("joy", "glee"))
    (tmp_path / PUBLISHERS).mkdir()
    path = tmp_path / PUBLISHERS / "mine.toml"
    path.write_text(PUBLISHER)
    assert read_facts(path).form == "publisher"


@pytest.mark.parametrize(
    ("good", "bad", "reason"),
    [
        ('licence = "not stated"', "", "licence: Field required; the facts of a corpus are name, form, what"),
        ('licence = "not stated"', 'licence = " "', "licence: .* at least 1 character"),
        ('licence = "not stated"', 'license = "MIT"\nlicence = "MIT"', "license: Extra inputs are not permitted"),
        ('confounds = ["Short."]', "confounds = []", "confounds: .* at least 1 item"),
        ('["joy", "glee"]', '"joy"', "mapping.happiness: Input should be a valid tuple"),
        ("train = 3", "train = 0", "rows.train: Input should be greater than 0"),
        ("train = 3", 'train = "3"', "rows.train: Input should be a valid integer"),
        ('group = "emotion"', 'group = "moods"', "the group 'moods' is unknown; there are emotion, rhetoric"),
        ("happiness =", "simile =", "mapping leads to simile; the group has anger"),
        ('["joy", "glee"]', '["joy", "Calm"]', "mapping and left_out name calm twice"),
        ('splits = "own"', 'splits = "own"\ncodes = { "1" = "rage" }', "codes lead to rage"),
        ('splits = "own"', 'splits = "own"\npair = "("', "pair: .*regular expression"),
        ("[mapping]", "[mapping", "is no TOML file"),
    ],
)
def test_a_wrong_file_is_refused_with_the_reason(tmp_path, good, bad, reason):
    path = tmp_path / "mine.toml"
    assert good in GOOD
    path.write_text(GOOD.replace(good, bad))
    with pytest.raises(CorpusError, match=rf"(?s){re.escape(str(path))}.*{reason}"):
        read_facts(path)


@pytest.mark.parametrize(
    ("good", "bad"), [('get = "Ask."', ""), ('layout = "CSV"', ""), ("[files]\ntrain", "[files]\ntest")]
)
def test_a_publishers_facts_say_how_to_get_and_read_it(tmp_path, good, bad):
    path = tmp_path / PUBLISHERS / "mine.toml"
    path.parent.mkdir()
    path.write_text(PUBLISHER.replace(good, bad))
    with pytest.raises(
        CorpusError, match="a publisher's facts need layout, get, and files for the same splits as rows"
    ):
        read_facts(path)
