"""Which processors multiply in bfloat16: others imitate it, several times slower than float32."""

import torch


def has_bfloat16(*, on_cpu: bool) -> bool:
    if not on_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def wants_bfloat16(precision: str, *, on_cpu: bool) -> bool:
    """If it is asked for, or left open (``auto``) and the processor has it."""
    return has_bfloat16(on_cpu=on_cpu) if precision == "auto" else precision == "bfloat16"
