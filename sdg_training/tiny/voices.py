"""Who speaks in the tiny world: eSpeak voices, some kept for testing alone.

A voice is an accent, a timbre (eSpeak's variant), a pitch and a rate. No timbre of a test voice
is heard in training.
"""

import random
from dataclasses import replace
from functools import cache

from sdg_training.espeak import Voice
from sdg_training.tiny.world import Side

ACCENTS = {
    "de": ("de",),
    "en": ("en-us", "en-gb", "en-gb-x-rp", "en-us-nyc", "en-gb-scotland"),
    "es": ("es", "es-419"),
}
# Timbres that are clear to a listener: no whispers, robots or croaks.
TIMBRES: dict[Side, tuple[str, ...]] = {
    "train": (
        "m1", "m3", "m4", "m6", "m7", "f1", "f2", "f4", "f5", "Alex", "Alicia", "Andrea", "Gene",
        "Lee", "Michael", "adam", "belinda", "boris", "edward", "ian", "linda", "max", "norbert",
        "pablo", "robert", "shelby", "victor", "zac",
    ),
    "test": ("m2", "f3", "Diogo", "Annie", "john", "miguel", "quincy", "sandro", "Mike"),
}  # fmt: skip
PITCHES = (35, 42, 50, 58, 65)
RATES = (170, 185, 200, 215)
JITTER = 8  # of pitch and rate, in eSpeak's units


@cache
def list_voices(language: str, side: Side = "train") -> tuple[Voice, ...]:
    """The voices of a language: one for each timbre, accents, pitches and rates in turn."""
    accents = ACCENTS[language]
    return tuple(
        Voice(
            language=accents[index % len(accents)],
            variant=timbre,
            rate=RATES[index % len(RATES)],
            pitch=PITCHES[index % len(PITCHES)],
        )
        for index, timbre in enumerate(TIMBRES[side])
    )


def sample_voice(rng: random.Random, language: str, side: Side = "train") -> Voice:
    """One of the timbres with any accent, and a pitch and rate near the listed ones."""
    return replace(
        rng.choice(list_voices(language, side)),
        language=rng.choice(ACCENTS[language]),
        rate=rng.choice(RATES) + rng.randint(-JITTER, JITTER),
        pitch=rng.choice(PITCHES) + rng.randint(-JITTER, JITTER),
    )
