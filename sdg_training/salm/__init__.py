"""SALM in transformers' conventions; importing this registers it with the Auto classes."""

from transformers import AutoConfig, AutoModel, AutoProcessor

from sdg_training.salm.configuration_salm import SALMConfig
from sdg_training.salm.modeling_salm import SALMForConditionalGeneration
from sdg_training.salm.processing_salm import SALMProcessor

__all__ = ["SALMConfig", "SALMForConditionalGeneration", "SALMProcessor"]

AutoConfig.register("salm", SALMConfig)
AutoModel.register(SALMConfig, SALMForConditionalGeneration)
AutoProcessor.register(SALMConfig, SALMProcessor)
