import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter

import pytest

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import EMOTIONS, RHETORIC, ConceptGroup
from emorhet_lens.texts.corpus_files import read_corpus
from emorhet_lens.texts.examples import Example

ROWS = [
    {
        "id": "x-1",
        "text": 'She said "no", twice.',
        "label": "Joy",
        "topic": "tea, cakes",
        "pair": "p",
        "context": ["A: Well?", "B: So."],
        "source": "meld",
        "source_label": "glee",
        "theme": "left out",
    },
    {"id": "x-2", "text": "Zwölf\nZeilen 🙂", "label": "FEAR"},
    {"id": "x-3", "text": "  kept as it is ", "label": "neutral"},
]
EXAMPLES = (
    Example("x-1", ROWS[0]["text"], "happiness", "meld", "glee", "tea, cakes", "p", ("A: Well?", "B: So.")),
    Example("x-2", ROWS[1]["text"], "fear", "set", "FEAR"),
    Example("x-3", ROWS[2]["text"], "neutral", "set"),
)


def table(rows, delimiter: str) -> str:
    flat = [{**row, "context": "\n".join(row.get("context", ()))} for row in rows]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(key for row in flat for key in row)), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def lines(rows) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


WRITERS = {
    "set.jsonl": lines,
    "set.ndjson": lambda rows: "\n" + lines(rows).replace("\n", "\n\r\n"),
    "set.json": lambda rows: "\n " + json.dumps(rows, indent=2),
    "lines/set.json": lines,
    "list/set.jsonl": json.dumps,
    "set.csv": lambda rows: table(rows, ","),
    "set.tsv": lambda rows: table(rows, "\t"),
}


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("packing", ["plain", "bom", "gzipped", "gzipped without saying so"])
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_corpus(write, name, packing):
    content = WRITERS[name](ROWS).encode()
    if packing == "bom":
        content = b"\xef\xbb\xbf" + content
    if packing.startswith("gzipped"):
        content = gzip.compress(content)
    corpus = read_corpus(write(name + ".gz" * (packing == "gzipped"), content), group=EMOTIONS)
    assert corpus.examples == EXAMPLES
    assert corpus.name == "set" and corpus.group is EMOTIONS


def test_without_ids_the_row_numbers_are_the_ids(write):
    rows = [{"utterance": f"text {i}", "label": "anger", "id": ""} for i in range(3)]
    for name, writer in WRITERS.items():
        assert [e.id for e in read_corpus(write(name, writer(rows)), group=EMOTIONS)] == ["1", "2", "3"], name


def test_the_published_form_of_emoprism_loads_as_it_is(write):
    dialogue = "A: The exam is tomorrow.\nB: My hands shake when I think of it."
    item = {
        "topic": "Exams",
        "dialogue": dialogue,
        "theme": "sadness",
        "model-one": "fear",
        "m2": "fear",
        "label": "fear",
    }
    happy = {**item, "topic": "Tea", "dialogue": "A: Cake!\nB: Joy.", "label": "Happiness"}
    corpus = read_corpus(write("EmoPrism.json.gz", gzip.compress(json.dumps([item, happy]).encode())), group=EMOTIONS)
    assert corpus.examples == (
        Example("1", dialogue, "fear", "EmoPrism", topic="Exams"),
        Example("2", "A: Cake!\nB: Joy.", "happiness", "EmoPrism", "Happiness", "Tea"),
    )


def test_numbers_serve_as_ids_and_with_aliases_as_labels(write):
    path = write("a.jsonl", lines([{"id": 7, "text": "Boo", "label": 2}, {"id": 8, "text": "Grr", "label": 0}]))
    corpus = read_corpus(path, group=EMOTIONS, name="mine", aliases={"0": "anger", "2": "fear"})
    assert corpus.examples == (Example("7", "Boo", "fear", "mine", "2"), Example("8", "Grr", "anger", "mine", "0"))
    assert corpus.group is EMOTIONS


def test_the_first_text_field_that_is_there_counts(write):
    path = write("a.jsonl", lines([{"utterance": "u", "dialogue": "d", "text": "", "label": "fear"}]))
    assert read_corpus(path, group=EMOTIONS).examples[0].text == "d"
    path = write("a.jsonl", lines([{"utterance": "u", "dialogue": "d", "text": None, "label": "fear"}]))
    assert [e.text for e in read_corpus(path, group=EMOTIONS)] == ["d"]


def test_context_may_be_one_string(write):
    path = write("a.jsonl", lines([{"text": "t", "label": "fear", "context": "one\ntwo"}]))
    assert [e.context for e in read_corpus(path, group=EMOTIONS)] == [("one", "two")]


def test_unknown_labels_can_be_dropped_without_renumbering(write):
    path = write("a.csv", "text,label\na,fear\nb,calm\nc,anger\n,\n")
    corpus = read_corpus(path, group=EMOTIONS, unknown="drop")
    assert [(e.id, e.text) for e in corpus] == [("1", "a"), ("3", "c")]


