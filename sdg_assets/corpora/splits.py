"""Train, validation or test, by a hash of the group: nothing moves as files are added."""

import hashlib
import math
import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sdg_assets.corpora.base import SourceQA, SourceUtterance

Split = Literal["train", "validation", "test"]
Share = Annotated[float, Field(ge=0, le=1)]

_NAMES: tuple[tuple[re.Pattern[str], Split], ...] = (
    (re.compile(r"train", re.IGNORECASE), "train"),
    (re.compile(r"dev|val", re.IGNORECASE), "validation"),
    (re.compile(r"test", re.IGNORECASE), "test"),
)


class SplitRule(BaseModel):
    """How a corpus is divided.

    ``given`` keeps the corpus's own splits. Otherwise all items of a group (speaker, utterance
    or passage) land on the same side. Where ``test_groups`` is set, the test split is exactly
    these groups, and the others are train and validation in the proportion of their shares.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["speaker", "utterance", "passage", "given"] = Field(
        description="what stays on one side; speech: speaker or utterance, text: passage; given: "
        "the corpus's own splits. To be written where anything of `split` is"
    )
    train: Share = Field(default=0.8, description="of the groups")
    validation: Share = Field(default=0.1, description="of the groups")
    test: Share = Field(default=0.1, description="of the groups")
    seed: int = Field(default=0, description="another one divides otherwise")
    test_groups: tuple[str, ...] = Field(
        default=(),
        description="speakers, utterances or passages that are the test split, and no others",
    )

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Self:
        total = self.train + self.validation + self.test
        if not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(
                f"train {self.train:g} + validation {self.validation:g} + test {self.test:g} "
                f"is {total:g}: write three shares that sum to 1"
            )
        return self

    @property
    def promised(self) -> tuple[Split, ...]:
        """The sets that are to hold something; of a corpus's own splits nothing is known."""
        if self.by == "given":
            return ()
        test = bool(self.test or self.test_groups)
        wanted: dict[Split, bool] = {
            "train": self.train > 0, "validation": self.validation > 0, "test": test,
        }  # fmt: skip
        return tuple(split for split, is_wanted in wanted.items() if is_wanted)


def assign_split(group: str, rule: SplitRule) -> Split:
    """The side of ``group``; depends on nothing but the group, the seed and the shares."""
    if group in rule.test_groups:
        return "test"
    test = 0.0 if rule.test_groups else rule.test
    place = _unit_hash(f"{rule.seed}\0{group}") * (test + rule.validation + rule.train)
    if place < test:
        return "test"
    return "validation" if place < test + rule.validation else "train"


def split_of(item: SourceUtterance | SourceQA, rule: SplitRule) -> Split:
    """The item's own split where the rule is ``given`` (readers reject items without), else a hash.

    The group is the passage of a question, and the speaker (or, where unknown, the utterance
    itself) of an utterance.
    """
    own = split_name(item.split) if rule.by == "given" else None
    return own or assign_split(_group(item, rule), rule)


def split_name(name: str | None) -> Split | None:
    """What a corpus means by its own name for a split.

    >>> split_name("dev-clean"), split_name("train_v2.1"), split_name("other")
    ('validation', 'train', None)
    """
    if name is None:
        return None
    return next((split for pattern, split in _NAMES if pattern.match(name)), None)


def _group(item: SourceUtterance | SourceQA, rule: SplitRule) -> str:
    if isinstance(item, SourceQA):
        return item.passage_id
    if rule.by == "speaker" and item.speaker:
        return item.speaker
    return item.utterance_id


def _unit_hash(text: str) -> float:
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
