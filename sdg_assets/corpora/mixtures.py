"""Which partitions a mixture unites, what it calls their examples, and when it is out of date."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import ALL_LANGUAGES, Partition
from sdg_assets.explaining import suggest


def members_of(mixture: Partition, configs: Mapping[str, CorpusConfig]) -> list[Partition]:
    """The partitions that ``mixture`` unites: its language's, or with ``mul`` all languages'.

    Raises:
        KeyError: a member is not among ``configs``.
    """
    return [
        Partition(member, language)
        for member in configs[mixture.corpus].members
        for language in configs[member].languages
        if mixture.language in (language, ALL_LANGUAGES)
    ]


def find_gaps(mixture: CorpusConfig, known: Mapping[str, CorpusConfig]) -> list[str]:
    """What a mixture names that is not there, and which of its languages no member has."""
    named = {"members": mixture.members, "evaluate_on": mixture.evaluate_on}
    gaps = [
        f"{field}: no corpus {name!r} is registered or in these files; "
        f"{suggest(name, list(known))}".rstrip("; ")
        for field, names in named.items()
        for name in names
        if name not in known
    ]
    if known.keys() >= set(mixture.members):
        configs = {**known, mixture.name: mixture}
        gaps += [
            f"languages: none of its members has {language}"
            for language in mixture.languages
            if not members_of(Partition(mixture.name, language), configs)
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
    configs: Mapping[str, CorpusConfig], finished: Mapping[Partition, datetime]
) -> dict[Partition, datetime]:
    """Each mixture partition that is older than a member, with the newest member's time.

    A mixture with a member that is not registered, or has no examples yet, waits for it.
    """
    stale = {}
    for config in configs.values():
        if config.kind != "mixture" or not set(config.members) <= configs.keys():
            continue
        for language in config.languages:
            mixture = Partition(config.name, language)
            members = members_of(mixture, configs)
            if not members or any(member not in finished for member in members):
                continue
            newest = max(finished[member] for member in members)
            if mixture not in finished or finished[mixture] < newest:
                stale[mixture] = newest
    return stale
