"""Text normalisation for speaking: from text as it is written to text that a TTS engine says well.

What was found with eSpeak NG, whose front end Piper shares: it reads numbers, fractions and
percentages by the rules of the language, so those stay. It spells out whatever sign it does not
know ("modifier letter left half ring"), says "slash" and "katakana middle dot", and in many
languages passes over currencies and degrees without a word.
"""

import html
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

import regex

from sdg_assets.quality.languages import base_language
from sdg_assets.quality.text import normalise

# What the editors of Wikipedia leave in brackets, in its larger languages.
_EDITORIAL = frozenset(
    normalise(mark, "und")
    for mark in (
        *("citation needed", "clarification needed", "verification needed", "update", "vague"),
        *("not in citation given", "better source needed", "dubious", "who?", "when?", "why?"),
        *("according to whom?", "original research?", "page needed", "edit", "sic", "by whom?"),
        *("which?", "where?", "failed verification", "full citation needed", "dead link"),
        *("unreliable source?", "disputed discuss"),
        *("Literaturangabe benötigt", "Quellenangabe erforderlich", "Bestätigung erforderlich"),
        *("nicht in angegebener Quelle enthalten", "Aktualisierung", "Erklärung nötig", "vage"),
        *("Beleg fehlt", "Bearbeiten", "cita requerida", "cita necesaria", "vaga"),
        *("se necesita una cita", "se requiere verificación", "se necesitan aclaraciones"),
        *("actualización", "no se proporciona cita", "réf. nécessaire", "référence nécessaire"),
        *("senza fonte", "carece de fontes", "bron?", "источник не указан", "potrzebny przypis"),
        *("kaynak belirtilmeli", "بحاجة لمصدر", "需要引证", "来源请求", "來源請求", "更新"),
        *("未提供引用", "要出典", "출처 필요", "उद्धरण वांछित", "सत्यापन की आवश्यकता", "अद्यतन"),
        *("अधतन", "अस्पष्ट", "स्पष्टीकरण की जरूरत है", "cần dẫn nguồn", "butuh rujukan"),
    )
)

# Signs that eSpeak NG passes over in these languages; in the others it reads them.
_SIGN_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "ar": {"%": "بالمئة", "=": "يساوي", "°C": "درجة مئوية", "°": "درجة", "×": "ضرب"},
        "es": {"¥": "yenes", "₹": "rupias", "×": "por", "÷": "entre"},
        "fa": {"€": "یورو", "£": "پوند", "¥": "ین", "₹": "روپیه", "°": "درجه"},
        "hi": {
            **{"€": "यूरो", "£": "पाउंड", "¥": "येन", "₹": "रुपये"},
            **{"°C": "डिग्री सेल्सियस", "°": "डिग्री", "×": "गुणा", "÷": "भाग"},
        },
        "id": {
            **{"€": "euro", "¥": "yen", "₹": "rupee"},
            **{"°C": "derajat Celsius", "°": "derajat", "×": "kali", "÷": "bagi"},
        },
        "ja": {
            **{"€": "ユーロ", "$": "ドル", "£": "ポンド", "¥": "円", "₹": "ルピー"},
            **{"°C": "度", "°": "度", "×": "かける", "÷": "わる"},
        },
        "ko": {
            **{"€": "유로", "$": "달러", "£": "파운드", "¥": "엔", "₹": "루피"},
            **{"°C": "도", "°": "도", "×": "곱하기", "÷": "나누기"},
        },
        "ru": {
            **{"€": "евро", "£": "фунтов", "¥": "иен", "₹": "рупий"},
            **{"°C": "градусов Цельсия", "°": "градусов", "×": "умножить на"},
        },
        "tr": {"£": "sterlin", "¥": "yen", "₹": "rupi", "×": "çarpı", "÷": "bölü"},
        "vi": {
            **{"€": "euro", "£": "bảng", "¥": "yên", "₹": "rupee"},
            **{"°C": "độ C", "°": "độ", "×": "nhân", "÷": "chia"},
        },
        "zh": {
            **{"€": "欧元", "$": "美元", "£": "英镑", "¥": "元", "₹": "卢比"},
            **{"°C": "摄氏度", "°F": "华氏度", "°": "度", "×": "乘以", "÷": "除以"},
        },
    }
)

