"""How long sequences become, against the encoders themselves; the configuration's round trip."""

from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModel,
    BloomConfig,
    GPT2Config,
    HubertConfig,
    LlamaConfig,
    ParakeetEncoderConfig,
    PreTrainedConfig,
    Wav2Vec2BertConfig,
    Wav2Vec2Config,
    WhisperConfig,
)

from sdg_training.salm import SALMConfig
from sdg_training.salm.configuration_salm import encoder_strides, subsampled_length
from sdg_training.salm.modeling_salm import ADAPTERS, speech_encoder

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
ENCODERS: dict[str, tuple[PreTrainedConfig, tuple[int, ...], int]] = {
    # the encoder, the shape of its features, and which axis of them is time
    "parakeet": (ParakeetEncoderConfig(**SMALL, num_mel_bins=16), (1, 0, 16), 1),
    "parakeet-4x": (
        ParakeetEncoderConfig(**SMALL, num_mel_bins=16, subsampling_factor=4),
        (1, 0, 16),
        1,
    ),
    "hubert": (HubertConfig(**SMALL, intermediate_size=32), (1, 0), 1),
    "wav2vec2-bert": (Wav2Vec2BertConfig(**SMALL, intermediate_size=32), (1, 0, 160), 1),
}


@pytest.mark.parametrize("family", ENCODERS)
def test_lengths_are_those_of_the_encoder(family: str) -> None:
    config, shape, axis = ENCODERS[family]
    encoder = speech_encoder(AutoModel.from_config(config)).eval()
    for length in (800, 807, 1023) if family == "hubert" else (17, 24, 41):
        features = torch.zeros([length if size == 0 else size for size in shape])
        states = encoder(features).last_hidden_state
        assert states.shape[axis] == subsampled_length(length, encoder_strides(config))


def test_whisper_halves_its_frames() -> None:
    config = WhisperConfig(
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        max_source_positions=50,
    )
    states = speech_encoder(AutoModel.from_config(config))(torch.zeros(1, 80, 100))
    assert states.last_hidden_state.shape[1] == subsampled_length(100, encoder_strides(config))


@pytest.mark.parametrize("adapter_type", ["conformer", "mlp"])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_lengths_are_those_of_the_adapter(adapter_type: str, factor: int) -> None:
    config = SALMConfig(
        encoder_config=ENCODERS["parakeet"][0],
        adapter_type=adapter_type,
        adapter_hidden_size=16,
        adapter_num_attention_heads=2,
        adapter_intermediate_size=16,
        adapter_subsampling_factor=factor,
    )
    adapter = ADAPTERS[adapter_type](config).eval()
    for length in (1, 7, 8, 13):
        embeddings = adapter(torch.randn(1, length, 32), torch.ones(1, length, dtype=torch.bool))
        assert embeddings.shape == (1, subsampled_length(length, config.adapter_strides), 16)


def test_an_unknown_encoder_is_named() -> None:
    with pytest.raises(ValueError, match=r"wav2vec2.* is not supported; use one of .*whisper"):
        encoder_strides(Wav2Vec2Config())


def test_round_trip(tmp_path: Path) -> None:
    config = SALMConfig(
        encoder_config=ENCODERS["hubert"][0],
        text_config=LlamaConfig(hidden_size=64),
        lora_targets=["q_proj", "up_proj"],
        adapter_type="mlp",
    )
    config.save_pretrained(tmp_path)
    loaded = SALMConfig.from_pretrained(tmp_path)
    assert isinstance(loaded.encoder_config, HubertConfig)
    assert loaded.text_config.hidden_size == loaded.get_text_config().hidden_size == 64
    assert (loaded.lora_targets, loaded.adapter_type) == (["q_proj", "up_proj"], "mlp")


def test_a_wrong_value_is_refused() -> None:
    with pytest.raises(Exception, match="adapter_type"):
        SALMConfig(adapter_type="qformer")


def test_a_conformer_subsamples_by_powers_of_two() -> None:
    with pytest.raises(Exception, match="adapter_subsampling_factor=3 must be a power of two"):
        SALMConfig(adapter_type="conformer", adapter_subsampling_factor=3)
    assert SALMConfig(adapter_type="mlp", adapter_subsampling_factor=3).adapter_strides == [
        (3, 3, 2)
    ]


def test_positions_are_the_llm_s() -> None:
    assert SALMConfig(text_config=GPT2Config(n_positions=77)).num_positions == 77
    assert SALMConfig(text_config=BloomConfig()).num_positions > 10**9  # it needs none
