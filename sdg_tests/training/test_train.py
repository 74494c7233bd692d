"""A training run from a table to a checkpoint."""

import json
import math
import shutil
import string
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from pydantic import ValidationError
from tensorboardX.proto.event_pb2 import Event
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import (
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from sdg_tests.training.dummies import ANSWERS, byte_tokenizer, encode_flac, noise, write_examples
from sdg_training.checkpoint import CheckpointError, build_model, load_checkpoint, load_recipe
from sdg_training.evaluate import score
from sdg_training.examples import ExamplesError
from sdg_training.recipe import (
    EarlyStopping,
    FusionRecipe,
    LoRARecipe,
    Recipe,
    TaskWeights,
    TrainConfig,
)
from sdg_training.states import TrainingError
from sdg_training.train import TrainResult, load_config, train
from sdg_training.trainer import SALMTrainer, build_optimizer, keep_whole, schedule

FUSION = FusionRecipe(type="cross_attention", num_attention_heads=2)
ADAPTERS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden_size": 64},
    "conformer": {
        "type": "conformer",
        "hidden_size": 64,
        "num_attention_heads": 4,
        "intermediate_size": 128,
    },
}


@pytest.fixture
def examples(tmp_path: Path) -> pa.Table:
    """Eight noises and what each of them is called; only hearing helps."""
    recordings = [encode_flac(noise(1.0, seed)) for seed in range(8)]
    rows = [
        {"answer": answer, "question": ("what?", "was?")[number % 2]}
        for number, answer in enumerate(ANSWERS)
    ]
    return write_examples(tmp_path, recordings, rows)


@pytest.fixture
def recipe(encoder: Path, llm: Path) -> Recipe:
    return Recipe.model_validate(
        {
            "encoder": str(encoder),
            "llm": str(llm),
            "adapter": ADAPTERS["mlp"],
            "lora": {"rank": 8},
            "epochs": 4,
            "batch_size": 3,
            "learning_rate": 1e-2,
            "precision": "float32",
        }
    )


def run(
    folder: Path, table: pa.Table, recipe: Recipe, name: str = "out", **how: Any
) -> TrainResult:
    pq.write_table(table, folder / "examples.parquet")
    config = TrainConfig(
        examples=str(folder / "examples.parquet"),
        blobs=f"file://{folder}",
        output=folder / name,
        recipe=recipe.model_copy(update=how),
    )
    return train(config)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_eight_examples_are_learnt_by_heart_through_the_ear(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, adapter: str
) -> None:
    recipe = Recipe.model_validate({**recipe.model_dump(), "adapter": ADAPTERS[adapter]})
    rate = {"mlp": 1e-2, "conformer": 5e-3}[adapter]
    result = run(tmp_path, examples, recipe, epochs=120, batch_size=8, learning_rate=rate)
    assert result.metrics["final_loss"] < 0.3
    scores = score(result.checkpoint, examples, str(tmp_path))
    assert scores.mean("trained") == 1.0
    assert scores.mean("audio_removed") <= 0.35
    assert scores.mean("untrained") <= 0.35


