"""The embedded tiny models: a small world, and an ASR model, an LM and an encoder that know it.

They are real checkpoints in the formats of the real ones, and work only in their small world.
``python -m sdg_training.tiny`` makes them anew.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
WHISPER = WEIGHTS / "whisper.pt"  # for whisper.load_model
LLM = WEIGHTS / "llm"  # for AutoModelForCausalLM and AutoTokenizer
ENCODER = WEIGHTS / "encoder"  # for ParakeetForCTC, ParakeetEncoder, AutoFeatureExtractor
