"""Publishers' own layouts, with invented rows: every file, column and code as their publishers write them."""

import gzip
import json
import logging

import pytest

from emorhet_lens.corpora import facts, known, load_corpus, names, split_names
from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC

GOEMOTIONS = (
    "Well done, really.\t0\tc1\n"  # admiration
    "Why though?  And how?\t7,6\tc2\n"  # curiosity, confusion: one class
    "I hate it and I love it\t2,18\tc3\n"  # anger, love: two classes
    "Nothing to see here\t27\tc4\n"
    '"""So they say"" he said"\t14\tc5\n'  # fear; quoted as a table
    'He said "no" twice\t3\tc6\n'
)
MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
MELD = MELD_HEADER + "".join(
    f'{n},"Line {n}, she said",{speaker},{emotion},x,{dialogue},{turn},1,1,"00:00:01,000","00:00:02,000"\n'
    for n, (dialogue, turn, speaker, emotion) in enumerate(
        [(0, t, "Ann" if t % 2 else "Ben", "joy") for t in range(8)] + [(1, 0, "Cy", "anger"), (1, 1, "Di", "neutral")]
    )
)
ISEAR = (
    "ID|CITY|EMOT|Field1|MYKEY|SIT|STATE|\n"
    "11001|1|1|joy|k1|When we á met again.|1|\n"
    "11001|1|2|fear|k2|The bus slid on ice.|1|\n"
    "11001|1|6|shame|k3|I lied to her.|1|\n"
    "11001|1|7|guilt|k4|I lied to him.|1|\n"
    "11002|1|3|anger|k5|[ No response.]|1|\n"
)
HYPO = (
    "HYPO\tPARAPHRASES\tMINIMAL UNITS CORPUS\n"
    "I waited a million years. \tI waited for long.\tThe rock is a million years old.\n"
    "He eats like ten.\tHe eats a lot.\t\n"
    # Quoted as people quote, not as tables are.
    'John was called "the elephant of the class"...\tJohn is very clumsy.\t'
    '"The elephant of the class" is a book for children.\n'
)
HYPO_L = (
    "Sentence,Hyperbole,Metaphor\nWe died laughing.,1,1\n"
    '"It took ages, really.",1,0\nHer voice was silk.,0,1\nIt rained.,0,0\n'
)
MOH_X = (
    "arg1,arg2,verb,sentence,verb_idx,label\n"
    "cost,,absorb, He absorbed the costs .,1,1\n"
    'water,,absorb,"The cloth , it absorbed water .",4,0\n'
)
TROFI = 'verb,sentence,verb_idx,label\ndrown,They do n\'t drown ,3,0\ndrown,"He drowned , he said , in work ",1,1\n'
FLUTE = [
    {
        "id": 1,
        "premise": "p",
        "hypothesis": "As calm as a lake.",
        "label": "Entailment",
        "type": "Simile",
        "idiom": None,
    },
    {"id": 1, "premise": "p", "hypothesis": "Time is a thief.", "label": "Contradiction", "type": "Metaphor"},
    {"id": 2, "premise": "p", "hypothesis": "I love being late.", "label": "Contradiction", "type": "Sarcasm"},
    {"id": 3, "premise": "p", "hypothesis": "I hate being late.", "label": "Entailment", "type": "CreativeParaphrase"},
    {"id": 4, "premise": "p", "hypothesis": "He spilled the beans.", "label": "Entailment", "type": "Idiom"},
]
ISARCASM = (
    ',tweet,sarcastic,rephrase,sarcasm,irony\n0,So much fun,1,No fun,1,0\n1,"Two\nlines",0,,,\n2,,0,,,\n3,Late,0,,,\n'
)
EMOPRISM = [
    {"topic": "rain", "dialogue": "A: Wet.\nB: Ugh.", "theme": "disgust", "m1": "anger", "label": "disgust"},
    {"topic": "sun", "dialogue": "A: Warm.\nB: Yes!", "theme": "surprise", "m1": "happiness", "label": "happiness"},
]

FILES = {
    "GoEmotions/train.tsv": GOEMOTIONS,
    "GoEmotions/test.tsv": GOEMOTIONS,
    "MELD/train_sent_emo.csv": MELD,
    "MELD/dev_sent_emo.csv": MELD_HEADER + 'Z,Hm,Ann,fear,x,0,0,1,1,"0","0"\n',
    "ISEAR/isear.csv": ISEAR,
    "HYPO/HYPO.tsv": HYPO,
    "HYPO-L/hypo-l.csv": HYPO_L,
    "MOH-X/MOH-X_formatted_svo_cleaned.csv": MOH_X,
    "TroFi/TroFi_formatted_all3737.csv": TROFI,
    "FLUTE/train.jsonl": "".join(json.dumps(row) + "\n" for row in FLUTE),
    "iSarcasm/train.En.csv": ISARCASM,
    "iSarcasm/task_A_En_test.csv": "text,sarcastic\nGreat stuff,1\nFine,0\n",
    "EmoPrism/release.json.gz": json.dumps(EMOPRISM),
}