# --- files that cannot be read

GOOD = '{"text": "t", "label": "fear"}\n'
BAD = {
    "empty": ("a.jsonl", "", "is empty"),
    "blank": ("a.json", " \n\t\n", "is empty"),
    "gzip of nothing": ("a.csv.gz", gzip.compress(b""), "is empty"),
    "no rows in a list": ("a.json", "[]", "has no row with a label of the group 'emotion'"),
    "no rows in a table": ("a.csv", "text,label\n", "has no row with a label"),
    "other ending": ("a.parquet", "PAR1", r"ends in '\.parquet'; allowed are \.jsonl"),
    "no ending": ("a", GOOD, "ends in ''"),
    "gzip in name only": ("a.jsonl.gz", GOOD, r"ends in \.gz and is not gzip"),
    "truncated gzip": ("a.jsonl.gz", gzip.compress(GOOD.encode() * 9)[:-12], "is damaged gzip after row [0-9]"),
    "damaged gzip": ("a.csv.gz", b"\x1f\x8b\x08" + b"\0" * 7 + b"\xff" * 9, "is damaged gzip after row 0"),
    "not UTF-8 lines": ("a.jsonl", GOOD.encode() + '{"text": "é"}'.encode("latin-1"), "is not UTF-8 after row 1"),
    "not UTF-8 list": ("a.json", '[{"text": "é", "label": "fear"}]'.encode("latin-1"), "is not UTF-8 after row 0"),
    "not UTF-8 table": ("a.csv", "text,label\na,fear\né,fear\n".encode("latin-1"), "is not UTF-8 after row 1"),
    "UTF-16": ("a.jsonl", GOOD.encode("utf-16"), "is not UTF-8 after row 0"),
    "broken line": ("a.jsonl", GOOD * 2 + '{"text": "t",}\n', r"row 3, character 1[0-9]: .* one object a line"),
    "indented object": ("a.json", json.dumps({"data": [1]}, indent=1), "row 1, character 3"),
    "broken list": ("a.json", '[{"text": "t", "label": "fear"}, {"text" 1}]', "broken or cut-off JSON after row"),
    "cut-off list": ("a.json", '[{"text": "t", "label": "fear"}, {"te', "broken or cut-off JSON after row"),
    "list and more": ("a.json", '[{"text": "t", "label": "fear"}] []', "broken or cut-off JSON after row"),
    "rows of lists": ("a.json", '[{"text": "t", "label": "fear"}, ["t", "fear"]]', "row 2 is a list"),
    "rows of strings": ("a.jsonl", '"t"\n', "row 1 is a str"),
    "open quote": ("a.csv", 'text,label\nt,fear\n"t,fear\n', "row 2 is broken: unexpected end of data"),
    "too many fields": ("a.csv", "text,label\nwell, yes,fear\n", "row 1 is broken: 1 more fields than the header has"),
    "no label": ("a.csv", "text,emotion\nt,fear\n", "row 1: there is no field 'label'; the row has text, emotion"),
    "short row": ("a.csv", "text,label\nt,fear\nt\n", "row 2: there is no field 'label'; the row has text"),
    "no text": (
        "a.jsonl",
        GOOD + '{"body": "t", "label": "fear"}',
        "row 2: there is no field 'text' or 'dialogue' or 'utterance'; the row has body, label",
    ),
    "no field": ("a.jsonl", "{}", "the row has none"),
    "unknown label": ("a.jsonl", GOOD + GOOD.replace("fear", "calm"), "row 2: unknown label 'calm' .* pass aliases="),
    "same id": ("a.csv", "id,text,label\n1,a,fear\n2,b,fear\n1,c,fear\n", "row 3: the id '1' is that of row 1"),
    "blank text": ("a.csv", "text,label\n \t,fear\n", "row 1: the text is blank"),
    "empty text": ("a.jsonl", '{"text": "", "label": "fear"}', "row 1: the text is blank"),
    "list as text": ("a.jsonl", '{"text": ["A", "B"], "label": "fear"}', r"row 1: the field 'text' is a list, \['A'"),
    "number as text": ("a.jsonl", '{"text": 1, "label": "fear"}', "row 1: the field 'text' is a int, 1"),
    "list as label": ("a.json", '[{"text": "t", "label": ["fear"]}]', "row 1: the field 'label' is a list"),
    "context of numbers": ("a.jsonl", '{"text": "t", "label": "fear", "context": [1]}', "row 1: the field 'context'"),
    "half a character": ("a.jsonl", r'{"text": "\ud83d", "label": "fear"}', "row 1: the text holds half a character"),
}