def test_the_checkpoint_is_a_folder_with_all_that_is_known(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    result = run(tmp_path, examples, recipe)
    assert result.checkpoint == tmp_path / "out"
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics == result.metrics
    assert metrics["examples"] == 8
    assert metrics["audio_hours"] == pytest.approx(8 / 3600, abs=1e-4)
    assert metrics["updates"] == len(metrics["loss"]) == len(metrics["learning_rate"]) == 12
    assert metrics["skipped"] == {}
    assert metrics["examples_per_second"] > 0
    assert metrics["audio_hours_per_hour"] == pytest.approx(
        metrics["examples_per_second"], rel=0.05
    )
    assert 0 < metrics["trained_parameters"] < metrics["parameters"]
    assert load_recipe(tmp_path / "out") == recipe
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    model, processor = load_checkpoint(tmp_path / "out")
    assert model.config.audio_token_id == processor.audio_token_id


def test_the_seed_decides_everything(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    first, again, other = (
        run(tmp_path, examples, recipe, name, seed=seed)
        for name, seed in (("first", 1), ("again", 1), ("other", 2))
    )
    assert first.metrics["loss"] == again.metrics["loss"] != other.metrics["loss"]
    weights = [load_checkpoint(result.checkpoint)[0].state_dict() for result in (first, again)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[0])


def test_keeping_encoder_states_changes_nothing(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    kept = run(tmp_path, examples, recipe, "kept").metrics["loss"]
    spilt = run(tmp_path, examples, recipe, "spilt", cache_gigabytes=0.0).metrics["loss"]
    afresh = run(tmp_path, examples, recipe, "afresh", cache_encoder=False).metrics["loss"]
    assert kept == spilt
    assert kept == pytest.approx(afresh, rel=0.02)  # float16


def test_only_what_is_trained_changes(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    for freeze_encoder in (True, False):
        one = recipe.model_copy(update={"freeze_encoder": freeze_encoder})
        before = build_model(one)[0].state_dict()
        result = run(tmp_path, examples, one, f"frozen-{freeze_encoder}")
        after = load_checkpoint(result.checkpoint)[0].state_dict()
        changed = {name for name in before if not before[name].equal(after[name])}
        parts = {name.split(".")[0] for name in changed}
        assert parts == {"adapter", "projector", "llm", *([] if freeze_encoder else ["encoder"])}
        assert all(".lora_" in name for name in changed if name.startswith("llm."))


def test_bad_examples_are_skipped_and_counted(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    rows = examples.to_pylist()
    rows[1]["answer"] = ""
    rows[2]["byte_length"] = 40
    rows[3]["answer"] = "long " * 100
    table = pa.Table.from_pylist(rows)
    for cache_encoder in (True, False):
        result = run(
            tmp_path,
            table,
            recipe,
            f"cached-{cache_encoder}",
            cache_encoder=cache_encoder,
            max_tokens=200,
        )
        assert result.metrics["examples"] == 5
        assert result.metrics["skipped"] == {
            "empty_answer": 1,
            "unreadable_audio": 1,
            "too_many_tokens": 1,
        }
        assert result.metrics["audio_hours"] == pytest.approx(5 / 3600, abs=1e-4)


@pytest.fixture(scope="module")
def latin_llm(llm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The LLM with a tokenizer that knows Latin letters alone."""
    folder = tmp_path_factory.mktemp("latin") / "llm"
    shutil.copytree(llm, folder)
    known = ["<unk>", "</s>", "<audio>", *string.ascii_letters, *string.punctuation, " "]
    inner = Tokenizer(WordLevel({token: number for number, token in enumerate(known)}, "<unk>"))
    inner.pre_tokenizer = Split(Regex("."), "isolated")
    inner.decoder = Fuse()
    template = byte_tokenizer().chat_template
    PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="<unk>", eos_token="</s>", pad_token="</s>",
        chat_template=template,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_what_the_llm_has_no_tokens_for_is_skipped(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, latin_llm: Path
) -> None:
    recipe = recipe.model_copy(update={"llm": str(latin_llm)})
    result = run(tmp_path, examples, recipe)
    assert result.metrics["skipped"] == {"no_token": 4}
    assert result.metrics["examples"] == 4
    foreign = examples.filter(pc.is_in(examples["answer"], pa.array(ANSWERS[2:5])))
    with pytest.raises(ExamplesError, match=r"skipped 3 \(no_token\)"):
        run(tmp_path, foreign, recipe, "foreign")


def test_nothing_usable_is_an_error(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    unreadable = [row | {"shard": "absent.tar"} for row in examples.to_pylist()]
    with pytest.raises(ExamplesError, match=r"skipped 8 \(missing_audio\)"):
        run(tmp_path, pa.Table.from_pylist(unreadable), recipe)
    assert not (tmp_path / "out").exists()


def test_an_output_that_exists_is_left_alone(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(TrainingError, match="exists already"):
        run(tmp_path, examples, recipe)


def test_a_checkpoint_appears_whole_or_not_at_all(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("sdg_training.salm.SALMProcessor.save_pretrained", fail)
    with pytest.raises(CheckpointError, match="out cannot be written: no space left"):
        run(tmp_path, examples, recipe)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [".out.run", "examples.parquet", "shard.tar"]  # the first: to go on from


def test_a_run_that_diverges_stops(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    with pytest.raises(TrainingError, match=r"the loss is nan at update .*lower the learning"):
        run(tmp_path, examples, recipe, learning_rate=1e30, max_grad_norm=1e30, epochs=20)


def test_a_run_can_be_cut_short(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    assert run(tmp_path, examples, recipe, "steps", max_steps=5).metrics["updates"] == 5
    quick = run(tmp_path, examples, recipe, "time", epochs=2000, max_minutes=1 / 60)
    assert quick.metrics["seconds"] == pytest.approx(1.0, abs=0.5)
    assert quick.metrics["learning_rate"][-1] < 1e-3  # it has come down by then


def test_the_threads_are_those_of_the_recipe_while_it_trains(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = torch.get_num_threads(), set()
    step = SALMTrainer.training_step

    def look(*args: Any, **kwargs: Any) -> Any:
        seen.add(torch.get_num_threads())
        return step(*args, **kwargs)

    monkeypatch.setattr(SALMTrainer, "training_step", look)
    run(tmp_path, examples, recipe, "one", max_steps=2, cpu_threads=before + 1)
    assert (seen, torch.get_num_threads()) == ({before + 1}, before)
    run(tmp_path, examples, recipe, "all", max_steps=2)
    assert (seen, torch.get_num_threads()) == ({before + 1, before}, before)


def test_accumulated_batches_are_one_larger_batch(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    table = pa.Table.from_pylist([row | {"answer": "same"} for row in examples.to_pylist()])
    sizes = {"whole": {"batch_size": 8}, "parts": {"batch_size": 2, "accumulate": 4}}
    whole, parts = (
        run(tmp_path, table, recipe, name, epochs=2, **how).metrics["loss"]
        for name, how in sizes.items()
    )
    assert len(whole) == len(parts) == 2
    assert whole == pytest.approx(parts, rel=1e-3)


def test_bfloat16_learns_as_well(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    how = {"epochs": 20, "batch_size": 8}
    exact = run(tmp_path, examples, recipe, "exact", **how).metrics
    rounded = run(tmp_path, examples, recipe, "rounded", precision="bfloat16", **how).metrics
    assert exact["loss"] != rounded["loss"]
    assert rounded["final_loss"] == pytest.approx(exact["final_loss"], rel=0.2)


def test_what_is_trained_is_kept_in_float32(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, llm: Path, encoder: Path
) -> None:
    """Also where it was stored in bfloat16, in which an update of a thousandth is no update."""
    for part, kind in {"llm": AutoModelForCausalLM, "encoder": AutoModel}.items():
        kind.from_pretrained(getattr(recipe, part)).bfloat16().save_pretrained(tmp_path / part)
    AutoTokenizer.from_pretrained(llm).save_pretrained(tmp_path / "llm")
    AutoFeatureExtractor.from_pretrained(encoder).save_pretrained(tmp_path / "encoder")
    models = {part: str(tmp_path / part) for part in ("llm", "encoder")}
    coarse = recipe.model_copy(update={**models, "freeze_encoder": False})
    model, _ = build_model(coarse)
    assert {tensor.dtype for tensor in model.state_dict().values()} >= {torch.bfloat16}
    keep_whole(model)
    for name, weight in model.named_parameters():
        frozen = name.startswith("llm.") and "lora" not in name
        assert weight.dtype == (torch.bfloat16 if frozen else torch.float32), name
    assert {b.dtype for b in model.encoder.buffers() if b.is_floating_point()} <= {torch.float32}
    before = model.projector.weight.detach().clone()
    entering = set()  # LoRA, whose weights autocast rounds

    def look(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, nn.Linear) and module.out_features == coarse.lora.rank:
            entering.add(inputs[0].dtype)

    with register_module_forward_pre_hook(look):
        how = {"precision": "bfloat16", "max_steps": 1, "learning_rate": 1e-5}
        result = run(tmp_path, examples, coarse, **how)
    after, _ = load_checkpoint(result.checkpoint)
    assert not after.projector.weight.float().equal(before)
    assert entering == {torch.bfloat16}


def run_until_nan(folder: Path, table: pa.Table, recipe: Recipe, **how: Any) -> dict[str, Any]:
    """A run that stops by itself, and what it changed of ``recipe``."""
    how = {"learning_rate": 1e30, "max_grad_norm": 1e30, **how}
    with pytest.raises(TrainingError, match="the loss is nan"):
        run(folder, table, recipe, **how)
    return how


def test_another_run_s_states_are_left_alone(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    run_until_nan(tmp_path, examples, recipe, save_every=1)
    with pytest.raises(TrainingError, match=r"\.out\.run holds a run .* its recipe: go on"):
        run(tmp_path, examples, recipe)
    with pytest.raises(TrainingError, match=r"differs in its recipe and examples"):
        run(tmp_path, examples.slice(1), recipe)
    shutil.rmtree(tmp_path / ".out.run")
    run(tmp_path, examples, recipe)


def test_other_answers_are_other_examples(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    how = run_until_nan(tmp_path, examples, recipe, save_every=1)
    rows = [row | {"answer": "another"} for row in examples.to_pylist()]
    with pytest.raises(TrainingError, match="differs in its examples: go"):
        run(tmp_path, pa.Table.from_pylist(rows, examples.schema), recipe, **how)


def test_a_run_that_never_began_leaves_its_folder_to_any(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    run_until_nan(tmp_path, examples, recipe)
    half = tmp_path / ".out.run" / "checkpoint-5"  # as a kill of two processes leaves it
    half.mkdir()
    for name in ("trainer_state.json", "meter-0.json"):
        (half / name).write_text("{}")
    run_file = tmp_path / ".out.run" / "run.json"
    run_file.write_text(json.dumps({**json.loads(run_file.read_text()), "processes": 2}))
    result = run(tmp_path, examples, recipe)
    assert len(list((result.checkpoint / "tensorboard").glob("events*"))) == 1  # its own alone


@pytest.mark.parametrize("content", ["{", "[]", '{"recipe": 1}'])
def test_a_folder_whose_run_cannot_be_read_is_named(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, content: str
) -> None:
    (tmp_path / ".out.run").mkdir()
    (tmp_path / ".out.run" / "run.json").write_text(content)
    with pytest.raises(TrainingError, match=r"run\.json is damaged: remove .*out\.run to begin"):
        run(tmp_path, examples, recipe)


def test_a_state_of_another_version_is_named(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    how = run_until_nan(tmp_path, examples, recipe, save_every=1)
    [meter] = (tmp_path / ".out.run").glob("checkpoint-*/meter-0.json")
    meter.write_text(json.dumps({**json.loads(meter.read_text()), "flops_per_token": 1.0}))
    with pytest.raises(TrainingError, match=r"another version of sdg .* go on with that version"):
        run(tmp_path, examples, recipe, **how)


def test_rows_of_one_id_are_told_apart(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    """The first of an id is used, whatever is wrong with what repeats it; so is all else."""
    rows = examples.to_pylist()
    rows[1]["example_id"] = rows[0]["example_id"]
    rows[2] |= {"example_id": rows[0]["example_id"], "answer": ""}
    rows[3]["example_id"] = rows[4]["example_id"] = None
    table = pa.Table.from_pylist(rows, examples.schema)
    metrics = run(tmp_path, table, recipe, epochs=1).metrics
    assert metrics["skipped"] == {"missing_value": 2, "repeated_id": 1, "empty_answer": 1}
    assert metrics["examples"] == 4


def test_a_loss_is_looked_at_before_it_is_saved() -> None:
    with pytest.raises(ValidationError, match=r"log_every \(3\) must divide"):
        Recipe(log_every=3)


def test_no_example_is_longer_than_the_llm_can_tell(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    config = json.loads((Path(recipe.llm) / "config.json").read_text())
    shutil.copytree(recipe.llm, tmp_path / "short")
    short = json.dumps({**config, "max_position_embeddings": 60})
    (tmp_path / "short" / "config.json").write_text(short)
    rows = [{**row, "answer": "x" * (40 if n else 1)} for n, row in enumerate(examples.to_pylist())]
    how = {"llm": str(tmp_path / "short"), "epochs": 1}
    metrics = run(tmp_path, pa.Table.from_pylist(rows), recipe, **how).metrics
    assert metrics["skipped"] == {"too_many_tokens": 7}


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [schedule(share / 100, warmup_share=0.1) for share in range(100)]
    assert rates.index(max(rates)) == 10
    assert rates[5] == pytest.approx(0.5)
    assert rates[55] == pytest.approx(0.5)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert schedule(0.0, warmup_share=0.0) == 1.0
    assert math.isfinite(schedule(0.99, warmup_share=1.0))


def test_matrices_alone_decay(recipe: Recipe) -> None:
    model, _ = build_model(recipe)
    for name, kind in {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}.items():
        optimizer = build_optimizer(model, recipe.model_copy(update={"optimizer": name}))
        assert type(optimizer) is kind
        decaying, steady = optimizer.param_groups
        assert {weight.ndim for weight in decaying["params"]} == {2}
        assert {weight.ndim for weight in steady["params"]} == {1}
        assert (decaying["weight_decay"], steady["weight_decay"]) == (recipe.weight_decay, 0.0)


def test_a_recipe_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="learning_rat"):
        Recipe.model_validate({"learning_rat": 1e-3})


def start(config: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sdg_training.train", "--config", str(config)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_the_command_line(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    pq.write_table(examples, tmp_path / "examples.parquet")
    config = {
        "examples": str(tmp_path / "examples.parquet"),
        "blobs": str(tmp_path),
        "output": str(tmp_path / "models" / "checkpoint"),
        "recipe": recipe.model_dump(mode="json"),
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    finished = start(tmp_path / "config.yaml")
    assert finished.returncode == 0, finished.stderr
    assert "training: 12/12 updates" in finished.stderr
    assert "llm: 12,288 weights trained" in finished.stderr
    assert (tmp_path / "models" / "checkpoint" / "metrics.json").is_file()


def test_a_wrong_configuration_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"examples": "a", "blobs": "b", "out": "c"}))
    with pytest.raises(TrainingError, match=r"config\.json is no training configuration(.|\n)*out"):
        load_config(tmp_path / "config.json")


def test_training_stops_when_validation_no_longer_improves(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    """After the best measurement two more; the weights kept are those of the best."""
    pq.write_table(examples, tmp_path / "examples.parquet")
    pq.write_table(examples, tmp_path / "validation.parquet")
    stopping = EarlyStopping(every=10, patience=2, limit=6)
    config = TrainConfig(
        examples=str(tmp_path / "examples.parquet"),
        validation=str(tmp_path / "validation.parquet"),
        blobs=str(tmp_path),
        output=tmp_path / "out",
        recipe=recipe.model_copy(
            update={"epochs": 400, "batch_size": 8, "early_stopping": stopping}
        ),
    )
    metrics = train(config).metrics
    updates, scores = zip(*metrics["validation"], strict=True)
    assert list(updates) == list(range(10, metrics["updates"] + 1, 10))
    assert metrics["updates"] < 400
    assert max(scores) == 1.0
    assert scores.index(max(scores)) == len(scores) - 3
    assert score(tmp_path / "out", examples, str(tmp_path), ["trained"]).mean() >= 6 / 8


def test_early_stopping_without_validation_is_an_error(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    with pytest.raises(TrainingError, match="needs validation examples"):
        run(tmp_path, examples, recipe, early_stopping=EarlyStopping())


def test_tasks_are_mixed(tmp_path: Path, examples: pa.Table, recipe: Recipe) -> None:
    """It learns to say the recording's words, and to answer about their text, as well."""
    rows = [row | {"context": f"it is {row['answer']}"} for row in examples.to_pylist()]
    table = pa.Table.from_pylist(rows)
    tasks = TaskWeights(qa=1, asr=1, text=0.5)
    how = {"epochs": 100, "batch_size": 8, "tasks": tasks}
    result = run(tmp_path, table, recipe, **how)
    assert result.metrics["items"] == {"qa": 8, "asr": 8, "text": 4}
    assert score(result.checkpoint, table, str(tmp_path), ["trained"]).mean() == 1.0
    asked = [row | {"question": recipe.asr_question, "answer": row["context"]} for row in rows]
    transcribed = score(result.checkpoint, pa.Table.from_pylist(asked), str(tmp_path), ["trained"])
    assert transcribed.mean() == 1.0


def test_recordings_without_questions_are_transcribed(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    rows = [row | {"context": f"it is {row['answer']}"} for row in examples.to_pylist()]
    bare = [row | {"question": None, "answer": None} for row in rows[4:]]
    table = pa.Table.from_pylist([*rows[:4], *bare], examples.schema)
    tasks = TaskWeights(qa=1, asr=1)
    result = run(tmp_path, table, recipe, epochs=100, batch_size=8, tasks=tasks)
    assert result.metrics["items"] == {"qa": 4, "asr": 8}
    asked = [row | {"question": recipe.asr_question, "answer": row["context"]} for row in rows]
    transcribed = score(result.checkpoint, pa.Table.from_pylist(asked), str(tmp_path), ["trained"])
    assert transcribed.mean() == 1.0
    scores = score(result.checkpoint, table, str(tmp_path), ["trained"])
    assert (scores.table.num_rows, scores.skips.count()) == (4, {"no_question": 4})


def test_text_alone_trains_nothing_where_there_is_no_lora(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    frozen = recipe.model_copy(update={"lora": LoRARecipe(rank=0), "weight_decay": 0.0})
    before = build_model(frozen)[0].state_dict()
    result = run(tmp_path, examples, frozen, tasks=TaskWeights(qa=0, text=1))
    after = load_checkpoint(result.checkpoint)[0].state_dict()
    assert all(before[name].equal(after[name]) for name in before)


def test_activations_computed_twice_change_nothing(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    how = {"freeze_encoder": False, "max_steps": 4}
    kept = run(tmp_path, examples, recipe, "kept", **how)
    twice = run(tmp_path, examples, recipe, "twice", gradient_checkpointing=True, **how)
    assert twice.metrics["loss"] == pytest.approx(kept.metrics["loss"], rel=1e-4)
    weights, same = (load_checkpoint(r.checkpoint)[0].state_dict() for r in (kept, twice))
    assert sum(name.endswith("running_var") for name in weights) == 2
    for name, weight in weights.items():  # the batch norms' statistics, too
        torch.testing.assert_close(same[name], weight, atol=1e-3, rtol=1e-3)


def test_the_last_update_is_measured_however_seldom_others_are(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    metrics = run(tmp_path, examples, recipe, log_every=50).metrics
    assert (metrics["updates"], metrics["kept_update"], len(metrics["loss"])) == (12, 12, 1)
    every = run(tmp_path, examples, recipe, "every").metrics["loss"]
    assert metrics["final_loss"] == pytest.approx(fmean(every), rel=1e-3)


@pytest.mark.parametrize("fusion", [FusionRecipe(), FUSION], ids=["concat", "cross_attention"])
def test_arithmetic_is_counted_whichever_batch_comes_first(
    tmp_path: Path, recipe: Recipe, fusion: FusionRecipe
) -> None:
    """Questions and recordings are short or long, and some batches have no audio at all."""
    recordings = [encode_flac(noise(seconds, 1)) for seconds in (0.5, 0.6, 2.0, 3.0)]
    rows = [
        {
            "recording": number % 4,
            "duration": (0.5, 0.6, 2.0, 3.0)[number % 4],
            "question": "who?" * (1 + 30 * (number // 4 % 2)),
            "context": "it is red",
        }
        for number in range(24)
    ]
    table = write_examples(tmp_path, recordings, rows)
    how = {"tasks": TaskWeights(qa=1, text=1), "fusion": fusion, "epochs": 3}
    done = []
    for seed in range(5):
        metrics = run(tmp_path, table, recipe, str(seed), seed=seed, **how).metrics
        done.append(metrics["teraflops"] * metrics["seconds"])
    assert max(done) < 1.3 * min(done)


def test_curves_are_there_for_tensorboard(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    result = run(tmp_path, examples, recipe, max_steps=4)
    [events] = (tmp_path / "out" / "tensorboard").glob("events*")
    points = {
        (value.tag, event.step): value.simple_value
        for event in read_events(events)
        for value in event.summary.value
        if value.HasField("simple_value")
    }
    for update, loss in enumerate(result.metrics["loss"], start=1):
        assert points["train/loss", update] == pytest.approx(loss, rel=1e-5)
    names = {name for name, _ in points}
    assert {"train/learning_rate", "train/examples_per_second", "train/tokens_per_second"} <= names


def read_events(path: Path) -> list[Event]:
    """TFRecord: eight bytes of length, four of checksum, the event, four of checksum."""
    content, place, events = path.read_bytes(), 0, []
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        events.append(Event.FromString(content[place + 12 : place + 12 + length]))
        place += length + 16
    return events


def test_a_task_that_no_example_serves_is_an_error(
    tmp_path: Path, examples: pa.Table, recipe: Recipe
) -> None:
    rows = [row | {"context": None} for row in examples.to_pylist()]
    with pytest.raises(ExamplesError, match=r"no example .* the tasks asr"):
        run(
            tmp_path,
            pa.Table.from_pylist(rows, examples.schema),
            recipe,
            tasks=TaskWeights(qa=0, asr=1),
        )


@pytest.mark.parametrize("part", ["encoder", "llm"])
@pytest.mark.parametrize("name", ["/no/such/folder", "nobody/nothing"])
def test_a_model_that_is_not_there_is_named(
    tmp_path: Path, examples: pa.Table, recipe: Recipe, part: str, name: str
) -> None:
    with pytest.raises(CheckpointError, match=f"the recipe's {part}, {name}, cannot be loaded"):
        run(tmp_path, examples, recipe, **{part: name})
