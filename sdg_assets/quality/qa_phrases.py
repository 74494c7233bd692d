"""What questions and answers say in many languages that no rule can derive.

Written as :func:`sdg_assets.quality.text.normalise` leaves them. Every list is tried on every
language: a model that was asked in Hindi may well refuse in English.
"""

import regex

from sdg_assets.quality.text import delimit_words, words

# Longer ones first: "jī hān" before "hān".
_YES_OR_NO = sorted(
    (
        words(phrase)
        for phrase in (
            *("yes", "no", "ja", "nein", "nee", "nej", "nei", "oui", "si", "non", "sí", "sì"),
            *("sim", "não", "da", "nu", "tak", "nie", "ano", "ne", "igen", "nem", "kyllä", "ei"),
            *("evet", "hayır", "да", "нет", "так", "ні", "не", "ναι", "όχι", "نعم", "لا", "بله"),
            *("نه", "خیر", "ہاں", "نہیں", "جی ہاں", "כן", "לא", "हाँ", "हां", "जी हाँ", "जी हां"),
            *("नहीं", "जी नहीं", "হ্যাঁ", "না", "ஆம்", "இல்லை", "是", "是的", "不是", "不", "对"),
            *("不对", "對", "有", "没有", "沒有", "会", "不会", "可以", "不可以", "はい", "いいえ"),
            *("네", "예", "아니요", "아니오", "ใช่", "ไม่ใช่", "ไม่", "có", "không", "vâng", "ya"),
            *("tidak", "bukan", "ndiyo", "hapana"),
        )
    ),
    key=len,
    reverse=True,
)

_REFUSALS = tuple(
    delimit_words(phrase)
    for phrase in (
        "not mentioned",
        "not stated",
        "not specified",
        "not provided",
        "not given",
        "not answered",
        "no information",
        "no answer",
        "does not say",
        "doesn't say",
        "does not mention",
        "doesn't mention",
        "cannot be determined",
        "cannot answer",
        "can't answer",
        "could not find the answer",
        "nicht erwähnt",
        "nicht genannt",
        "nicht angegeben",
        "keine information",
        "keine informationen",
        "keine angabe",
        "keine antwort",
        "no se menciona",
        "no se indica",
        "no se especifica",
        "no se dice",
        "no hay información",
        "n'est pas mentionné",
        "n'est pas mentionnée",
        "n'est pas précisé",
        "non mentionné",
        "pas d'information",
        "non è menzionato",
        "non viene menzionato",
        "non specificato",
        "não é mencionado",
        "não mencionado",
        "não há informação",
        "niet vermeld",
        "niet genoemd",
        "nie podano",
        "nie wspomniano",
        "не упоминается",
        "не указано",
        "не сказано",
        "нет информации",
        "belirtilmemiş",
        "belirtilmemiştir",
        "لم يذكر",
        "غير مذكور",
        "لا توجد معلومات",
        "उल्लेख नहीं",
        "जानकारी नहीं",
        "उत्तर नहीं",
        "未提及",
        "没有提到",
        "没有提及",
        "沒有提到",
        "未说明",
        "没有说明",
        "无法回答",
        "无法确定",
        "無法回答",
        "記載されていません",
        "言及されていません",
        "述べられていません",
        "わかりません",
        "언급되지 않았습니다",
        "알 수 없습니다",
        "không được đề cập",
        "tidak disebutkan",
        "haijatajwa",
    )
)

_MENTION_OF_TEXT = regex.compile(
    "|".join(
        (
            r"\b(?:according to|based on|in|from) (?:the|this) (?:given |above |provided )?"
            r"(?:text|transcript|transcription|passage|paragraph|article|excerpt|context)\b(?! of)",
            r"\b(?:the|this) (?:text|transcript|passage|paragraph|article|excerpt|context) "
            r"(?:say|state|mention|describe|discuss|explain|provide|suggest|imply|indicate|refer)",
            r"\b(?:laut|gemäß|nach|in|aus) (?:dem |der |diesem |dieser )?(?:obigen )?"
            r"(?:text|transkript|textabschnitt|absatz|textpassage|passage)\b",
            r"\bim (?:obigen )?(?:text|transkript|textabschnitt|absatz)\b",
            r"\b(?:según|de acuerdo con|en|basado en) (?:el|la|este|esta) "
            r"(?:texto|pasaje|transcripción|párrafo|fragmento)\b",
            r"\b(?:selon|d'après|dans) (?:le|la|ce|cette|cet) ?"
            r"(?:texte|passage|transcription|paragraphe|extrait)\b|\b(?:selon|dans) l'extrait\b",
            r"\b(?:secondo (?:il|la)|nel|nella) (?:testo|brano|trascrizione|paragrafo)\b",
            r"\b(?:segundo [oa]|de acordo com [oa]|n[oa]) (?:texto|trecho|passagem|transcrição)\b",
            r"\b(?:volgens|in) (?:de|het) (?:tekst|passage|transcript|transcriptie|alinea)\b",
            r"\b(?:według|w) (?:tekstu|tekście|fragmentu|fragmencie|transkrypcji)\b",
            r"\b(?:согласно|в|из) (?:тексту|тексте|текста|отрывку|отрывке|абзаце|расшифровке)\b",
            r"\b(?:metne|metinde|parçaya|parçada|paragrafa)\b",
            r"\b(?:theo|trong) (?:đoạn văn|văn bản|bài viết)\b",
            r"\b(?:menurut|dalam|berdasarkan) (?:teks|paragraf|bacaan)\b",
            r"\b(?:وفقا|طبقا|استنادا|حسب|بحسب|في) (?:ل?لنص|إلى النص|النص|للفقرة|الفقرة|المقطع)\b",
            r"(?<!\p{L})(?:पाठ|गद्यांश|अनुच्छेद|प्रतिलेख) (?:के अनुसार|के मुताबिक|में)",
            r"(?:根据|依据|按照|根據)(?:上述|以上|这段|该|本|给定的?)?"
            r"(?:文本|文章|短文|段落|原文|上文|转录|转写|文字|这段话)",
            r"(?:文章|文本|短文|段落|原文|上文)中|本文|文中提",
            r"(?:本文|文章|テキスト|段落|書き起こし)(?:によると|によれば|では|の中)",
            r"(?:본문|지문|텍스트|문단)(?:에 따르면|에서|에 의하면)",
        )
    )
)


def strip_yes_or_no(answer: str) -> str:
    """A normalised answer without the yes or no that it begins with.

    >>> strip_yes_or_no("yes in paris"), strip_yes_or_no("nein"), strip_yes_or_no("nobody")
    ('in paris', '', 'nobody')
    """
    units = words(answer)
    for phrase in _YES_OR_NO:
        if units[: len(phrase)] == phrase:
            return " ".join(units[len(phrase) :])
    return answer


def is_refusal(answer: str) -> bool:
    """Whether a normalised answer says that there is none."""
    delimited = delimit_words(answer)
    return any(phrase in delimited for phrase in _REFUSALS)


def mentions_text(question: str) -> bool:
    """Whether a normalised question speaks of a text, where the listener has only a voice."""
    return _MENTION_OF_TEXT.search(question) is not None
