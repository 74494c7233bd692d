"""Which partitions a mixture unites, what it calls their examples, and when it is out of date."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.explaining import suggest


class Ingredient(NamedTuple):
    """A partition that goes into a mixture, and which of its stages does."""

    stage: str
    partition: Partition


def ingredients_of(mixture: Partition, configs: Mapping[str, CorpusConfig]) -> list[Ingredient]:
    """What ``mixture`` unites: of its language, or with ``mul`` of all languages.

    Raises:
        KeyError: a corpus that it names is not among ``configs``.
    """
    config = configs[mixture.corpus]
    named = [("training_examples", name) for name in config.members]
    named += [("transcripts", name) for name in config.transcribe]
    return [
        Ingredient(stage, Partition(name, language))
        for stage, name in named
        for language in configs[name].languages
        if mixture.language in (language, ALL_LANGUAGES)
    ]


def find_gaps(mixture: CorpusConfig, known: Mapping[str, CorpusConfig]) -> list[str]:
    """What a mixture names that is not there, and which of its languages no member has."""
    named = {field: getattr(mixture, field) for field in ("members", "transcribe", "evaluate_on")}
    gaps = [
        f"{field}: no corpus {name!r} is registered or in these files; "
        f"{suggest(name, list(known))}".rstrip("; ")
        for field, names in named.items()
        for name in names
        if name not in known
    ]
    gaps += [
        f"transcribe: {name} is {known[name].kind}: name corpora of the kind labelled_speech"
        for name in mixture.transcribe
        if name in known and known[name].kind != "labelled_speech"
    ]
    if known.keys() >= set(mixture.sources):
        configs = {**known, mixture.name: mixture}
        gaps += [
            f"languages: none of its members has {language}"
            for language in mixture.languages
            if not ingredients_of(Partition(mixture.name, language), configs)
        ]
    return gaps


def name_adopted(member: Partition, example_id: str) -> str:
    """What a mixture calls an example of ``member``, whose ids are unique there alone."""
    return f"{member.corpus}/{member.language}/{example_id}"


def name_own(example: Mapping[str, Any]) -> str:
    """What a row of ``training_examples`` is called in the partition that it comes from."""
    source = Partition(example["source_corpus"], example["source_language"])
    identifier = str(example["example_id"])
    if source == Partition(example["corpus"], example["language"]):
        return identifier
    return identifier.removeprefix(name_adopted(source, ""))


def stale_mixtures(
    configs: Mapping[str, CorpusConfig], finished: Mapping[Ingredient, datetime]
) -> dict[Partition, datetime]:
    """Each mixture partition that is older than an ingredient, with the newest one's time.

    A mixture of something that is not registered, or not there yet, waits for it.
    """
    stale = {}
    for config in configs.values():
        if config.kind != "mixture" or not set(config.sources) <= configs.keys():
            continue
        for language in config.languages:
            mixture = Partition(config.name, language)
            ingredients = ingredients_of(mixture, configs)
            if not ingredients or any(each not in finished for each in ingredients):
                continue
            newest = max(finished[each] for each in ingredients)
            made = finished.get(Ingredient("training_examples", mixture))
            if made is None or made < newest:
                stale[mixture] = newest
    return stale
