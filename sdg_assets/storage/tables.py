"""The lake's tables: one per asset, named after it, plus the call ledger and the quarantine.

This module is the single place where column names and types are written down.
Every table except ``model_calls`` is partitioned by ``corpus`` and ``language``.
"""

from collections.abc import Mapping
from types import MappingProxyType

import pyarrow as pa

from sdg_training.conditions import Condition, column_of

TEXTS = pa.list_(pa.string())

_PARTITION = [("corpus", pa.string()), ("language", pa.string())]

_AUDIO = [
    ("duration", pa.float64()),  # seconds of 16 kHz mono audio
    ("shard", pa.string()),  # blob key of the tar shard
    ("byte_offset", pa.int64()),  # of the FLAC bytes inside the shard
    ("byte_length", pa.int64()),
    ("audio_sha256", pa.string()),  # of the 16-bit 16 kHz mono samples
]

_ANSWER = [  # and how right it is, each 0..1
    ("prediction", pa.string()),
    ("rouge_l", pa.float64()),
    ("exact_match", pa.float64()),
    ("token_f1", pa.float64()),
    ("bleu", pa.float64()),
    ("in_context", pa.float64()),  # null where it is not known what the recording says
]


def _answer_under(condition: Condition) -> list[tuple[str, pa.DataType]]:
    return [(column_of(name, condition), data_type) for name, data_type in _ANSWER]