# A sign before its number is said after it: "$5" is five dollars.
_AMOUNT = regex.compile(
    r"(\p{Sc})\s?((?:\p{Nd}++[.,]?)+(?<=\p{Nd})"
    r"(?:\s?(?:[百千万萬亿億兆만억조]+|[mb]illion|[मब]िलियन|लाख|करोड़|миллион\p{L}*|миллиард\p{L}*))?)"
)

_MAX_PASSES = 8  # most text needs one, and one more to see that nothing changes

_URL = regex.compile(
    r"(?:https?://|\bwww\.)[^\s<>\"()\[\]（）「」，。]+(?<![.,;:!?])", regex.IGNORECASE
)
_URL_FRAME = regex.compile(r"^(?:https?://)?(?:www\.)?|[?#].*$", regex.IGNORECASE)
_PAGES = r":\p{Nd}++(?:[,:–-]\p{Nd}++)*+"  # of a citation: ":121,154"
_BRACKETED = regex.compile(rf"[\[［]([^\[\]［］]*)[\]］]({_PAGES})?")
_NOTE = regex.compile(
    r"\s*(?:[a-z]|(?:note|nb|n)?\s*\p{Nd}{1,3}(?:\s*[,–-]\s*\p{Nd}{1,3})*)\s*", regex.IGNORECASE
)
_FULL_WIDTH = regex.compile(r"[Ａ-Ｚａ-ｚ０-９％＆＋＝＠＄＃－／｡-ﾟ]+")  # half-width kana, too

_Step = tuple[regex.Pattern[str], str]


def _compile(*steps: tuple[str, str]) -> tuple[_Step, ...]:
    return tuple((regex.compile(pattern), replacement) for pattern, replacement in steps)


_MARKUP = _compile(
    (r"(?s)<!--.*?-->|</?\p{L}[^<>\n]*>", " "),
    (r"!?\[([^\[\]]*)\]\([^()\s]*\)", r"\1"),  # Markdown links and images
    (r"(?m)^[ \t]*(?:#{1,6}|[*•-])[ \t]+", ""),  # headings and bullets
    (r"(?<=[\p{L}\p{M}\p{N}])\s*\n\s*\n\s*", ". "),  # a paragraph ends its last sentence
)
_NOTATION = _compile(
    (r"[/\[][^/\[\]\n]{0,60}[ˈˌː][^/\[\]\n]{0,60}[/\]]", " "),  # how a name is pronounced
    # A citation's mark is gone, its pages are left after a full stop that is no abbreviation's.
    (rf"(?<=(?:[\p{{L}}\p{{M}}]{{4}}\.|[!?…।。！？])[\"”’»」]?\s?){_PAGES}(?!\s?\p{{Nd}})", ""),
)
_SIGNS = _compile(
    (r"⁄", "/"),  # of fractions
    (r"[“”„‟«»〝〞＂「」『』《》〈〉]", '"'),
    (r"[‘’‚‛‹›`´]", "'"),
    (r"(?V1)[[\p{S}\p{Co}\p{Cn}\p{Cs}]--[+=×÷±°−\p{Sc}]]", " "),
    (r"[*_|\\§¶†‡•·‧・※′″\u20E3\uFE00-\uFE0F]|(?<!\p{L})#(?!\p{Nd})", " "),
    (r"[\u02B0-\u02BB\u02BD-\u02FF]", ""),  # modifier letters
    (r"(?<![\p{L}\p{M}])[\u200C\u200D]|[\u200C\u200D](?![\p{L}\p{M}])", ""),
    (r"(?V1)[\p{Cf}--[\u200C\u200D]]", ""),
    (r"[\s\p{Cc}]+", " "),
)
_PAUSES = _compile(
    (r"(?<=\p{L}{3})\((\p{L}{1,2})\)", r"\1"),  # member(s)
    (r"[\p{Ps}\p{Pe}]", ", "),
    (r"[‐‑－﹣]", "-"),
    (r"(?<=\p{Nd})[‒–—―](?=\p{Nd})", "–"),  # 1990–1995
    (r"(?<=\p{L})–(?=\p{L})", "-"),  # Mason–Dixon
    (r"(?<![\p{L}\p{M}\p{N}])-(?=\p{Nd})", "−"),
    (r"\s+-+\s+|[‒—―]+|(?<!\p{Nd})–+|–+(?!\p{Nd})", ", "),
    (r"…", "..."),
    (r"([!?！？])[!?！？.]+", r"\1"),
    # north/south, but not 180 km/hour
    (r"(?<=[\p{L}\p{M}]{2})(?<!\p{Nd}\s?[\p{L}\p{M}]{1,8})\s?/\s?(?=[\p{L}\p{M}]{2})", " "),
)
_SPACING = _compile(
    (r"\s+", " "),
    (r"\s+(?=[,.;:!?،؛؟۔。、，！？；：।])", ""),
    (r"(?<=[,.;:!?،؛؟۔。、，！？；：।]),+", ""),
    (r",+(?=[,.;:!?،؛؟۔。、，！？；：।])", ""),
    (r"[.。]{3,}\s*", "... "),
    (r"(?<!\.)\.\.(?!\.)", "."),
    (r"^[\s,;:.]+|[\s,;:]+$", ""),
)


