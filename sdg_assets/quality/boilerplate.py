"""Sentences that ASR models learned from subtitles, and write where nothing is said.

Written as :func:`sdg_assets.quality.text.normalise` leaves them.
"""

from sdg_assets.quality.text import delimit_words, normalise

# Credits of subtitles and transcripts: nobody says them, so one occurrence is enough.
_CREDITS = tuple(
    delimit_words(phrase)
    for phrase in (
        "amara org",
        "otter ai",
        "castingwords",
        "opensubtitles",
        "soustitreur com",
        "subtitles by",
        "captions by",
        "captioning by",
        "untertitelung des zdf",
        "untertitelung aufgrund der amara",
        "untertitel im auftrag des zdf",
        "untertitel von stephanie geiges",
        "sous titrage société radio canada",
        "sous titrage st 501",
        "sous titres réalisés par",
        "sous titres par",
        "subtítulos realizados por",
        "subtítulos por la comunidad",
        "subtitulado por",
        "legendas pela comunidade",
        "legendado por",
        "sottotitoli creati dalla comunità",
        "sottotitoli e revisione a cura di",
        "sottotitoli a cura di",
        "ondertitels ingediend door",
        "ondertiteld door",
        "tekstet av",
        "undertexter från",
        "undertexter av",
        "danske tekster af",
        "tekstityksen tuottaa",
        "napisy stworzone przez",
        "napisy wykonane przez",
        "titulky vytvořil",
        "feliratok készítette",
        "subtitrarea realizată",
        "altyazı m k",
        "субтитры сделал",
        "субтитры создавал",
        "субтитры подогнал",
        "редактор субтитров",
        "корректор а егорова",
        "субтитрування",
        "υπότιτλοι authorwave",
        "ترجمة نانسي قنقر",
        "字幕由",
        "字幕志愿者",
        "字幕志願者",
        "字幕提供",
        "字幕製作",
        "字幕制作",
        "字幕by",
        "한글자막",
        "자막 제공",
        "자막 by",
        "phụ đề được thực hiện bởi",
    )
)

# What people do say, at the end of videos: boilerplate when it is nearly all of the text.
_SIGN_OFFS = tuple(
    delimit_words(phrase)
    for phrase in (
        "thanks for watching",
        "thank you for watching",
        "thank you so much for watching",
        "thank you very much for watching",
        "please subscribe to my channel",
        "please subscribe",
        "like and subscribe",
        "don't forget to subscribe",
        "see you in the next video",
        "vielen dank fürs zuschauen",
        "danke fürs zuschauen",
        "bis zum nächsten mal",
        "merci d'avoir regardé",
        "n'oubliez pas de vous abonner",
        "abonnez vous",
        "gracias por ver el video",
        "gracias por ver el vídeo",
        "suscríbete al canal",
        "suscríbete",
        "obrigado por assistir",
        "inscreva se no canal",
        "grazie per aver guardato",
        "grazie per la visione",
        "iscriviti al canale",
        "bedankt voor het kijken",
        "tack för att ni tittade",
        "takk for at du så på",
        "tak fordi du så med",
        "kiitos kun katsoit",
        "dziękuję za oglądanie",
        "dzięki za oglądanie",
        "děkuji za pozornost",
        "köszönöm hogy megnézted",
        "mulțumesc pentru vizionare",
        "izlediğiniz için teşekkürler",
        "izlediğiniz için teşekkür ederim",
        "abone olmayı unutmayın",
        "спасибо за просмотр",
        "подписывайтесь на канал",
        "продолжение следует",
        "дякую за перегляд",
        "ευχαριστώ που παρακολουθήσατε",
        "اشتركوا في القناة",
        "شكرا على المشاهدة",
        "شكرا للمشاهدة",
        "תודה רבה על הצפייה",
        "از تماشای شما متشکرم",
        "देखने के लिए धन्यवाद",
        "चैनल को सब्सक्राइब करें",
        "ধন্যবাদ দেখার জন্য",
        "ご視聴ありがとうございました",
        "最後までご視聴いただきありがとうございます",
        "チャンネル登録をお願いいたします",
        "チャンネル登録よろしくお願いします",
        "谢谢观看",
        "感谢观看",
        "感谢收看",
        "感谢您的观看",
        "謝謝觀看",
        "感謝觀看",
        "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "多谢您的观看",
        "시청해주셔서 감사합니다",
        "시청해 주셔서 감사합니다",
        "구독과 좋아요 부탁드립니다",
        "ขอบคุณที่รับชม",
        "cảm ơn các bạn đã theo dõi",
        "hẹn gặp lại các bạn trong những video tiếp theo",
        "hãy subscribe cho kênh",
        "terima kasih telah menonton",
        "terima kasih kerana menonton",
        "asante kwa kutazama",
    )
)
_MOST = 0.6  # of the characters


def is_boilerplate(text: str, language: str) -> bool:
    """Whether a transcript is subtitle boilerplate in any language, not speech.

    All languages are tried: what is written over silence is often not in the audio's language.
    """
    delimited = delimit_words(normalise(text, language))
    if any(credit in delimited for credit in _CREDITS):
        return True
    most = _MOST * len(delimited)
    return any(
        phrase in delimited and delimited.count(phrase) * len(phrase) >= most
        for phrase in _SIGN_OFFS
    )
