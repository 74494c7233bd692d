"""What the rules need to know of a language: English name, scripts, whether words are spaced."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Language(NamedTuple):
    name: str
    scripts: tuple[str, ...]  # ISO 15924; as the Unicode property ``Script`` knows them


_LATIN = ("Latn",)
_CYRILLIC = ("Cyrl",)
_ARABIC = ("Arab",)
_DEVANAGARI = ("Deva",)
_CHINESE = ("Hani", "Bopo")

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "af": Language("Afrikaans", _LATIN),
        "am": Language("Amharic", ("Ethi",)),
        "ar": Language("Arabic", _ARABIC),
        "as": Language("Assamese", ("Beng",)),
        "az": Language("Azerbaijani", ("Latn", "Cyrl", "Arab")),
        "ba": Language("Bashkir", _CYRILLIC),
        "be": Language("Belarusian", _CYRILLIC),
        "bg": Language("Bulgarian", _CYRILLIC),
        "bn": Language("Bengali", ("Beng",)),
        "bo": Language("Tibetan", ("Tibt",)),
        "br": Language("Breton", _LATIN),
        "bs": Language("Bosnian", ("Latn", "Cyrl")),
        "ca": Language("Catalan", _LATIN),
        "ckb": Language("Central Kurdish", _ARABIC),
        "cs": Language("Czech", _LATIN),
        "cy": Language("Welsh", _LATIN),
        "da": Language("Danish", _LATIN),
        "de": Language("German", _LATIN),
        "dz": Language("Dzongkha", ("Tibt",)),
        "el": Language("Greek", ("Grek",)),
        "en": Language("English", _LATIN),
        "eo": Language("Esperanto", _LATIN),
        "es": Language("Spanish", _LATIN),
        "et": Language("Estonian", _LATIN),
        "eu": Language("Basque", _LATIN),
        "fa": Language("Persian", _ARABIC),
        "fi": Language("Finnish", _LATIN),
        "fo": Language("Faroese", _LATIN),
        "fr": Language("French", _LATIN),
        "ga": Language("Irish", _LATIN),
        "gl": Language("Galician", _LATIN),
        "gu": Language("Gujarati", ("Gujr",)),
        "ha": Language("Hausa", ("Latn", "Arab")),
        "haw": Language("Hawaiian", _LATIN),
        "he": Language("Hebrew", ("Hebr",)),
        "hi": Language("Hindi", _DEVANAGARI),
        "hr": Language("Croatian", _LATIN),
        "ht": Language("Haitian Creole", _LATIN),
        "hu": Language("Hungarian", _LATIN),
        "hy": Language("Armenian", ("Armn",)),
        "id": Language("Indonesian", _LATIN),
        "ig": Language("Igbo", _LATIN),
        "is": Language("Icelandic", _LATIN),
        "it": Language("Italian", _LATIN),
        "ja": Language("Japanese", ("Hani", "Hira", "Kana")),
        "jv": Language("Javanese", ("Latn", "Java")),
        "ka": Language("Georgian", ("Geor",)),
        "kk": Language("Kazakh", ("Cyrl", "Latn", "Arab")),
        "km": Language("Khmer", ("Khmr",)),
        "kn": Language("Kannada", ("Knda",)),
        "ko": Language("Korean", ("Hang", "Hani")),
        "ku": Language("Kurdish", ("Latn", "Arab")),
        "ky": Language("Kyrgyz", _CYRILLIC),
        "la": Language("Latin", _LATIN),
        "lb": Language("Luxembourgish", _LATIN),
        "lg": Language("Ganda", _LATIN),
        "ln": Language("Lingala", _LATIN),
        "lo": Language("Lao", ("Laoo",)),
        "lt": Language("Lithuanian", _LATIN),
        "lv": Language("Latvian", _LATIN),
        "mg": Language("Malagasy", _LATIN),
        "mi": Language("Maori", _LATIN),
        "mk": Language("Macedonian", _CYRILLIC),
        "ml": Language("Malayalam", ("Mlym",)),
        "mn": Language("Mongolian", ("Cyrl", "Mong")),
        "mr": Language("Marathi", _DEVANAGARI),
        "ms": Language("Malay", ("Latn", "Arab")),
        "mt": Language("Maltese", _LATIN),
        "my": Language("Burmese", ("Mymr",)),
        "nan": Language("Min Nan Chinese", ("Hani", "Latn")),
        "ne": Language("Nepali", _DEVANAGARI),
        "nl": Language("Dutch", _LATIN),
        "no": Language("Norwegian", _LATIN),
        "oc": Language("Occitan", _LATIN),
        "or": Language("Odia", ("Orya",)),
        "pa": Language("Punjabi", ("Guru", "Arab")),
        "pl": Language("Polish", _LATIN),
        "ps": Language("Pashto", _ARABIC),
        "pt": Language("Portuguese", _LATIN),
        "ro": Language("Romanian", _LATIN),
        "ru": Language("Russian", _CYRILLIC),
        "rw": Language("Kinyarwanda", _LATIN),
        "sa": Language("Sanskrit", _DEVANAGARI),
        "sd": Language("Sindhi", ("Arab", "Deva")),
        "si": Language("Sinhala", ("Sinh",)),
        "sk": Language("Slovak", _LATIN),
        "sl": Language("Slovenian", _LATIN),
        "sn": Language("Shona", _LATIN),
        "so": Language("Somali", _LATIN),
        "sq": Language("Albanian", _LATIN),
        "sr": Language("Serbian", ("Cyrl", "Latn")),
        "su": Language("Sundanese", _LATIN),
        "sv": Language("Swedish", _LATIN),
        "sw": Language("Swahili", _LATIN),
        "ta": Language("Tamil", ("Taml",)),
        "te": Language("Telugu", ("Telu",)),
        "tg": Language("Tajik", _CYRILLIC),
        "th": Language("Thai", ("Thai",)),
        "tk": Language("Turkmen", ("Latn", "Cyrl")),
        "tl": Language("Tagalog", _LATIN),
        "tr": Language("Turkish", _LATIN),
        "tt": Language("Tatar", _CYRILLIC),
        "ug": Language("Uyghur", _ARABIC),
        "uk": Language("Ukrainian", _CYRILLIC),
        "ur": Language("Urdu", _ARABIC),
        "uz": Language("Uzbek", ("Latn", "Cyrl")),
        "vi": Language("Vietnamese", _LATIN),
        "wo": Language("Wolof", _LATIN),
        "wuu": Language("Wu Chinese", _CHINESE),
        "xh": Language("Xhosa", _LATIN),
        "yi": Language("Yiddish", ("Hebr",)),
        "yo": Language("Yoruba", _LATIN),
        "yue": Language("Cantonese", _CHINESE),
        "zh": Language("Chinese", _CHINESE),
        "zu": Language("Zulu", _LATIN),
    }
)

UNSPACED_SCRIPTS = frozenset({"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr", "Tibt"})

_ALIASES = MappingProxyType(
    {
        "arb": "ar",
        "cmn": "zh",
        "fil": "tl",
        "in": "id",
        "iw": "he",
        "ji": "yi",
        "jw": "jv",  # Whisper's code
        "nb": "no",
        "nn": "no",
        "swh": "sw",
    }
)

_SCRIPT_SUBTAGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{script: (script,) for known in LANGUAGES.values() for script in known.scripts},
        "Hans": _CHINESE,
        "Hant": _CHINESE,
        "Jpan": ("Hani", "Hira", "Kana"),
        "Kore": ("Hang", "Hani"),
    }
)

# Language identification from audio confuses these, because speakers understand one another.
_SPOKEN_ALIKE = MappingProxyType({"bs": "sr", "hr": "sr", "ur": "hi", "ms": "id", "yue": "zh"})


def base_language(language: str) -> str:
    """The primary subtag of a BCP-47 tag, deprecated and Whisper's own codes replaced.

    >>> base_language("pt-BR"), base_language("jw"), base_language("nb-NO")
    ('pt', 'jv', 'no')
    """
    primary = language.lower().split("-")[0]
    return _ALIASES.get(primary, primary)


def language_name(language: str) -> str:
    """The English name for a prompt; the tag itself where the language is not in the table."""
    known = LANGUAGES.get(base_language(language))
    return known.name if known else language


def scripts_of(language: str) -> tuple[str, ...]:
    """The scripts that the language is written in; empty when unknown. A script subtag decides.

    >>> scripts_of("sr"), scripts_of("sr-Latn"), scripts_of("zh-Hant-TW")
    (('Cyrl', 'Latn'), ('Latn',), ('Hani', 'Bopo'))
    """
    for subtag in language.split("-")[1:]:
        if subtag.title() in _SCRIPT_SUBTAGS:
            return _SCRIPT_SUBTAGS[subtag.title()]
    known = LANGUAGES.get(base_language(language))
    return known.scripts if known else ()


def is_unspaced(language: str) -> bool:
    """Whether the language is usually written without spaces between its words."""
    scripts = scripts_of(language)
    return bool(scripts) and scripts[0] in UNSPACED_SCRIPTS


def sound_alike(one: str, other: str) -> bool:
    """Whether two tags name one language, or two that are hardly told apart by ear."""
    first, second = base_language(one), base_language(other)
    return _SPOKEN_ALIKE.get(first, first) == _SPOKEN_ALIKE.get(second, second)