@pytest.fixture
def data(tmp_path, monkeypatch):
    for name, content in FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        raw = content.encode()
        file.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    monkeypatch.setenv("EMORHET_DATA", str(tmp_path))
    return tmp_path


def read(name, **options):
    return [(e.id, e.text, e.label, e.source_label) for e in load_corpus(name, **options)]


def test_all_ten_are_found_by_name(data):
    publishers = {name for name in known() if facts(name).form == "publisher"}
    assert set(names()[2:]) == publishers and len(publishers) == 10
    for name in publishers:
        corpus = load_corpus(name)
        assert corpus.sources == (name,) and corpus.group is facts(name).concepts
        assert corpus.name == (f"{name}-train" if "train" in facts(name).files else name)
    assert split_names("MELD") == ("train", "dev") and split_names("iSarcasm") == ("train", "test")
    assert split_names("FLUTE") == split_names("EmoPrism") == ()


def test_goemotions_has_numbers_for_labels(data, caplog):
    assert read("GoEmotions") == [
        ("train-c1", "Well done, really.", "happiness", "admiration"),
        ("train-c2", "Why though? And how?", "surprise", "curiosity,confusion"),
        ("train-c4", "Nothing to see here", "neutral", "neutral"),
        ("train-c5", '"So they say" he said', "fear", "fear"),
        ("train-c6", 'He said "no" twice', "anger", "annoyance"),
    ]
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert caplog.messages[0].endswith("train.tsv: left out 1 texts that are of no one class: several classes 1")
    assert read("GoEmotions", split="test")[0][0] == "test-c1"


def test_goemotions_own_list_of_emotions_counts(data):
    (data / "GoEmotions" / "emotions.txt").write_text("\n".join(reversed(facts("GoEmotions").codes.values())))
    assert [row[2] for row in read("GoEmotions")][:2] == ["neutral", "happiness"]


def test_meld_gives_the_turns_before(data):
    corpus = load_corpus("MELD")
    assert [e.id for e in corpus][-3:] == ["train-d0-u7", "train-d1-u0", "train-d1-u1"]
    contexts = [e.context for e in corpus]
    assert contexts[0] == contexts[8] == ()
    assert contexts[2] == ("Ben: Line 0, she said", "Ann: Line 1, she said")
    assert contexts[7] == tuple(f"{'Ann' if n % 2 else 'Ben'}: Line {n}, she said" for n in range(1, 7))
    assert contexts[9] == ("Cy: Line 8, she said",)
    assert (corpus.examples[0].label, corpus.examples[0].source_label) == ("happiness", "joy")


def test_isear_is_read_however_it_was_exported(data, caplog):
    wanted = [
        ("k1", "When we met again.", "happiness", "joy"),
        ("k2", "The bus slid on ice.", "fear", "fear"),
    ]
    assert read("ISEAR") == wanted
    assert caplog.messages[0].endswith("of no one class: shame 1, guilt 1, no response 1")
    file = data / "ISEAR" / "isear.csv"
    for other in (ISEAR.replace("|", ";"), ISEAR.replace("|", "\t"), "\ufeff" + ISEAR.replace("Field1", "Other")):
        file.write_text(other, encoding="utf-8")
        assert read("ISEAR") == wanted
    file.write_text('joy,"When we \nmet again.",\nfear,The bus slid on ice.,\nshame,I lied to her.,\n')
    assert [row[1:] for row in read("ISEAR")] == [row[1:] for row in wanted]


def test_hypo_gives_triples(data):
    assert read("HYPO") == [
        ("hypo-1-hyperbole", "I waited a million years.", "hyperbole", "hyperbole"),
        ("hypo-1-paraphrase", "I waited for long.", "literal", "paraphrase"),
        ("hypo-1-minimal-unit", "The rock is a million years old.", "literal", "minimal-unit"),
        ("hypo-2-hyperbole", "He eats like ten.", "hyperbole", "hyperbole"),
        ("hypo-2-paraphrase", "He eats a lot.", "literal", "paraphrase"),
        ("hypo-3-hyperbole", 'John was called "the elephant of the class"...', "hyperbole", "hyperbole"),
        ("hypo-3-paraphrase", "John is very clumsy.", "literal", "paraphrase"),
        ("hypo-3-minimal-unit", '"The elephant of the class" is a book for children.', "literal", "minimal-unit"),
    ]
    assert [e.pair for e in load_corpus("HYPO")] == ["hypo-1"] * 3 + ["hypo-2"] * 2 + ["hypo-3"] * 3


