"""Mixtures: their members, and when they are older than those."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sdg_assets.corpora.config import CorpusConfig
from sdg_assets.corpora.keys import Partition
from sdg_assets.corpora.mixtures import (
    Ingredient,
    find_gaps,
    ingredients_of,
    name_adopted,
    name_own,
    stale_mixtures,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def collection(name: str, *languages: str) -> CorpusConfig:
    reader = {"layout": "folder", "path": f"/{name}/{{language}}"}
    values = {"name": name, "kind": "labelled_speech", "languages": languages, "reader": reader}
    return CorpusConfig.model_validate(values)


def mixture(*languages: str, transcribe: Sequence[str] = ()) -> CorpusConfig:
    values = {
        "name": "all", "kind": "mixture", "languages": languages, "members": ["a", "b"],
        "transcribe": transcribe,
    }  # fmt: skip
    return CorpusConfig.model_validate(values)


CONFIGS = {
    "a": collection("a", "en", "de"),
    "b": collection("b", "en"),
    "all": mixture("en", "de", "mul"),
}


def at(stage: str = "training_examples", **minutes: int) -> dict[Ingredient, datetime]:
    return {
        Ingredient(stage, Partition(*key.split("_"))): START + timedelta(minutes=value)
        for key, value in minutes.items()
    }


def test_members_are_of_the_same_language_or_of_all() -> None:
    assert list(at(a_de=0)) == ingredients_of(Partition("all", "de"), CONFIGS)
    assert list(at(a_en=0, a_de=0, b_en=0)) == ingredients_of(Partition("all", "mul"), CONFIGS)


def test_what_is_only_transcribed_needs_no_examples() -> None:
    heard = CONFIGS | {"c": collection("c", "de"), "all": mixture("de", transcribe=["c"])}
    wanted = at(a_de=1) | at("transcripts", c_de=3)
    assert ingredients_of(Partition("all", "de"), heard) == list(wanted)
    assert stale_mixtures(heard, at(a_de=1)) == {}
    assert stale_mixtures(heard, wanted) == {Partition("all", "de"): START + timedelta(minutes=3)}
    assert stale_mixtures(heard, wanted | at(all_de=4)) == {}


def test_only_labelled_speech_is_transcribed() -> None:
    unlabelled = collection("c", "en").model_copy(update={"kind": "unlabelled_speech"})
    named = mixture("en", transcribe=["c", "d"])
    first, second = find_gaps(named, CONFIGS | {"c": unlabelled, "all": named})
    assert first == "transcribe: no corpus 'd' is registered or in these files"
    assert second == (
        "transcribe: c is unlabelled_speech: name corpora of the kind labelled_speech"
    )


def test_what_a_mixture_names_in_vain_is_told() -> None:
    assert find_gaps(CONFIGS["all"], CONFIGS) == []
    assert find_gaps(mixture("en", "fr"), CONFIGS) == ["languages: none of its members has fr"]
    (gap,) = find_gaps(mixture("en"), {"a": CONFIGS["a"]})
    assert gap == "members: no corpus 'b' is registered or in these files"
    scored = mixture("en").model_copy(update={"evaluate_on": ("aa",)})
    assert find_gaps(scored, CONFIGS)[0].endswith("did you mean `a`?")


def test_a_mixture_waits_for_all_of_its_members() -> None:
    stale = stale_mixtures(CONFIGS, at(a_en=1, a_de=2))
    assert set(stale) == {Partition("all", "de")}


def test_a_mixture_is_stale_when_a_member_is_newer() -> None:
    done = at(a_en=1, a_de=2, b_en=3, all_en=5, all_de=5, all_mul=5)
    assert stale_mixtures(CONFIGS, done) == {}
    newer = done | at(b_en=9)
    assert stale_mixtures(CONFIGS, newer) == {
        Partition("all", "en"): START + timedelta(minutes=9),
        Partition("all", "mul"): START + timedelta(minutes=9),
    }


def test_a_mixture_of_unregistered_corpora_is_left_alone() -> None:
    only = {name: config for name, config in CONFIGS.items() if name != "b"}
    assert stale_mixtures(only, at(a_en=1, a_de=1)) == {}


def test_an_example_keeps_its_own_name_in_a_mixture() -> None:
    own = {"source_corpus": "a", "source_language": "de", "corpus": "a", "language": "de"}
    name = "a/de/x"  # though it looks like a mixture's
    adopted = name_adopted(Partition("a", "de"), name)
    assert name_own({**own, "example_id": name}) == name
    assert name_own({**own, "corpus": "all", "example_id": adopted}) == name
