"""SALM and SALM-XATT, speech-augmented language models (arXiv 2310.09424 and 2406.19954; trained
on synthetic data: 2406.12946).

    recording -> speech encoder -> modality adapter -> linear -> audio embeddings
    SALM:      chat prompt, the audio embeddings at the placeholder -> LLM with LoRA -> answer
    SALM-XATT: chat prompt, whose embeddings look at the audio's -> LLM with LoRA -> answer

Letters in tensor shapes: B batch, T encoder frames, S audio embeddings, D encoder width, H LLM
width, L prompt (and answer) tokens, V vocabulary.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    DynamicCache,
    GenerationConfig,
    GenerationMixin,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import SAFE_WEIGHTS_NAME
from transformers.utils.hub import cached_file

from sdg_training.salm.adapters import ADAPTERS
from sdg_training.salm.batch_norm import find_batch_norms, still_statistics
from sdg_training.salm.configuration_salm import SALMConfig, encoder_strides, subsampled_length
from sdg_training.salm.cross_attention import CrossAttentionFusion, mask_of_lengths
from sdg_training.salm.group_norm import mask_group_norms

SELF_CONTAINED_BELOW = 100_000_000  # frozen parameters: 400 MB in float32
_DIGESTED = 16  # numbers of each weight
_LORA = "default"  # peft's name for an adapter that needs no name


class SALMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """Speech encoder, modality adapter and an LLM with LoRA, joined as ``config.fusion`` says.

    `SALMForConditionalGeneration(config)` has random weights;
    :meth:`from_encoder_llm_pretrained` starts from pretrained ones; `from_pretrained` reads what
    `save_pretrained` wrote.
    """

    config: SALMConfig
    config_class = SALMConfig
    base_model_prefix = "salm"
    main_input_name = "input_ids"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True

    def __init__(
        self,
        config: SALMConfig,
        encoder: PreTrainedModel | None = None,
        llm: PreTrainedModel | None = None,
    ) -> None:
        super().__init__(config)
        if encoder is None:
            encoder = speech_encoder(AutoModel.from_config(config.encoder_config))
        self.encoder = encoder
        self._group_norms = mask_group_norms(encoder)
        # What an encoder never trains, as Whisper's table of sines.
        self._fixed = {f"encoder.{n}" for n, w in encoder.named_parameters() if not w.requires_grad}
        self.llm = AutoModelForCausalLM.from_config(config.text_config) if llm is None else llm
        self._build_adapter()
        self.post_init()
        # After post_init, which would overwrite LoRA's zeros.
        if config.lora_rank:
            inject_adapter_in_model(lora_config(config), self.llm, _LORA)
        self._freeze()
        if config.self_contained is None:
            config.self_contained = self._count_frozen() < SELF_CONTAINED_BELOW
        if not config.self_contained and None in (
            config.encoder_name_or_path,
            config.text_name_or_path,
        ):
            raise ValueError(
                "a checkpoint without the frozen weights needs encoder_name_or_path and "
                "text_name_or_path; set them, or self_contained=True"
            )

    @classmethod
    def from_encoder_llm_pretrained(
        cls,
        encoder: str | Path,
        llm: str | Path,
        seed: int = 0,
        dtype: torch.dtype | str = "auto",
        **settings: Any,
    ) -> "SALMForConditionalGeneration":
        """Pretrained encoder and LLM, and a fresh adapter and LoRA made with ``seed``.

        Args:
            settings: fields of :class:`SALMConfig`.
        """
        speech = speech_encoder(AutoModel.from_pretrained(encoder, dtype=dtype))
        speech.config.apply_spec_augment = False  # it fails on short batches; see augment.py
        language = AutoModelForCausalLM.from_pretrained(llm, dtype=dtype)
        config = SALMConfig(
            encoder_config=speech.config.to_dict(),  # a copy: super().__init__ resets its attention
            text_config=language.config.to_dict(),
            encoder_name_or_path=_absolute(encoder),
            text_name_or_path=_absolute(llm),
            **settings,
        )
        model = cls(config, speech, language)
        model.generation_config = language.generation_config
        model.reset_trainable(seed)
        return model.eval()

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike, *args: Any, **kwargs: Any
    ) -> "SALMForConditionalGeneration":
        """As in transformers; frozen weights that the checkpoint lacks come from where it says."""
        path = pretrained_model_name_or_path
        config = kwargs.pop("config", None) or SALMConfig.from_pretrained(path)
        if config.self_contained:
            kwargs |= {"config": config, "output_loading_info": True}
            loaded: Any = super().from_pretrained(path, *args, **kwargs)
            model, missing = loaded[0], set(loaded[1]["missing_keys"])
        else:
            encoder = AutoModel.from_pretrained(str(config.encoder_name_or_path), **kwargs)
            llm = AutoModelForCausalLM.from_pretrained(str(config.text_name_or_path), **kwargs)
            model = cls(config, speech_encoder(encoder), llm).eval()
            model.generation_config = GenerationConfig.from_pretrained(path)
            weights = load_file(str(cached_file(path, SAFE_WEIGHTS_NAME)))
            # assign: trained weights keep their precision, whatever the frozen ones have.
            loaded = model.load_state_dict(weights, strict=False, assign=True)
            missing = set(loaded.missing_keys)
            missing -= model._frozen_keys()
        if missing:
            raise ValueError(
                f"the checkpoint {path} lacks {len(missing)} weights of the model that its "
                f"config.json describes, {min(missing)} for one: copy it again, whole"
            )
        if config.frozen_digest not in (None, model._digest_frozen(model.state_dict())):
            raise ValueError(
                f"the checkpoint {path} was trained with another encoder or LLM than "
                f"{config.encoder_name_or_path} and {config.text_name_or_path} are now, though of "
                "the same shapes: put those back, or train anew"
            )
        model._freeze()  # loading made every weight anew
        return model

    def save_pretrained(  # type: ignore[override]
        self,
        save_directory: str | os.PathLike,
        state_dict: dict[str, Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        """As in transformers, with the frozen weights or without (``config.self_contained``)."""
        weights = self.state_dict() if state_dict is None else state_dict
        self.config.frozen_digest = None
        if not self.config.self_contained:
            self.config.frozen_digest = self._digest_frozen(weights)
            weights = {key: weights[key] for key in weights.keys() - self._frozen_keys()}
        super().save_pretrained(save_directory, state_dict=weights, **kwargs)

    def reset_trainable(self, seed: int) -> None:
        """Makes adapter and LoRA anew: the same ``seed`` gives the same weights."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self._build_adapter()
            for module in self.llm.modules():
                if isinstance(module, LoraLayer):
                    module.reset_lora_parameters(_LORA, init_lora_weights=True)
        self.adapter.to(self.device, self.dtype)
        self.projector.to(self.device, self.dtype)
        if self.fusion is not None:
            self.fusion.to(self.device, self.dtype)

    @contextmanager
    def without_lora(self) -> Iterator[None]:
        """The LLM as it was pretrained, for as long as the context lasts."""
        layers = [module for module in self.llm.modules() if isinstance(module, LoraLayer)]
        for layer in layers:
            layer.enable_adapters(False)
        try:
            yield
        finally:
            for layer in layers:
                layer.enable_adapters(True)
            self._freeze()  # switching LoRA on makes more of it trainable than it was

    def merge_lora(self) -> None:
        """Adds LoRA's part to the LLM's own weights, in place: the same answers, and no peft."""
        for name, module in list(self.llm.named_modules()):
            if isinstance(module, LoraLayer):
                module.merge()
                parent, _, child = name.rpartition(".")
                setattr(self.llm.get_submodule(parent), child, module.get_base_layer())
        self.config.lora_rank = 0
        self.config.self_contained = True  # the LLM's weights are its own now
        self._freeze()

    def train(self, mode: bool = True) -> "SALMForConditionalGeneration":
        """As in torch; a frozen encoder stays without dropout and keeps its statistics.

        The Trainer asks for it at each update, which must not walk through all modules.
        """
        if mode and self.training and self.encoder.training != self.config.freeze_encoder:
            return self
        super().train(mode)
        if self.config.freeze_encoder:
            self.encoder.eval()
        return self

    def activation_checkpointing_enable(  # type: ignore[override]
        self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        """As in transformers; batch norms count what is computed twice once."""
        norms = find_batch_norms(self)
        own = {"context_fn": lambda: (nullcontext(), still_statistics(norms))}
        settings = {**(activation_checkpointing_kwargs or {}), "use_reentrant": False, **own}
        super().activation_checkpointing_enable(settings, **kwargs)

    def get_input_embeddings(self) -> nn.Module:
        return self.llm.get_input_embeddings()

    def get_output_embeddings(self) -> nn.Module:
        return self.llm.get_output_embeddings()

    def encode(self, input_features: Tensor, input_features_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The speech encoder alone; its frames can be kept while the encoder is frozen.

        Returns:
            encoder_states (B, T, D) and encoder_mask (B, T), true at real frames.
        """
        strides = encoder_strides(self.config.encoder_config)
        for norm in self._group_norms:  # HuBERT's, after the first of its convolutions
            norm.lengths = subsampled_length(input_features_mask.sum(-1), strides[:1])
        states = self.encoder(
            input_features.to(self.dtype), attention_mask=input_features_mask
        ).last_hidden_state
        lengths = subsampled_length(input_features_mask.sum(-1), strides)
        return states, mask_of_lengths(lengths, states.shape[1])

    def embed_audio(self, encoder_states: Tensor, encoder_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Audio embeddings (B, S, H), and a mask (B, S) that is true at real ones."""
        states = encoder_states.to(self.projector.weight.dtype)
        embeddings = self.projector(self.adapter(states, encoder_mask))
        return embeddings, mask_of_lengths(self._count_audio(encoder_mask), embeddings.shape[1])

    def embed_prompt(self, input_ids: Tensor, audio: Tensor | None) -> Tensor:
        """Token embeddings with ``audio``, (all recordings' S, H), at the placeholders: (B, L, H)

        Raises:
            ValueError: there are not as many placeholders as audio embeddings.
        """
        placeholders = input_ids == self.config.audio_token_id  # (B, L)
        text = self.get_input_embeddings()(input_ids.masked_fill(placeholders, 0))
        num_placeholders = int(placeholders.sum())
        num_embeddings = 0 if audio is None else len(audio)
        if num_placeholders != num_embeddings:
            raise ValueError(
                f"the prompts have {num_placeholders} audio placeholders, but the recordings make "
                f"{num_embeddings} audio embeddings: let SALMProcessor prepare both together"
            )
        if audio is None:
            return text
        return text.masked_scatter(placeholders[..., None], audio.to(text.dtype))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        input_features: Tensor | None = None,
        input_features_mask: Tensor | None = None,
        encoder_states: Tensor | None = None,
        encoder_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        use_cache: bool | None = None,
        unheard: bool = False,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """The LLM over text and audio.

        Args:
            input_ids: (B, L); for SALM with each recording's placeholder repeated once per audio
                embedding, for SALM-XATT with none.
            attention_mask: (B, L), 0 at padding, which may stand on either side.
            input_features, input_features_mask: features of the recordings. SALM takes them in the
                order of their placeholders, and prompts without audio have none, so there may be
                fewer than B; SALM-XATT takes one for each prompt, or none at all.
            encoder_states, encoder_mask: or the encoder's output (see :meth:`encode`).
            cache: keys and values of earlier tokens, and (SALM-XATT) of the speech.
            labels: (B, L), -100 wherever no loss is due.
            logits_to_keep: compute logits (and loss) for the last tokens only; 0: for all.
            unheard: the recordings are computed but have no effect. Processes that share a model
                (FSDP) must all run its every part, those with text alone too.
            kwargs: for the LLM; ``num_items_in_batch`` for the loss.
        """
        num_items = kwargs.pop("num_items_in_batch", None)
        if use_cache is None:
            use_cache = not self.training and bool(self.config.text_config.use_cache)
        if use_cache and cache is None:
            cache = DynamicCache(config=self.config.text_config)
        if inputs_embeds is None:
            with still_statistics(find_batch_norms(self) if unheard else []):
                if input_features is not None and input_features_mask is not None:
                    encoder_states, encoder_mask = self.encode(input_features, input_features_mask)
                if unheard:
                    inputs_embeds = self._fuse_nothing(input_ids, encoder_states, encoder_mask)
                else:
                    inputs_embeds = self._fuse(
                        input_ids, attention_mask, encoder_states, encoder_mask, cache
                    )
        if position_ids is None and attention_mask is not None and attention_mask.ndim == 2:
            position_ids = _count_positions(attention_mask)[:, -inputs_embeds.shape[1] :]
        output = self.llm(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            logits_to_keep=logits_to_keep,
            use_cache=use_cache,
            **kwargs,
        )  # logits (B, L or logits_to_keep, V)
        if labels is not None:
            output.loss = self.llm.loss_function(
                logits=output.logits,
                labels=labels[:, -output.logits.shape[1] :],
                vocab_size=output.logits.shape[-1],
                num_items_in_batch=num_items,
            )
        return output

    def _fuse(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        encoder_states: Tensor | None,
        encoder_mask: Tensor | None,
        cache: Cache | None,
    ) -> Tensor:
        """What enters the LLM: (B, L, H)"""
        assert input_ids is not None
        audio = mask = None
        if encoder_states is not None and encoder_mask is not None:
            audio, mask = self.embed_audio(encoder_states, encoder_mask)
        if self.fusion is None:
            return self.embed_prompt(input_ids, None if audio is None else audio[mask])
        text = self.embed_prompt(input_ids, None)
        if audio is None and (encoder_mask is None or not self.fusion.has_heard(cache)):
            return text  # a prompt without audio: the LLM reads it as it always did
        return self.fusion(text, attention_mask, audio, self._count_audio(encoder_mask), cache)

    def _fuse_nothing(
        self,
        input_ids: Tensor | None,
        encoder_states: Tensor | None,
        encoder_mask: Tensor | None,
    ) -> Tensor:
        """The text alone, after all parts of the model ran on one recording: (B, L, H)"""
        assert input_ids is not None
        assert encoder_states is not None
        assert encoder_mask is not None
        # In the order of :meth:`_fuse`: processes wait for each other at each part.
        audio, _ = self.embed_audio(encoder_states, encoder_mask)  # (1, S, H)
        text = self.embed_prompt(input_ids, None)
        nothing = audio.sum()
        if self.fusion is not None:
            lengths = self._count_audio(encoder_mask)
            nothing = nothing + self.fusion(text[:1], None, audio, lengths).sum()
        return text + 0.0 * nothing

    def _count_audio(self, encoder_mask: Tensor | None) -> Tensor:
        """Audio embeddings that a recording's encoder frames make: (B, T) -> (B,)"""
        assert encoder_mask is not None
        lengths: Tensor = subsampled_length(encoder_mask.sum(-1), self.config.adapter_strides)
        return lengths

    @torch.no_grad()
    def generate(self, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """As in transformers; a recording is encoded once, however many beams hear it."""
        features = kwargs.pop("input_features", None)
        features_mask = kwargs.pop("input_features_mask", None)
        if features is not None:
            states, mask = self.encode(features, features_mask)
            kwargs |= {"encoder_states": states, "encoder_mask": mask}
        return super().generate(*args, **kwargs)  # type: ignore[misc]

    def prepare_inputs_for_generation(  # type: ignore[override]
        self, input_ids: Tensor, is_first_iteration: bool = False, **kwargs: Any
    ) -> dict[str, Any]:
        """As in transformers; the audio enters with the prompt, and then lives in the cache."""
        if not is_first_iteration and kwargs.get("use_cache", True):
            kwargs["encoder_states"] = None
            if self.fusion is None:
                kwargs["encoder_mask"] = None  # a fusion needs it, to know the speech's padding
        return super().prepare_inputs_for_generation(  # type: ignore[misc]
            input_ids,  # type: ignore[arg-type]
            is_first_iteration=is_first_iteration,
            **kwargs,
        )

    def _build_adapter(self) -> None:
        config = self.config
        self.adapter: nn.Module = ADAPTERS[config.adapter_type](config)
        self.projector = nn.Linear(config.adapter_hidden_size, config.text_config.hidden_size)
        self.fusion = CrossAttentionFusion(config) if config.fusion == "cross_attention" else None

    def _freeze(self) -> None:
        for name, weight in self.named_parameters():
            weight.requires_grad_(not self._is_frozen(name))

    def _frozen_keys(self) -> set[str]:
        """The weights (and statistics) that training leaves as they were."""
        return {key for key in self.state_dict() if self._is_frozen(key)}

    def _digest_frozen(self, weights: Mapping[str, Tensor]) -> str:
        """Of a few numbers of each frozen weight, in whichever precision it was loaded."""
        digest = hashlib.sha256()
        for key in sorted(self._frozen_keys()):
            some = weights[key].detach().flatten()[:_DIGESTED].cpu()
            digest.update(f"{key} {tuple(weights[key].shape)}".encode())
            digest.update(some.to(torch.bfloat16).view(torch.int16).numpy().tobytes())
        return digest.hexdigest()

    def _is_frozen(self, key: str) -> bool:
        if key.startswith("llm."):
            return ".lora_" not in key
        return key in self._fixed or (key.startswith("encoder.") and self.config.freeze_encoder)

    def _count_frozen(self) -> int:
        return sum(weight.numel() for weight in self.parameters() if not weight.requires_grad)

    def _init_weights(self, module: nn.Module) -> None:
        """Adapter and projector are initialised where they are built."""


def speech_encoder(model: PreTrainedModel) -> PreTrainedModel:
    """The encoder in a speech recognition model, or the model itself where it is one."""
    encoder = getattr(model, "encoder", None)
    return encoder if isinstance(encoder, PreTrainedModel) else model


def _absolute(name: str | Path) -> str:
    """A folder wherever one stands; the name of a hub's model as it is."""
    return str(Path(name).resolve() if Path(name).exists() else name)


def lora_config(config: SALMConfig) -> LoraConfig:
    return LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=config.lora_targets,
        task_type="CAUSAL_LM",
    )


def _count_positions(attention_mask: Tensor) -> Tensor:
    """(B, L) -> (B, L): 0 at each row's first real token, wherever padding stands"""
    return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)
