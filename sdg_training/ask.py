"""One question about one recording."""

import numpy as np
from numpy.typing import NDArray

from sdg_training.examples import Example, Skip
from sdg_training.generate import generate_answers
from sdg_training.recordings import SAMPLE_RATE, Sample
from sdg_training.salm import SALMForConditionalGeneration, SALMProcessor


def ask(
    model: SALMForConditionalGeneration,
    processor: SALMProcessor,
    audio: NDArray[np.float32],
    question: str,
    *,
    with_audio: bool = True,
    max_new_tokens: int = 64,
    num_beams: int = 1,
) -> str:
    """The model's answer.

    Args:
        audio: (samples,) mono, 16 kHz, -1..1.
        with_audio: False asks the same with nothing in the audio's stead.

    Raises:
        ValueError: the recording is longer than the encoder takes, the question holds the audio
            placeholder or is in a script that the LLM does not know, or both have no room in it.
    """
    seconds = len(audio) / SAMPLE_RATE
    if with_audio and seconds > processor.max_seconds:
        raise ValueError(
            f"a recording of {seconds:.2f} s is longer than the {processor.max_seconds:g} s that "
            "the encoder takes: cut it"
        )
    example = Example(
        example_id="asked",
        method="",
        source_corpus="",
        source_language="",
        speaker=None,
        context=None,
        question=question,
        answer="",
        shard="",
        byte_offset=0,
        byte_length=0,
        duration=seconds,
    )
    sample = Sample(example, audio=audio)
    contexts = None if with_audio else [""]
    [answer] = generate_answers(model, processor, [sample], max_new_tokens, contexts, num_beams)
    if isinstance(answer, Skip):
        raise ValueError(f"this cannot be asked: {answer.detail}")
    return answer
