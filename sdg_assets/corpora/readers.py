"""From a corpus's configuration to what can be used of it, and what cannot and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from sdg_assets.corpora.base import (
    CorpusError,
    Reject,
    SourceQA,
    SourceUtterance,
    SpeechReader,
    TextQAReader,
)
from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.files import is_text, printable
from sdg_assets.corpora.layout import SpeechLayout, TextQALayout
from sdg_assets.corpora.splits import split_name


@dataclass(frozen=True, slots=True)
class _SpeechReader:
    corpus: CorpusConfig
    layout: SpeechLayout

    def read(self, language: str) -> Iterator[SourceUtterance | Reject]:
        _check_language(self.corpus, language)
        text_expected = self.corpus.kind == "labelled_speech"
        seen: dict[str, str] = {}
        for item in self.layout.read(language):
            if not _is_counted(item, self.corpus, language):
                continue
            if isinstance(item, Reject):
                if text_expected or item.reason != "orphan_transcript":
                    yield _printable(item)
                continue
            item = _tidy_utterance(item, text_expected)
            reject = _reject_utterance(item, self.corpus, seen)
            if reject is None:
                seen[item.utterance_id] = item.place or item.audio.path
            yield reject or item


@dataclass(frozen=True, slots=True)
class _TextQAReader:
    corpus: CorpusConfig
    layout: TextQALayout

    def read(self, language: str) -> Iterator[SourceQA | Reject]:
        _check_language(self.corpus, language)
        seen: dict[str, str] = {}
        for item in self.layout.read(language):
            if not _is_counted(item, self.corpus, language):
                continue
            if isinstance(item, Reject):
                yield _printable(item)
                continue
            item = _tidy_qa(item)
            reject = _reject_qa(item, self.corpus, seen)
            if reject is None:
                seen[item.qa_id] = item.place
            yield reject or item


def open_reader(corpus: CorpusConfig) -> SpeechReader | TextQAReader:
    """
    Raises:
        CorpusError: the corpus is a mixture, which reads nothing itself.
    """
    if isinstance(corpus.reader, SpeechLayout):
        return _SpeechReader(corpus, corpus.reader)
    if isinstance(corpus.reader, TextQALayout):
        return _TextQAReader(corpus, corpus.reader)
    raise CorpusError(f"{corpus.name} is a {corpus.kind}: read its members instead")


def open_speech_reader(corpus: CorpusConfig) -> SpeechReader:
    """
    Raises:
        CorpusError: the corpus has no speech.
    """
    if not isinstance(corpus.reader, SpeechLayout):
        raise CorpusError(f"{corpus.name} is a {corpus.kind} corpus: it has no audio to read")
    return _SpeechReader(corpus, corpus.reader)


def open_text_qa_reader(corpus: CorpusConfig) -> TextQAReader:
    """
    Raises:
        CorpusError: the corpus has no questions.
    """
    if not isinstance(corpus.reader, TextQALayout):
        raise CorpusError(f"{corpus.name} is a {corpus.kind} corpus: it has no questions to read")
    return _TextQAReader(corpus, corpus.reader)


def explain_nothing(corpus: CorpusConfig, language: str) -> str:
    """That the reader of a corpus found nothing at all, and how it looked."""
    reader = corpus.reader
    if reader is None:
        return f"{corpus.name} is a mixture: it reads nothing itself"
    options = {"layout": reader.layout, **reader.model_dump(exclude_defaults=True)}
    written = ", ".join(f"{name}: {value}" for name, value in options.items())
    return f"its reader found 0 records in {language!r} ({reader.fill(written, language)})"


def _check_language(corpus: CorpusConfig, language: str) -> None:
    if not corpus.speaks(language):
        raise CorpusError(
            f"{corpus.name} has no language {language!r} (it has {', '.join(corpus.languages)}): "
            "add it to `languages` in the corpus's YAML file"
        )


def _is_counted(
    item: SourceUtterance | SourceQA | Reject, corpus: CorpusConfig, language: str
) -> bool:
    """What belongs to no language counts once: in the first of those read from the same files."""
    is_tagged = not isinstance(item, Reject) and item.language is not None
    return is_tagged or not corpus.needs_tags or language == corpus.languages[0]


def _reject_utterance(
    item: SourceUtterance, corpus: CorpusConfig, seen: dict[str, str]
) -> Reject | None:
    path = item.audio.path
    said = {"file name": path, "speaker": item.speaker or "", "text": item.text or ""}
    if broken := _list_broken(said):
        reason, detail = "not_utf8", f"its {broken} is not UTF-8"
    elif item.utterance_id in seen:
        first = seen[item.utterance_id]
        reason, detail = "duplicate_id", f"{first} has the same id; the first one is used"
    elif corpus.kind == "labelled_speech" and item.text is None:
        reason, detail = "missing_text", "the audio is there, but no transcript of it"
    elif corpus.kind == "labelled_speech" and not (item.text or "").strip():
        reason, detail = "empty_text", f"its transcript in {item.text_source} is empty"
    elif item.language is None and corpus.needs_tags:
        reason, detail = "no_language", _NO_LANGUAGE.format(", ".join(corpus.languages))
    elif corpus.split.by == "given" and split_name(item.split) is None:
        reason, detail = "no_split", _NO_SPLIT.format(item.split)
    else:
        return None
    detail = f"{item.place}: {detail}" if item.place else detail
    return _printable(Reject(item.utterance_id, reason, detail, path))


def _reject_qa(item: SourceQA, corpus: CorpusConfig, seen: dict[str, str]) -> Reject | None:
    texts = {"context": item.context, "question": item.question, "answer": item.answer}
    empty = [name for name, text in texts.items() if not text.strip()]
    if broken := _list_broken(texts):
        reason, detail = "not_utf8", f"its {broken} is not UTF-8"
    elif item.qa_id in seen:
        first = seen[item.qa_id]
        reason, detail = "duplicate_id", f"{first} has the same id; the first one is used"
    elif empty:
        reason, detail = f"empty_{empty[0]}", f"its {' and '.join(empty)} is empty"
    elif item.language is None and corpus.needs_tags:
        reason, detail = "no_language", _NO_LANGUAGE.format(", ".join(corpus.languages))
    elif corpus.split.by == "given" and split_name(item.split) is None:
        reason, detail = "no_split", _NO_SPLIT.format(item.split)
    else:
        return None
    return _printable(Reject(item.qa_id, reason, f"{item.place}: {detail}", item.source_path))


def _list_broken(texts: Mapping[str, str]) -> str:
    """The names of those texts that were not UTF-8."""
    return " and ".join(name for name, text in texts.items() if not is_text(text))


_NO_LANGUAGE = "it names no language, and the corpus has several ({})"
_NO_SPLIT = "the corpus says split {!r}, which is not train, validation or test"


def _tidy_utterance(item: SourceUtterance, text_expected: bool) -> SourceUtterance:
    """Where text is not expected, text that cannot be stored is no reason to lose the audio."""
    if item.text is None:
        return item
    if not text_expected and not is_text(item.text):
        return replace(item, text=None, text_source=None)
    return replace(item, text=_tidy(item.text))


def _tidy_qa(item: SourceQA) -> SourceQA:
    return replace(
        item,
        context=_tidy(item.context),
        question=_tidy(item.question),
        answer=_tidy(item.answer),
    )


def _tidy(text: str) -> str:
    """Without byte order marks, which texts that were pasted together have inside (XQuAD)."""
    return text.replace("\ufeff", "").strip()


def _printable(reject: Reject) -> Reject:
    return Reject(
        printable(reject.item_id),
        reject.reason,
        printable(reject.detail),
        printable(reject.source_path),
    )
