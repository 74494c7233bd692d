"""What every layout's options share: a reader is its options plus a ``read`` generator.

A layout is one file and one line in :mod:`sdg_assets.corpora.layouts`.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo

from sdg_assets.corpora.base import Reject, SourceQA, SourceUtterance
from sdg_assets.corpora.files import absolute, expand
from sdg_assets.corpora.splits import Split

FOLDER = "folder"  # key of the validation context: what relative paths are relative to


def _resolve(path: str, info: ValidationInfo) -> str:
    return absolute(path, (info.context or {}).get(FOLDER, os.getcwd()))


_LANGUAGE = "{language} in it stands for the partition's language"
Location = Annotated[
    str,
    Field(min_length=1, description=f"a folder, or an fsspec URL; {_LANGUAGE}"),
    AfterValidator(_resolve),
]
Files = Annotated[
    Location | dict[Split, Location],
    Field(
        description="a file or glob pattern (local or an fsspec URL), or one for each split: "
        f"{{train: ..., test: ...}}; {_LANGUAGE}"
    ),
]


class Layout(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    names_languages: ClassVar[bool] = False
    """Whether each item can say what language it is in."""

    language_names: dict[str, str] = Field(
        default_factory=dict,
        description="how the corpus spells a language where it is not our tag: {zh-cn: zh-CN}",
    )

    @property
    def parts_languages(self) -> bool:
        """Whether each language is read from a place of its own."""
        return "{language}" in self.model_dump_json()

    @property
    def tells_languages(self) -> bool:
        """Whether what is read for one language need not be what is read for another."""
        return self.names_languages or self.parts_languages

    def fill(self, template: str, language: str) -> str:
        return template.replace("{language}", self.language_names.get(language, language))

    def is_of(self, tag: str | None, language: str) -> bool:
        """Whether data of the corpus's own ``tag`` can be in ``language``: ``en-US`` is ``en``.

        What has no tag can be in any.
        """
        if not tag:
            return True
        wanted = self.language_names.get(language, language).lower().replace("_", "-")
        tag = tag.lower().replace("_", "-")
        return tag == wanted or tag.startswith(f"{wanted}-")

    def files(self, files: Files, language: str) -> Iterator[tuple[Split | None, str]]:
        """Each file with its split, in a fixed order.

        Raises:
            CorpusError: a path leads to no file.
        """
        named = files if isinstance(files, dict) else {None: files}
        for split, path in named.items():
            for file in expand(self.fill(path, language)):
                yield split, file


class SpeechLayout(Layout):
    @abstractmethod
    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        """Everything that is there: ids may repeat, and text may be missing.

        A transcript whose audio is not there is a Reject with the reason ``orphan_transcript``.
        """


class TextQALayout(Layout):
    @abstractmethod
    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        """Everything that is there: ids may repeat."""
