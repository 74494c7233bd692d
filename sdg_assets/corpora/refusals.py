"""What the right answer is where the audio does not hold one. English is the paper's sentence."""

_REFUSALS = {
    "ar": "لم أتمكن من العثور على الإجابة في الصوت.",
    "bn": "আমি অডিওতে উত্তরটি খুঁজে পাইনি।",
    "cs": "Odpověď jsem ve zvuku nenašel.",
    "de": "Ich konnte die Antwort in der Aufnahme nicht finden.",
    "el": "Δεν μπόρεσα να βρω την απάντηση στον ήχο.",
    "en": "I could not find the answer in the audio.",
    "es": "No pude encontrar la respuesta en el audio.",
    "fa": "نتوانستم پاسخ را در صدا پیدا کنم.",
    "fr": "Je n'ai pas pu trouver la réponse dans l'audio.",
    "hi": "मुझे ऑडियो में उत्तर नहीं मिला।",
    "id": "Saya tidak dapat menemukan jawabannya dalam audio.",
    "it": "Non sono riuscito a trovare la risposta nell'audio.",
    "ja": "音声の中に答えが見つかりませんでした。",
    "ko": "오디오에서 답을 찾을 수 없었습니다.",
    "nl": "Ik kon het antwoord niet in de audio vinden.",
    "pl": "Nie udało mi się znaleźć odpowiedzi w nagraniu.",
    "pt": "Não consegui encontrar a resposta no áudio.",
    "ro": "Nu am putut găsi răspunsul în înregistrarea audio.",
    "ru": "Мне не удалось найти ответ в аудиозаписи.",
    "sv": "Jag kunde inte hitta svaret i ljudet.",
    "sw": "Sikuweza kupata jibu katika sauti.",
    "th": "ฉันไม่พบคำตอบในไฟล์เสียง",
    "tr": "Cevabı ses kaydında bulamadım.",
    "uk": "Мені не вдалося знайти відповідь в аудіозаписі.",
    "vi": "Tôi không tìm thấy câu trả lời trong đoạn âm thanh.",
    "zh": "我在音频中找不到答案。",
    "zh-hant": "我在音訊中找不到答案。",
    "zh-hk": "我在音訊中找不到答案。",
    "zh-tw": "我在音訊中找不到答案。",
}


def refusal(language: str) -> str:
    """The sentence of the longest part of the tag that has one; English where none has."""
    parts = language.lower().split("-")
    tags = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((_REFUSALS[tag] for tag in tags if tag in _REFUSALS), _REFUSALS["en"])