_SCHEMAS: dict[str, list[tuple[str, pa.DataType]]] = {
    "raw_audio": [
        *_PARTITION,
        ("utterance_id", pa.string()),
        ("speaker", pa.string()),
        ("split", pa.string()),
        *_AUDIO,
        ("level_dbfs", pa.float64()),  # RMS level
        ("peak", pa.float64()),  # 0..1
        ("silence_share", pa.float64()),  # share of 20 ms frames under -50 dBFS
        ("source_path", pa.string()),
        ("source_sha256", pa.string()),
        ("source_start", pa.float64()),  # seconds into the source file; null: its beginning
        ("source_seconds", pa.float64()),  # how much of it was asked for; null: up to its end
        ("source_rate", pa.int32()),
        ("source_channels", pa.int32()),
        ("source_format", pa.string()),
    ],
    "transcripts": [
        *_PARTITION,
        ("utterance_id", pa.string()),
        ("text", pa.string()),
        ("text_source", pa.string()),  # the file that the text was read from
    ],
    "pseudo_labels": [
        *_PARTITION,
        ("utterance_id", pa.string()),
        ("text", pa.string()),
        ("detected_language", pa.string()),
        ("avg_logprob", pa.float64()),
        ("no_speech_prob", pa.float64()),
        ("compression_ratio", pa.float64()),
        ("segments", pa.string()),  # JSON: per-segment times and confidence figures
        ("flags", TEXTS),  # why the label is not trusted; empty when it is
        ("trusted", pa.bool_()),
        ("error_rate", pa.float64()),  # against the corpus's own text where it has one, else null
        ("call_key", pa.string()),
    ],
    "text_qa": [
        *_PARTITION,
        ("qa_id", pa.string()),
        ("passage_id", pa.string()),
        ("split", pa.string()),
        ("context", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("answerable", pa.bool_()),
        ("source_path", pa.string()),
        ("source_sha256", pa.string()),
    ],
    "synthesized_speech": [
        *_PARTITION,
        ("passage_id", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        ("spoken_text", pa.string()),  # after text normalisation
        ("voice", pa.string()),
        *_AUDIO,
        ("level_dbfs", pa.float64()),
        ("peak", pa.float64()),
        ("silence_share", pa.float64()),
        ("call_key", pa.string()),
    ],
    "generated_qa": [
        *_PARTITION,
        ("qa_id", pa.string()),
        ("utterance_id", pa.string()),
        ("context_source", pa.string()),  # transcript | pseudo_label
        ("context", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("prompt_version", pa.string()),
        ("call_key", pa.string()),
    ],
    "filtered_qa": [
        *_PARTITION,
        ("qa_id", pa.string()),
        ("utterance_id", pa.string()),
        ("context_source", pa.string()),
        ("context", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("kept", pa.bool_()),
        ("reason", pa.string()),  # why it was dropped; null when kept
        ("verdict", pa.string()),  # the LLM's raw words; null where a rule decided first
        ("prompt_version", pa.string()),
        ("call_key", pa.string()),
    ],
    "training_examples": [
        *_PARTITION,
        ("example_id", pa.string()),
        ("method", pa.string()),  # tts | labelled | pseudo | asr: nothing is asked
        ("split", pa.string()),
        ("source_corpus", pa.string()),  # the member, where this partition is a mixture
        ("source_language", pa.string()),
        ("utterance_id", pa.string()),  # null for method tts
        ("passage_id", pa.string()),  # null for methods labelled and pseudo
        ("qa_id", pa.string()),
        ("speaker", pa.string()),  # or the synthetic voice
        ("context", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        *_AUDIO,
    ],
    "trained_checkpoints": [
        *_PARTITION,
        ("checkpoint_id", pa.string()),
        ("uri", pa.string()),
        ("data_snapshot", pa.int64()),
        ("examples", pa.int64()),
        ("audio_hours", pa.float64()),
        ("recipe", pa.string()),  # JSON
        ("composition", pa.string()),  # JSON: examples by method, corpus, language, speaker
        ("metrics", pa.string()),  # JSON: losses, seconds, examples per second
        ("code_version", pa.string()),
        ("trained_at", pa.timestamp("us", tz="UTC")),
    ],
    "rouge_l_scores": [
        *_PARTITION,
        ("checkpoint_id", pa.string()),
        ("num_beams", pa.int64()),
        ("evaluation_limit", pa.int64()),  # of examples, in each evaluation set; null: all
        ("eval_set", pa.string()),  # the corpus whose test split was asked
        ("eval_language", pa.string()),
        ("example_id", pa.string()),
        ("method", pa.string()),
        ("question", pa.string()),
        ("reference", pa.string()),
        ("asr_text", pa.string()),  # what the cascade reads
        *_ANSWER,
        *_answer_under("audio_removed"),
        *_answer_under("audio_shuffled"),  # null where no recording says something else
        *_answer_under("cascade"),
        *_answer_under("untrained"),
        ("contamination", TEXTS),  # what training has shown of it: context, speaker ...
    ],
    "quarantine": [
        *_PARTITION,
        ("stage", pa.string()),
        ("item_id", pa.string()),
        ("reason", pa.string()),  # a short stable code: "truncated_audio"
        ("detail", pa.string()),  # a sentence for a person
        ("source_path", pa.string()),
    ],
    "materializations": [  # one row per stage and partition: that it ran, and with what
        *_PARTITION,
        ("stage", pa.string()),
        ("rows", pa.int64()),
        ("seconds", pa.float64()),  # to build it; not to commit it
        ("read_version", pa.int64()),  # of the lake, at which it read its inputs
        ("configuration", pa.string()),  # JSON
        ("code_version", pa.string()),
        ("run_id", pa.string()),
        ("finished_at", pa.timestamp("us", tz="UTC")),
    ],
    "model_calls": [
        ("key", pa.string()),
        ("kind", pa.string()),  # asr | llm | tts
        ("engine", pa.string()),
        ("fingerprint", pa.string()),
        ("parameters", pa.string()),  # JSON: what the fingerprint is made of
        ("prompt_version", pa.string()),
        ("request", pa.string()),  # JSON
        ("response", pa.string()),  # JSON; null when the call failed
        ("error", pa.string()),  # null when it succeeded
        ("seconds", pa.float64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("audio_seconds", pa.float64()),
        ("cost", pa.float64()),
        ("stage", pa.string()),
        ("corpus", pa.string()),
        ("language", pa.string()),
        ("run_id", pa.string()),
        ("created_at", pa.timestamp("us", tz="UTC")),
    ],
}

TABLES: Mapping[str, pa.Schema] = MappingProxyType(
    {name: pa.schema(fields) for name, fields in _SCHEMAS.items()}
)

UNPARTITIONED = frozenset({"model_calls"})


def identity_column(table: str) -> str:
    """The column that names a row within its partition."""
    return TABLES[table].names[2]
