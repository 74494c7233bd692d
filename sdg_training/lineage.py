"""What a checkpoint was trained on, as it is told to a training run and kept beside the weights."""

from pydantic import BaseModel, ConfigDict, Field


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contamination(_Strict):
    """How much of one evaluation set the training examples have already shown."""

    examples: int = Field(description="of the evaluation set")
    recordings: int = Field(0, description="evaluation examples about a training recording")
    exact_contexts: int = Field(description="evaluation contexts that are training contexts")
    exact_answers: int = Field(description="evaluation answers that are training answers")
    ngram_contexts: float = Field(description="share of their 8-grams that are in training, 0..1")
    ngram_answers: float = Field(description="the same of answers long enough to have one")
    speakers: tuple[str, ...] = Field(description="who speaks in both")


class Lineage(_Strict):
    """Where the examples came from."""

    checkpoint_id: str
    corpus: str
    language: str
    snapshot: int = Field(description="version of the lake that the examples were read at")
    run_id: str
    code_version: str
    contamination: dict[str, Contamination] = Field(
        default_factory=dict, description="by evaluation set, as it was when training began"
    )
