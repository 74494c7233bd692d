"""What a person can do about an item in quarantine, by the stage that refused it and its reason."""

from collections.abc import Mapping

_CALL = (
    "materialise the stage again, which asks only for what failed; where it fails again, look at "
    "the engine's settings in the profile"
)
_LISTED = {
    "not_utf8": "convert it to UTF-8",
    "duplicate_id": "give it an id of its own, or remove it",
    "no_language": "tag it, or write `{language}` into the reader's path where the files of each "
    "language lie apart",
    "no_split": "name it train, validation or test, or change `split.by` in the corpus's YAML file",
    "broken_json": "correct that line",
    "broken_row": "correct it",
}
_AUDIO = {
    "empty_file": "copy it again",
    "not_audio": "convert it to wav, flac, ogg, opus or mp3",
    "truncated_audio": "copy it again from where it is whole",
    "no_samples": "record it again, or correct the times of the segment",
    "non_finite_samples": "export it again, as 16-bit samples",
    "too_long": "cut it into segments, or raise the limit, `max_seconds` in the corpus's YAML file",
    "too_short": "join it with its neighbours, or lower `min_seconds` of the profile",
    "unreadable": "copy it again, or convert it to flac",
}
_TEXT = {
    "missing_text": "add its transcript, or register such files as unlabelled_speech by another "
    "name",
    "empty_text": "write what is said, or remove the recording",
    "unreadable_text": "copy the file again, and let it be read",
    "missing_audio": "put it there, or correct its path",
    "orphan_transcript": "add the recording, or remove the transcript",
    "name_mismatch": "rename the file, or correct `pattern` in the corpus's YAML file",
}
_QUESTIONS = {
    "empty_context": "write it, or remove its questions",
    "empty_question": "write it, or remove it",
    "empty_answer": "write it, or mark the question as one without an answer",
    "no_answer": "add one, or mark the question as one without an answer",
    "several_answers": "keep one of them",
    "answer_not_in_context": "correct the answer, or where it begins",
}
_FORM = "a few are no harm; of many, try other prompts or a larger LLM"
_VOICE = "listen to this voice: name others in `voices` where it is bad"
_STORED = "materialise the stage that stored it again"
_RECIPE = "cut the recording, or raise the limit in the recipe and train again"

_ASKED = {
    "too_long": "cut it into parts and ask about each, or use a checkpoint that was trained with a "
    "higher `max_audio_seconds` and whose encoder hears as much",
    "too_short": "give a longer recording: there is too little in it to be heard",
    "no_samples": "record it again",
}

REMEDIES: Mapping[str, Mapping[str, str]] = {
    "raw_audio": {**_LISTED, **_AUDIO, **_TEXT},
    "transcripts": {
        "transcript_gone": "materialise raw_audio again",
        "silent": "record it again, or remove it",
    },
    "text_qa": {**_LISTED, **_QUESTIONS},
    "generated_qa": {
        "not_json": _FORM,
        "malformed_json": _FORM,
        "truncated_json": "ask for fewer `pairs_per_context`, or let the LLM write more tokens",
        "wrong_type": _FORM,
        "missing_key": _FORM,
        "empty_text": _FORM,
        "invalid_unicode": _FORM,
    },
    "synthesized_speech": {
        "unspeakable": "remove the passage, or put it into its own language's corpus",
        "silent": _VOICE,
        "clipped": _VOICE,
        "too_short": _VOICE,
        "too_long": _VOICE,
    },
    "ask": {**_AUDIO, **_ASKED},  # the command `sdg ask`
    "rouge_l_scores": {
        "no_question": "leave it out of the evaluation set",
        "empty_question": "correct it in its corpus",
        "empty_answer": "correct it in its corpus",
        "placeholder_in_text": "remove the placeholder from its corpus",
        "audio_too_short": "leave it out of its corpus",
        "audio_too_long": _RECIPE,
        "too_many_tokens": _RECIPE,
        "no_token": "train with an LLM whose tokenizer knows this script",
        "missing_value": _STORED,
        "repeated_id": _STORED,
        "nothing_else_to_hear": "score a set with other recordings of its language as well",
        "missing_audio": _STORED,
        "unusable_samples": _STORED,
        "unreadable_audio": _STORED,
        "wrong_audio_format": _STORED,
        "wrong_audio_length": _STORED,
    },
}


def find_remedy(stage: str, reason: str) -> str:
    """A reason that no stage has of its own is an engine's failed call."""
    return REMEDIES.get(stage, {}).get(reason, _CALL)