@pytest.mark.parametrize(
    ("name", "split", "wanted"),
    [
        (
            "HYPO-L",
            None,
            [
                ("1", "We died laughing.", "hyperbole", "hyperbole=1;metaphor=1"),
                ("2", "It took ages, really.", "hyperbole", "hyperbole=1;metaphor=0"),
                ("3", "Her voice was silk.", "metaphor", "hyperbole=0;metaphor=1"),
                ("4", "It rained.", "literal", "hyperbole=0;metaphor=0"),
            ],
        ),
        (
            "MOH-X",
            "all",
            [
                ("1", "He absorbed the costs .", "metaphor", "metaphorical;verb=absorb"),
                ("2", "The cloth , it absorbed water .", "literal", "literal;verb=absorb"),
            ],
        ),
        (
            "TroFi",
            None,
            [
                ("1", "They do n't drown", "literal", "literal;verb=drown"),
                ("2", "He drowned , he said , in work", "metaphor", "nonliteral;verb=drown"),
            ],
        ),
        (
            "FLUTE",
            None,
            [
                ("1", "As calm as a lake.", "simile", "Simile;Entailment"),
                ("2", "Time is a thief.", "metaphor", "Metaphor;Contradiction"),
                ("3", "I love being late.", "sarcasm", "Sarcasm;Contradiction"),
                ("4", "I hate being late.", "literal", "CreativeParaphrase;Entailment"),
            ],
        ),
        (
            "iSarcasm",
            None,
            [
                ("train-1", "So much fun", "sarcasm", "sarcastic"),
                ("train-2", "Two lines", "literal", "not_sarcastic"),
                ("train-4", "Late", "literal", "not_sarcastic"),
            ],
        ),
        (
            "iSarcasm",
            "test",
            [("test-1", "Great stuff", "sarcasm", "sarcastic"), ("test-2", "Fine", "literal", "not_sarcastic")],
        ),
        (
            "EmoPrism",
            None,
            [
                ("1", "A: Wet.\nB: Ugh.", "disgust", None),
                ("2", "A: Warm.\nB: Yes!", "happiness", "happiness;theme=surprise"),
            ],
        ),
    ],
)
def test_rows_of_other_layouts(data, name, split, wanted):
    found = read(name, split=split)
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    assert [row[3] or row[2] for row in found] == [row[3] or row[2] for row in wanted]


def test_topics_are_kept(data):
    assert [e.topic for e in load_corpus("EmoPrism")] == ["rain", "sun"]


def test_isarcasm_needs_the_tweets_not_only_their_ids(data):
    (data / "iSarcasm" / "train.En.csv").unlink()
    file = data / "iSarcasm" / "isarcasm_train.csv"
    file.write_text("tweet_id,sarcasm_label,sarcasm_type\n1,sarcastic,irony\n")
    with pytest.raises(
        CorpusError, match=r"isarcasm_train\.csv, row 1: there is no field 'tweet'.*once a column tweet"
    ):
        load_corpus("iSarcasm")
    file.write_text("tweet_id,sarcasm_label,sarcasm_type,tweet\n1,sarcastic,irony,Yay\n2,not_sarcastic,,So\n")
    assert read("iSarcasm") == [
        ("train-1", "Yay", "sarcasm", "sarcastic;irony"),
        ("train-2", "So", "literal", "not_sarcastic"),
    ]


def test_blank_tweets_are_left_out_and_counted(data, caplog):
    assert len(load_corpus("iSarcasm")) == 3
    assert caplog.messages[0].endswith("train.En.csv: left out 1 texts that are of no one class: no text 1")


def test_samples_and_groups_are_as_for_other_corpora(data):
    assert len(load_corpus("MELD", limit_per_label=2)) == 4
    assert load_corpus("FLUTE", group=RHETORIC.extended("irony")).counts()["irony"] == 0
    with pytest.raises(CorpusError, match=r"train\.jsonl, row 1: unknown label 'simile' for the group 'emotion'"):
        load_corpus("FLUTE", group=EMOTIONS)