def speakable(text: str, language: str) -> str:
    """The text as it should be spoken; empty where nothing in it can be.

    Citations, pronunciations and markup go, addresses become words, brackets and dashes become
    pauses, signs that cannot be said go. Words and numbers stay as they are. What is speakable
    stays as it is.

    >>> speakable("The <b>Normans</b> (Nortmanni)[12] came — late…", "en")
    'The Normans, Nortmanni, came, late...'
    """
    for _ in range(_MAX_PASSES):
        text, before = _clean(text, language), text
        if text == before:
            break
    return text


def _clean(text: str, language: str) -> str:
    text = unicodedata.normalize("NFC", html.unescape(_apply(_MARKUP, text)))
    text = _URL.sub(_spell_url, text)
    text = _BRACKETED.sub(_keep_content, _apply(_NOTATION, text))
    text = _FULL_WIDTH.sub(lambda wide: unicodedata.normalize("NFKC", wide[0]), text)
    words = _SIGN_WORDS.get(base_language(language), {})
    text = _AMOUNT.sub(lambda amount: _turn(amount, words), text)
    for sign, word in words.items():
        text = text.replace(sign, f" {word} ")
    text = _apply(_SIGNS + _PAUSES + _SPACING, text)
    return text if any(map(str.isalnum, text)) else ""


def _apply(steps: tuple[_Step, ...], text: str) -> str:
    for pattern, replacement in steps:
        text = pattern.sub(replacement, text)
    return text


def _turn(amount: regex.Match[str], words: Mapping[str, str]) -> str:
    return f"{amount[2]}{amount[1]}" if amount[1] in words else amount[0]


def _spell_url(url: regex.Match[str]) -> str:
    """Host and path as words: nobody says a query."""
    return " ".join(regex.findall(r"[\p{L}\p{M}\p{N}-]+", _URL_FRAME.sub("", url[0])))


def _keep_content(bracketed: regex.Match[str]) -> str:
    """What an editor inserted to be read stays, what he noted goes, with its pages."""
    noted = normalise(bracketed[1], "und") in _EDITORIAL or _NOTE.fullmatch(bracketed[1])
    return " " if noted else f" {bracketed[1]} {bracketed[2] or ''}"
