"""Small Piper voices of random weights: the real VITS of ``piper.train``, exported as it does."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from piper.train.vits.models import SynthesizerTrn
from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

SAMPLE_RATE = 16_000


class _Inference(torch.nn.Module):
    def __init__(self, vits: SynthesizerTrn) -> None:
        super().__init__()
        self.vits = vits

    def forward(self, text, lengths, scales, sid=None):
        audio = self.vits.infer(
            text,
            lengths,
            noise_scale=scales[0],
            length_scale=scales[1],
            noise_scale_w=scales[2],
            sid=sid,
        )[0]
        return audio.unsqueeze(1)


def _keep_bytes(model: bytes, _custom_opsets: Mapping[str, int]) -> bytes:
    return model


def make_vits(speakers: int, seed: int) -> _Inference:
    torch.manual_seed(seed)
    vits = SynthesizerTrn(
        n_vocab=256,
        spec_channels=65,
        segment_size=8,
        inter_channels=16,
        hidden_channels=16,
        filter_channels=32,
        n_heads=2,
        n_layers=1,
        kernel_size=3,
        p_dropout=0.0,
        resblock="2",
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 2),),
        upsample_rates=(8, 8),
        upsample_initial_channel=16,
        upsample_kernel_sizes=(16, 16),
        n_speakers=speakers,
        gin_channels=8 if speakers > 1 else 0,
    )
    vits.eval()
    with torch.no_grad():
        vits.dec.remove_weight_norm()
    return _Inference(vits)


def export_vits(model: _Inference, path: Path, speakers: int) -> None:
    sid = torch.tensor([0]) if speakers > 1 else None
    # It adds custom operators, which VITS has none of, but wants the onnx package for it.
    with patch.object(onnx_proto_utils, "_add_onnxscript_fn", _keep_bytes):
        torch.onnx.export(
            model,
            (torch.arange(50)[None], torch.tensor([50]), torch.tensor([0.667, 1.0, 0.8]), sid),
            path,
            dynamo=False,
            opset_version=15,
            input_names=["input", "input_lengths", "scales", "sid"],
            output_names=["output"],
            dynamic_axes={
                "input": {0: "batch_size", 1: "phonemes"},
                "input_lengths": {0: "batch_size"},
                "output": {0: "batch_size", 2: "time"},
            },
        )


def describe_voice(espeak_voice: str, speakers: int, **others: Any) -> dict[str, Any]:
    return {
        "audio": {"sample_rate": SAMPLE_RATE},
        "espeak": {"voice": espeak_voice},
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
        "num_symbols": 256,
        "num_speakers": speakers,
        **others,
    }


def write_json(path: Path, description: Mapping[str, Any]) -> None:
    path.with_name(f"{path.name}.json").write_text(json.dumps(description), encoding="utf-8")