def test_a_label_that_its_publisher_does_not_know_is_an_error_or_counted(data, caplog):
    file = data / "MELD" / "train_sent_emo.csv"
    file.write_text(MELD.replace("anger", "rage"))
    with pytest.raises(CorpusError, match=rf"{file}, row 9: MELD has no label 'rage'; it has .*joy.*unknown='drop'"):
        load_corpus("MELD")
    assert len(load_corpus("MELD", unknown="drop")) == 9
    assert "rage 1" in caplog.text


def test_another_layout_is_refused_with_the_expected_one(data):
    file = data / "TroFi" / "TroFi_formatted_all3737.csv"
    file.write_text("text,label\nThey drown,0\n")
    with pytest.raises(CorpusError, match=r"row 1: there is no field 'sentence'; the row has text, label; expected is"):
        load_corpus("TroFi")
    (data / "EmoPrism" / "second.json.gz").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"holds release\.json\.gz, second\.json\.gz; leave only that of EmoPrism"):
        load_corpus("EmoPrism")
    assert len(load_corpus("MELD")) == 10, "what is wrong with one data set does not hinder another"


def test_what_is_not_here_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.delenv("EMORHET_DATA", raising=False)
    with pytest.raises(
        CorpusError, match=r"MELD is not in the directory.* train_sent_emo\.csv.* declare-lab/MELD.*GPL"
    ):
        load_corpus("MELD")
    with pytest.raises(CorpusError, match=r"no data set of the hub is known that is ISEAR.*Get the databank"):
        load_corpus("ISEAR", hub=True, data_dir=tmp_path)
    with pytest.raises(CorpusError, match="'MELD' has no split 'validation'; it has train, dev, test"):
        load_corpus("MELD", split="validation")


def test_a_split_that_is_not_here_says_which_are(data):
    with pytest.raises(CorpusError, match="'GoEmotions' has no split 'dev'; it has train, test"):
        load_corpus("GoEmotions", split="dev")


# --- the hub, for which a local folder stands


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.delenv("EMORHET_DATA", raising=False)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "hub"
    folder.mkdir()
    for split in ("train", "validation"):
        rows = [{"text": f"{split} text", "labels": [17], "id": "h1"}, {"text": "Both", "labels": [2, 18], "id": "h2"}]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_data_set_of_the_hub_has_the_same_corpus(hub, caplog):
    corpus = load_corpus("GoEmotions", split="dev", hub=str(hub))
    assert [(e.id, e.text, e.label, e.source_label) for e in corpus] == [
        ("dev-h1", "validation text", "happiness", "joy")
    ]
    assert corpus.name == "GoEmotions-dev" and "several classes 1" in caplog.text
    with pytest.raises(CorpusError, match=r"the split test of .*hub cannot be had.*Get train\.tsv"):
        load_corpus("GoEmotions", split="test", hub=str(hub))


def test_the_hub_is_asked_for_what_the_facts_say_and_only_when_told_to(data, monkeypatch):
    asked = []

    def load_dataset(id, name=None, split=None):
        asked.append((id, name, split))
        return [{"text": "Hooray", "labels": [17], "id": "h1"}]

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    assert len(load_corpus("GoEmotions")) == len(load_corpus("GoEmotions", hub=True)) == 5
    with pytest.raises(CorpusError):
        load_corpus("GoEmotions", data_dir=data / "MELD")
    assert asked == []
    assert load_corpus("GoEmotions", hub=True, data_dir=data / "MELD").counts()["happiness"] == 1
    assert load_corpus("GoEmotions", split="dev", hub="mine/copy").counts()["happiness"] == 1
    assert asked == [
        ("google-research-datasets/go_emotions", "simplified", "train"),
        ("mine/copy", None, "validation"),
    ]


def test_splits_of_the_hub_count_where_the_data_set_is_not_here(data):
    assert split_names("GoEmotions", hub=True) == ("train", "test")
    elsewhere = data / "MELD"
    assert split_names("GoEmotions", elsewhere, hub=True) == ("train", "dev", "test")
    assert split_names("GoEmotions", elsewhere) == ()
    for name in ("FLUTE", "MELD", "hypo", "no/such.jsonl"):
        assert split_names(name, elsewhere, hub=True) == ()


def test_a_hub_that_does_not_answer_is_an_error_of_ours(data, monkeypatch):
    def load_dataset(*args, **options):
        raise ConnectionError("no network")

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    with pytest.raises(
        CorpusError, match=r"ColumbiaNLP/FLUTE cannot be had: no network\. FLUTE is not in the directory"
    ):
        load_corpus("FLUTE", hub=True, data_dir=data / "MELD")
