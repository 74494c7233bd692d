"""What would come of a collection: `sdg corpora check`, `register` and `languages add` ask here."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sdg_assets.audio import AudioError, decode
from sdg_assets.corpora import explain_nothing, open_reader
from sdg_assets.corpora.base import CorpusError, Reject, SourceQA, SourceUtterance
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.splits import Split, SplitRule, split_of
from sdg_assets.explaining import spell_count

READ_SECONDS = 5.0  # of each language at most, unless these are not HEARD_ITEMS
HEARD_ITEMS = 20

Place = tuple[Split, str | None]  # of an item: its set, and its speaker or passage where known


@dataclass(frozen=True, slots=True)
class Preview:
    """What a collection's reader gives in one language, as far as it was read."""

    config: CorpusConfig
    language: str
    placed: Counter[Place]  # how many items can be used
    rejected: Counter[str]  # how many cannot, by reason
    failure: str  # what ended the reading, where something did
    is_whole: bool

    @property
    def items(self) -> int:
        return self.placed.total()

    @property
    def read(self) -> int:
        return self.items + self.rejected.total()

    @property
    def reasons(self) -> str:
        return ", ".join(f"{count} × {reason}" for reason, count in self.rejected.items())

    @property
    def problem(self) -> str:
        """Why nothing can be made of it; empty where something can."""
        if self.failure or self.items:
            return self.failure
        if self.rejected:
            tried = "its" if self.is_whole else f"the first {self.read}"
            return f"none of {tried} items can be used: {self.reasons}"
        return explain_nothing(self.config, self.language)

    @property
    def warning(self) -> str:
        """That voices cannot be kept apart, or which sets are to hold something and do not."""
        rule = self.config.split
        if self.problem:
            return ""
        if rule.by == "speaker" and not any(speaker for _, speaker in self.placed):
            return (
                "no speaker is known, so each recording counts as its own: the same voice may be "
                "in train and test"
            )
        empty = [split for split in rule.promised if not self.count_items(split)]
        if not empty:
            return ""
        counted = f"{self.items} items ({self.count_groups()}) is in {' or '.join(empty)}"
        if self.is_whole:
            return f"none of its {counted}: {_advise(rule, empty)}"
        return f"none of the first {counted}; what was not read may be"

    def count_items(self, split: Split) -> int:
        return sum(count for (each, _), count in self.placed.items() if each == split)

    def count_groups(self, split: Split | None = None) -> str:
        """The speakers or passages of one set, or of all."""
        groups = {group for each, group in self.placed if group and split in (None, each)}
        return spell_count(len(groups), "passage" if self.config.kind == "text_qa" else "speaker")


def preview(config: CorpusConfig, language: str) -> Preview:
    """Read a collection for :data:`READ_SECONDS`, and listen to its first :data:`HEARD_ITEMS`.

    Of later items the audio is not opened.
    """
    placed: Counter[Place] = Counter()
    rejected: Counter[str] = Counter()
    failure, is_whole = "", True
    deadline = time.monotonic() + READ_SECONDS
    try:
        for number, item in enumerate(open_reader(config).read(language)):
            if number >= HEARD_ITEMS and time.monotonic() > deadline:
                is_whole = False
                break
            if isinstance(item, Reject):
                rejected[item.reason] += 1
            elif number < HEARD_ITEMS and (fault := _find_fault(item, config)):
                rejected[fault] += 1
            else:
                placed[split_of(item, config.split), _group_of(item)] += 1
    except CorpusError as error:
        failure = str(error)
    return Preview(config, language, placed, rejected, failure, is_whole)


def _find_fault(item: SourceUtterance | SourceQA, config: CorpusConfig) -> str | None:
    """What is wrong with an item's audio."""
    if isinstance(item, SourceUtterance):
        try:
            decode(item.audio, config.max_seconds)
        except AudioError as error:
            return error.reason
    return None


def _group_of(item: SourceUtterance | SourceQA) -> str | None:
    return item.passage_id if isinstance(item, SourceQA) else item.speaker


def _advise(rule: SplitRule, empty: Sequence[Split]) -> str:
    """How to fill the sets that are empty."""
    if rule.test_groups and "test" in empty:
        return f"split.test_groups ({', '.join(rule.test_groups)}) names none of them"
    if rule.by == "speaker":
        return "split by utterance, name speakers in split.test_groups, or try another split.seed"
    return "try another split.seed"