@pytest.mark.parametrize("limit", [None, 5])
@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_by_name_and_row(write, case, limit):
    name, content, complaint = BAD[case]
    with pytest.raises(CorpusError, match=complaint) as caught:
        read_corpus(write(name, content), group=EMOTIONS, limit_per_label=limit)
    assert name in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"there is no file .*none\.jsonl"):
        read_corpus(tmp_path / "none.jsonl", group=EMOTIONS)
    with pytest.raises(CorpusError, match="is a folder"):
        read_corpus(str(tmp_path), group=EMOTIONS)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"unknown": "ignore"}, "'error' and 'drop'"),
        ({"limit_per_label": 0}, "limit_per_label=0; it has to be at least 1"),
        ({"aliases": {"rage": "wrath"}}, r"aliases lead to \['wrath'\]"),
        ({"group": RHETORIC, "unknown": "drop"}, "no row with a label of the group 'rhetoric'"),
    ],
)
def test_impossible_options_are_refused(write, options, complaint):
    with pytest.raises(CorpusError, match=complaint):
        read_corpus(write("a.jsonl", GOOD), **{"group": EMOTIONS, **options})


# --- samples

MANY = [{"text": f"text {i}", "label": "fear" if i % 3 else "anger", "source": "ab"[i % 2]} for i in range(300)]


@pytest.mark.parametrize("name", WRITERS)
def test_a_sample_is_the_same_whatever_the_format(write, name):
    corpus = read_corpus(write(name, WRITERS[name](MANY)), group=EMOTIONS, limit_per_label=7, seed=3)
    assert Counter((e.source, e.label) for e in corpus) == dict.fromkeys(
        [("a", "fear"), ("b", "fear"), ("a", "anger"), ("b", "anger")], 7
    )
    assert [int(e.id) for e in corpus] == sorted(int(e.id) for e in corpus)
    assert all(e.text == f"text {int(e.id) - 1}" for e in corpus)
    assert corpus.digest == read_corpus(write("x.jsonl", lines(MANY)), group=EMOTIONS, limit_per_label=7, seed=3).digest
    assert corpus.digest != read_corpus(write("x.jsonl", lines(MANY)), group=EMOTIONS, limit_per_label=7, seed=4).digest


def test_a_large_limit_keeps_everything(write):
    path = write("a.jsonl", lines(MANY))
    assert read_corpus(path, group=EMOTIONS, limit_per_label=300).examples == read_corpus(path, group=EMOTIONS).examples


def test_every_row_is_drawn_equally_often(write):
    path = write("a.jsonl", lines([{"text": f"text {i}", "label": "fear"} for i in range(20)]))
    draws = Counter(
        e.id for seed in range(400) for e in read_corpus(path, group=EMOTIONS, limit_per_label=5, seed=seed)
    )
    # Each row is in a draw with probability 1/4: 100 of 400, standard deviation 8.7. Seeds are fixed, so is the result.
    assert len(draws) == 20 and all(65 <= count <= 135 for count in draws.values())
    assert sum((count - 100) ** 2 / 75 for count in draws.values()) < 40


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "large.json"
    filler = "word " * 20
    with path.open("w", encoding="utf-8") as file:
        for i in range(100_000):
            label = EMOTIONS.labels[i % 7]
            file.write(
                f'{"," if i else "["}{{"topic": "t{i}", "dialogue": "A: {filler}\\nB: {i}", "label": "{label}"}}\n'
            )
        file.write("]")
    return path


MEASURE = """
import json, sys, tracemalloc
from emorhet_lens.texts.concepts import EMOTIONS
from emorhet_lens.texts.corpus_files import read_corpus
tracemalloc.start()
corpus = read_corpus(sys.argv[1], group=EMOTIONS, limit_per_label=20)
peak = tracemalloc.get_traced_memory()[1]
json.dump({"peak": peak, "counts": corpus.counts(), "last": max(int(e.id) for e in corpus)}, sys.stdout)
"""


def test_the_memory_for_a_sample_does_not_grow_with_the_file(large_file):
    assert large_file.stat().st_size > 12e6
    # In a process of its own, without the type checks of these tests, which would take minutes here.
    done = subprocess.run([sys.executable, "-c", MEASURE, large_file], capture_output=True, text=True, check=True)
    measured = json.loads(done.stdout.splitlines()[-1])
    assert set(measured["counts"].values()) == {20}
    assert measured["peak"] < 1e6
    # A uniform draw of 140 rows reaches into the last tenth of the file.
    assert measured["last"] > 90_000


def test_a_group_of_ones_own_is_read_by_its_own_names(write):
    group = ConceptGroup("moods", ("Awe", "Pride"), rest="None")
    corpus = read_corpus(write("a.csv", "text,label\na,awe\nb,none\n"), group=group)
    assert [(e.label, e.source_label) for e in corpus] == [("Awe", "awe"), ("None", "none")]
