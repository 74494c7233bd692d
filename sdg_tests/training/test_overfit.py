"""Every fusion with every family of encoders and two of LLMs can learn what is only heard."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    Qwen2Config,
    SeamlessM4TFeatureExtractor,
    Wav2Vec2BertConfig,
    Wav2Vec2BertModel,
    Wav2Vec2FeatureExtractor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperModel,
)

from sdg_tests.training.dummies import (
    ANSWERS,
    build_parakeet,
    encode_flac,
    noise,
    save_llm,
    write_examples,
)
from sdg_training.evaluate import score
from sdg_training.recipe import Recipe, TrainConfig
from sdg_training.train import train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
HUBERT = {"conv_dim": (32,) * 7, "conv_bias": True, "num_conv_pos_embeddings": 16}
WHISPER = {
    "d_model": 32, "encoder_layers": 2, "encoder_attention_heads": 4, "encoder_ffn_dim": 64,
    "decoder_layers": 1, "decoder_attention_heads": 4, "decoder_ffn_dim": 32, "vocab_size": 50,
    "num_mel_bins": 40, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 1, "init_std": 0.2, "max_source_positions": 100,
}  # fmt: skip
ENCODERS = {
    "parakeet": build_parakeet,
    "whisper": lambda: (
        WhisperModel(WhisperConfig(**WHISPER)),
        WhisperFeatureExtractor(feature_size=40, chunk_length=2),
    ),
    "wav2vec2-bert": lambda: (
        Wav2Vec2BertModel(Wav2Vec2BertConfig(**SIZES, intermediate_size=64, initializer_range=0.2)),
        SeamlessM4TFeatureExtractor(),
    ),
    "hubert": lambda: (
        HubertModel(HubertConfig(**SIZES, **HUBERT, intermediate_size=64, initializer_range=0.2)),
        Wav2Vec2FeatureExtractor(return_attention_mask=True),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llm(Qwen2Config, tmp_path_factory.mktemp("qwen"))


@pytest.fixture(scope="module", params=list(ENCODERS))
def any_encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(2)
    for part in ENCODERS[request.param]():
        part.save_pretrained(folder)
    return folder


@pytest.fixture
def examples(tmp_path: Path) -> pa.Table:
    """Eight noises and what each of them is called."""
    recordings = [encode_flac(noise(1.0, seed)) for seed in range(8)]
    return write_examples(tmp_path, recordings, [{"answer": answer} for answer in ANSWERS])


@pytest.mark.parametrize("fusion", ["concat", "cross_attention"])
@pytest.mark.parametrize("llm_family", ["llama", "qwen"])
def test_eight_examples_are_learnt_by_heart(
    tmp_path: Path,
    examples: pa.Table,
    any_encoder: Path,
    llm: Path,
    qwen: Path,
    llm_family: str,
    fusion: str,
) -> None:
    pq.write_table(examples, tmp_path / "examples.parquet")
    recipe = Recipe.model_validate(
        {
            "encoder": str(any_encoder),
            "llm": str({"llama": llm, "qwen": qwen}[llm_family]),
            "adapter": {"hidden_size": 64},
            "fusion": {"type": fusion, "num_attention_heads": 4},
            "lora": {"rank": 8},
            "epochs": 150,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "precision": "float32",
            "self_contained": True,
        }
    )
    config = TrainConfig(
        examples=str(tmp_path / "examples.parquet"),
        blobs=f"file://{tmp_path}",
        output=tmp_path / "out",
        recipe=recipe,
    )
    result = train(config)
    scores = score(result.checkpoint, examples, str(tmp_path), ["trained", "audio_removed"])
    assert scores.mean("trained") == 1.0, scores.table["prediction"].to_pylist()
    assert scores.mean("audio_removed") <= 0.35
