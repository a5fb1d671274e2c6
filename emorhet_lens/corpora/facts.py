"""What has to be known about a corpus before its texts are used: one file of facts for each.

Licences are as their publishers state them; the licence of a repository need not cover the text in it.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, ValidationError

from emorhet_lens.errors import CorpusError
from emorhet_lens.texts.concepts import GROUPS, ConceptGroup

DIRECTORY = Path(__file__).parent / "facts"
# Apart from the folders' files, because HYPO and hypo are one name on some file systems.
PUBLISHERS = "publishers"
BUILT_IN = "stimuli-"

Form = Literal["built-in", "folder", "publisher"]
FORMS: tuple[Form, ...] = ("built-in", "folder", "publisher")

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1)]
Lists = Annotated[Mapping[Text, Texts], AfterValidator(MappingProxyType)]
Names = Annotated[Mapping[Text, Text], AfterValidator(MappingProxyType)]
Counts = Annotated[Mapping[Text, Annotated[int, Field(strict=True, gt=0)]], AfterValidator(MappingProxyType)]


class Hub(BaseModel, frozen=True, extra="forbid"):
    """Where a data set is on the hub.

    Attributes:
        id: Of the data set.
        splits: What the hub calls each split.
        config: Which of its configurations, where there are several.
    """

    id: Text
    splits: Names
    config: Text | None = None


class Facts(BaseModel, frozen=True, extra="forbid"):
    """What is known about a corpus.

    Attributes:
        name: As `load_corpus` takes it.
        form: `"built-in"`; a `"folder"` with a JSONL file a split in the common form; or the `"publisher"`'s own files.
        what: What it is.
        citation: Whom to cite.
        licence: As its publisher states it.
        published: Where; mostly the owner and name of the repository.
        group: The name of the concept group.
        mapping: Label of the group to the source's labels that become it.
        confounds: What else differs between the labels, and what else to mind.
        splits: Whose they are: `"own"` (the source's), `"seeded"`, or what there is instead.
        rows: Rows a split; `"all"` where there are no splits. Of publishers, before any is left out.
        left_out: Source labels whose rows are left out.
        topics: Of a built-in corpus: the topics of its parts `dev` and `test`; the others are `train`.
        extends: Labels that the group has to be extended with.
        pair: The part of an id that texts share which were written to match each other.
        layout: Of a publisher: which files and columns are expected.
        get: Of a publisher: how to get the files.
        files: Of a publisher: the names that each split's file may have; the first that is there counts.
        codes: How the files spell the source's labels.
        code_file: A file that lists the source's labels in the order of their codes, which then counts instead.
        hub: Where it is on the hub, if it is.
    """

    name: Text
    form: Form
    what: Text
    citation: Text
    licence: Text
    published: Text
    group: Text
    mapping: Lists
    confounds: Texts
    splits: Text
    rows: Counts
    left_out: tuple[Text, ...]
    topics: Lists = Field(default_factory=lambda: MappingProxyType({}))
    extends: tuple[Text, ...] = ()
    pair: re.Pattern[str] | None = None
    layout: Text | None = None
    get: Text | None = None
    files: Lists = Field(default_factory=lambda: MappingProxyType({}))
    codes: Names = Field(default_factory=lambda: MappingProxyType({}))
    code_file: Text | None = None
    hub: Hub | None = None

    @property
    def concepts(self) -> ConceptGroup:
        """The built-in group, extended where the labels need it."""
        group = GROUPS[self.group]
        return group.extended(*self.extends) if self.extends else group

    def pair_of(self, id: str) -> str | None:
        """The pair that an example belongs to, as its id tells; None where ids do not."""
        found = self.pair.search(id) if self.pair else None
        return found.group() if found else None


def known() -> tuple[str, ...]:
    """Names of the corpora of which facts are kept: the built-in ones, the folders, the publishers' layouts."""
    return tuple(_files())


@cache
def facts(name: str) -> Facts:
    """What is known about a corpus.

    Args:
        name: One of `known()`; case matters.

    Returns:
        The facts.

    Raises:
        CorpusError: Nothing is known under that name.
    """
    if name not in _files():
        raise CorpusError(f"no facts are kept about {name!r}; there are facts about {', '.join(known())}")
    return read_facts(_files()[name])


def read_facts(path: Path) -> Facts:
    """Read and check a file of facts.

    Args:
        path: A TOML file, named after its corpus; its folder says whether it is about a publisher's files.

    Returns:
        The facts.

    Raises:
        CorpusError: The file is no TOML, a fact is missing, unknown or of the wrong kind, or facts contradict each
            other; the message names the file and the fact.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
        found = Facts(**{**given, "name": path.stem, "form": _form(path)})
        _require_agreement(found)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as cause:
        raise CorpusError(f"{path} is no TOML file: {cause}; mend it") from cause
    except ValidationError as cause:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors())
        raise CorpusError(f"{path}: {wrong}; the facts of a corpus are {', '.join(Facts.model_fields)}") from cause
    except CorpusError as cause:
        raise CorpusError(f"{path}: {cause}") from cause
    return found


@cache
def _files() -> dict[str, Path]:
    files = [*DIRECTORY.glob("*.toml"), *(DIRECTORY / PUBLISHERS).glob("*.toml")]
    return {file.stem: file for file in sorted(files, key=lambda file: (FORMS.index(_form(file)), file.stem.lower()))}


def _form(path: Path) -> Form:
    if path.parent.name == PUBLISHERS:
        return "publisher"
    return "built-in" if path.stem.startswith(BUILT_IN) else "folder"


def _require_agreement(found: Facts) -> None:
    if found.group not in GROUPS:
        raise CorpusError(f"the group {found.group!r} is unknown; there are {', '.join(GROUPS)}")
    labels = found.concepts.labels
    if strangers := sorted(set(found.mapping) - set(labels)):
        raise CorpusError(f"mapping leads to {', '.join(strangers)}; the group has {', '.join(labels)}")
    sources = Counter(source.lower() for of in (*found.mapping.values(), found.left_out) for source in of)
    if twice := sorted(source for source, times in sources.items() if times > 1):
        raise CorpusError(f"mapping and left_out name {', '.join(twice)} twice; a source label becomes one label")
    if strangers := sorted(code for code in found.codes.values() if code.lower() not in sources):
        raise CorpusError(f"codes lead to {', '.join(strangers)}, which neither mapping nor left_out names")
    if found.form == "publisher" and not (found.layout and found.get and set(found.files) == set(found.rows)):
        raise CorpusError("a publisher's facts need layout, get, and files for the same splits as rows")
