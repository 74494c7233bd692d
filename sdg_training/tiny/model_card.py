"""The model card of the tiny models, written from their measured figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdg_training.tiny.world import list_languages

_HEAD = """# The tiny models

Three small models that sdg ships so that its whole factory runs, learns and can be tested on a
laptop, with no model hub. **They work only in their small world**: made-up sentences about
shopping, travel and work in {languages}, spoken by eSpeak NG. They are no use for real speech or
real text, and none was trained on any.

- `whisper.pt`: ASR in openai-whisper's own format, for `whisper.load_model(path)`.
- `llm/`: an LM of the Llama architecture that writes, answers and judges questions, with its
  tokenizer and chat template.
- `encoder/`: a FastConformer (`ParakeetForCTC`) with a CTC head on the LM's own tokens, one frame
  each 80 ms, with its feature extractor. Its frames point where the LM's embeddings point, so an
  adapter between the two has little to learn.

**Data.** Passages of two or three sentences made from `sdg_training/tiny/languages/*.yaml`, each
with its questions and answers. A hash of each sentence decides whether it is for training or for
testing. They are spoken by eSpeak NG; the test voices have timbres that training never hears. All
of it is generated: no person's words or voice are in it.

**Made by** `python -m sdg_training.tiny` (seed {seed}), on two CPU cores.

**Limits.** The LM was never asked for the subject of a sentence, which it could not learn. Casing,
names, places, numbers and verbs outside the world's tables come out as the nearest thing inside
them. Whisper is unsure of real speech (mean `avg_logprob` of 25 clips of
LibriSpeech and a German reader: -0.23 to -0.62; for its own world see below), so a filter on that
rejects what the models do not know.

## Figures

On sentences (and, for speech, voices) that training did not see. Shares and error rates are 0 to 1.
"""


def write_model_card(output: Path, figures: Mapping[str, Any], seed: int) -> None:
    """Write ``MODEL_CARD.md`` from the figures of each part: its size, and those by language."""
    languages = ", ".join(list_languages())
    sections = [_HEAD.format(languages=languages, seed=seed)]
    sections += [_describe(part, measured) for part, measured in figures.items()]
    (output / "MODEL_CARD.md").write_text("\n".join(sections), encoding="utf-8")


def _describe(part: str, measured: Mapping[str, Any]) -> str:
    languages = [language for language in list_languages() if language in measured]
    names = list(measured[languages[0]])
    rows = [
        f"| {name} | {' | '.join(str(measured[x][name]) for x in languages)} |" for name in names
    ]
    return "\n".join(
        [
            f"### {part}",
            "",
            f"{measured['minutes']} minutes to make; {measured['megabytes']} MB; "
            f"{measured['parameters']:,} parameters.",
            "",
            f"| figure | {' | '.join(languages)} |",
            f"|---|{'---|' * len(languages)}",
            *rows,
            "",
        ]
    )
