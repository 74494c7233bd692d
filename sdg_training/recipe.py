"""How a speech LM is built and trained: settings alone, without torch, so they load fast."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sdg_training import tiny
from sdg_training.lineage import Lineage

_PLACEHOLDER = re.compile(r"\{\w*\}")
TINY = {"encoder": tiny.ENCODER, "llm": tiny.LLM}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AdapterRecipe(_Strict):
    """Between the speech encoder and the LLM."""

    type: Literal["conformer", "mlp"] = Field(
        default="mlp",
        description="conformer: as published; mlp: stacked frames through one hidden layer",
    )
    hidden_size: int = Field(default=512, ge=1, description="width of its layers")
    num_layers: int = Field(default=2, ge=1, description="conformer only")
    num_attention_heads: int = Field(default=8, ge=1, description="conformer only")
    intermediate_size: int = Field(default=2048, ge=1, description="conformer only")
    conv_kernel_size: int = Field(default=9, ge=1, description="conformer only; odd")
    subsampling_factor: int = Field(
        default=1,
        ge=1,
        description="encoder frames per audio embedding; a power of two for conformer",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _fit_conformer(self) -> Self:
        if self.type != "conformer":
            return self
        factor, width, heads = self.subsampling_factor, self.hidden_size, self.num_attention_heads
        if factor & (factor - 1):
            raise ValueError(
                f"subsampling_factor ({factor}) must be a power of two for the adapter conformer, "
                "each of whose convolutions halves: take 1, 2, 4 or 8, or the adapter mlp"
            )
        if width % 2 or width % heads:
            raise ValueError(
                f"hidden_size ({width}) must be even and a multiple of num_attention_heads "
                f"({heads}) for the adapter conformer"
            )
        if self.conv_kernel_size % 2 == 0:
            raise ValueError(f"conv_kernel_size ({self.conv_kernel_size}) must be odd")
        return self


class FusionRecipe(_Strict):
    """How speech meets text."""

    type: Literal["concat", "cross_attention"] = Field(
        default="concat",
        description="concat (SALM): audio embeddings in the prompt; cross_attention (SALM-XATT): "
        "text embeddings look at the speech before the LLM, whose input stays as long as the text",
    )
    hidden_size: int | None = Field(
        default=None, ge=1, description="cross_attention only; null: the LLM's width"
    )
    num_layers: int = Field(default=2, ge=1, description="cross_attention only; published: 2")
    num_attention_heads: int = Field(default=8, ge=1, description="cross_attention only")
    intermediate_size: int | None = Field(
        default=None,
        ge=1,
        description="cross_attention only; null: the hidden size, as NeMo has it",
    )
    rotary: bool = Field(
        default=False,
        description="cross_attention only; its self-attention knows the distance between tokens; "
        "published: it does not",
    )
    dropout: float = Field(default=0.0, ge=0, lt=1, description="cross_attention only")


class LoRARecipe(_Strict):
    """What is trained inside the frozen LLM; published: rank 32 on attention and MLP."""

    rank: int = Field(default=32, ge=0, description="0: the LLM is not adapted at all")
    alpha: int = Field(default=32, ge=1, description="its output is scaled by alpha / rank")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: str | list[str] = Field(
        default="all-linear",
        description="peft's target_modules; all-linear: attention and MLP of any LLM family",
    )


class TaskWeights(_Strict):
    """How often an epoch goes through the examples of each task; 0.5: half of them, at random."""

    qa: float = Field(default=1.0, ge=0, description="questions about recordings")
    asr: float = Field(
        default=0.0,
        ge=0,
        description="the recordings' own words, where they are known, as the paper mixes "
        "LibriSpeech in",
    )
    text: float = Field(
        default=0.0, ge=0, description="the same questions with the context as text"
    )

    @model_validator(mode="after")
    def _require_one(self) -> Self:
        if not (self.qa or self.asr or self.text):
            raise ValueError("at least one of qa, asr and text must be above 0")
        return self


class AugmentRecipe(_Strict):
    """How recordings are changed, each time in another way; see ``augment.py``."""

    share: float = Field(default=0.9, ge=0, le=1, description="of the recordings")
    speed: float = Field(default=0.1, ge=0, lt=0.5, description="faster or slower by at most this")
    tilt: float = Field(default=0.4, ge=0, lt=1, description="brighter or duller by at most this")
    min_snr: float = Field(default=10.0, description="noise: decibels below the recording")
    max_snr: float = Field(default=40.0, description="noise: decibels below the recording")
    masks: int = Field(default=2, ge=0, description="stretches of silence, up to 0.1 s, at most")
    gain: float = Field(default=6.0, ge=0, description="louder or softer by at most so many dB")


class EarlyStopping(_Strict):
    """Stop when ROUGE-L on validation examples no longer grows, and keep the best weights."""

    every: int = Field(default=200, ge=1, description="updates between two measurements")
    patience: int = Field(
        default=3, ge=1, description="measurements without a new best one before the end"
    )
    limit: int = Field(default=200, ge=1, description="validation examples, at most")


class Recipe(_Strict):
    """Everything but the data: the same recipe, data and machine give the same checkpoint."""

    encoder: str = Field(
        default="tiny", description="`tiny`, or the folder or hub name of a speech model"
    )
    llm: str = Field(default="tiny", description="`tiny`, or the folder or hub name of a causal LM")
    freeze_encoder: bool = Field(default=True, description="published: false")
    adapter: AdapterRecipe = AdapterRecipe()
    fusion: FusionRecipe = FusionRecipe()
    lora: LoRARecipe = LoRARecipe()
    user_message: str = Field(
        default="{audio}\n{question}", description="what the user says, with {audio} and {question}"
    )
    self_contained: bool | None = Field(
        default=None,
        description="checkpoints hold the frozen weights too; null: if they are under 100 million",
    )

    optimizer: Literal["adam", "adamw", "muon"] = Field(
        default="adamw",
        description="published: adam, where the decay is part of the gradient; muon: for matrices, "
        "with adamw for all else (learns attention in fewer updates; not with FSDP)",
    )
    learning_rate: float = Field(default=1e-3, gt=0, description="its peak; published: 1e-4")
    weight_decay: float = Field(default=1e-3, ge=0, description="published: 1e-3")
    warmup_share: float = Field(
        default=0.05, ge=0, le=1, description="of all steps; then a cosine to zero"
    )
    max_grad_norm: float = Field(default=1.0, gt=0, description="longer gradients are cut to this")
    epochs: int = Field(default=3, ge=1, description="published: 3")
    max_steps: int | None = Field(
        default=None, ge=1, description="stop earlier, after this many updates"
    )
    max_minutes: float | None = Field(
        default=None,
        gt=0,
        description="stop earlier, after this time; the losses then depend on the clock",
    )
    batch_size: int = Field(default=16, ge=1, description="examples per forward pass, at most")
    batch_tokens: int = Field(
        default=8192,
        ge=1,
        description="text tokens and audio embeddings per forward pass, with padding, at most",
    )
    accumulate: int = Field(
        default=1, ge=1, description="forward passes per update, over all processes together"
    )
    gradient_checkpointing: bool = Field(
        default=False, description="compute activations twice rather than keep them"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="auto: bfloat16 matrix products where the processor has them"
    )
    seed: int = 0
    early_stopping: EarlyStopping | None = None
    save_every: int = Field(
        default=500, ge=1, description="updates that a kill costs at most; see TrainConfig.work"
    )
    log_every: int = Field(default=1, ge=1, description="updates per point of the loss curve")

    tasks: TaskWeights = TaskWeights()
    augment: AugmentRecipe | None = Field(
        default=None, description="change the recordings each time; the encoder's cache is not used"
    )
    asr_question: str = Field(
        default="Transcribe the speech.", min_length=1, description="the question of the task asr"
    )
    max_audio_seconds: float = Field(default=60.0, gt=0, description="longer examples are skipped")
    max_tokens: int = Field(
        default=2048, ge=8, description="longer prompts and answers are skipped"
    )
    num_workers: int = Field(default=0, ge=0, description="processes that read and decode audio")
    cpu_threads: int | None = Field(
        default=None,
        ge=1,
        description="that torch shares an update's work among, on a CPU; null: as many as cores. A "
        "tiny model is faster with one",
    )
    cache_encoder: bool = Field(
        default=True,
        description="compute a frozen encoder's output once, and keep it for all epochs",
    )
    cache_gigabytes: float = Field(
        default=2.0, ge=0, description="of memory for it; the rest goes to a temporary file"
    )

    @field_validator("user_message")
    @classmethod
    def _require_placeholders(cls, message: str) -> str:
        if sorted(_PLACEHOLDER.findall(message)) != ["{audio}", "{question}"]:
            raise ValueError(
                f"{message!r} must have the placeholders {{audio}} and {{question}}, each once, "
                "and no other"
            )
        return message

    @model_validator(mode="after")
    def _save_what_was_looked_at(self) -> Self:
        """A loss that is no longer a number is found where it is logged: before it is saved."""
        every = self.early_stopping.every if self.early_stopping else self.save_every
        if every % self.log_every:
            raise ValueError(
                f"log_every ({self.log_every}) must divide what is saved at (every {every} updates)"
            )
        return self


class TrainConfig(_Strict):
    """One training run."""

    examples: str = Field(description="Parquet or Arrow file, or folder of Parquet files")
    blobs: str = Field(description="URL of the blob store that the examples' shards are in")
    output: Path = Field(description="folder of the new checkpoint; it must not exist yet")
    validation: str | None = Field(
        default=None, description="examples that early stopping measures, in the same blob store"
    )
    work: Path | None = Field(
        default=None,
        description="folder of states to go on from after a kill, and of TensorBoard files; null: "
        "beside the output",
    )
    recipe: Recipe = Recipe()
    lineage: Lineage | None = Field(
        default=None, description="where the examples came from, for the model card"
    )


def locate_model(part: Literal["encoder", "llm"], name: str) -> str:
    """The folder of an embedded tiny model, or ``name`` itself."""
    return str(TINY[part]) if name == "tiny" else name
