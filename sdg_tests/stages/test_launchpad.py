"""What the launchpad offers: typed, described, with defaults that Dagster scaffolds."""

import dagster as dg
import pytest
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from yaml import safe_load

from sdg_assets.checks import checks
from sdg_assets.definitions import defs
from sdg_assets.stages import STAGES
from sdg_assets.stages.model_config import read_changes
from sdg_assets.stages.trained_checkpoints import RecipeConfig, merge_recipe
from sdg_training.recipe import Recipe


def test_every_stage_s_defaults_are_scaffolded() -> None:
    job = defs.resolve_implicit_global_asset_job_def().get_job_snapshot()
    schema = job.config_schema_snapshot
    root = schema.get_config_snap(job.mode_def_snaps[0].root_config_key)
    scaffold = safe_load(default_values_yaml_from_type_snap(schema, root))["ops"]
    assert set(scaffold) == {stage.name for stage in STAGES}
    assert scaffold["generated_qa"]["config"] == {
        "pairs_per_context": 0,
        "profile": "default",
        "prompts": "default",
    }
    assert scaffold["synthesized_speech"]["config"]["voices"] == []


def test_every_field_is_described() -> None:
    for stage in STAGES:
        for name, field in stage.config.model_fields.items():
            assert field.description, f"{stage.name}.{name}"


def test_every_check_is_described() -> None:
    for check in checks:
        for spec in check.check_specs:
            assert spec.description, spec.name


def test_the_recipe_is_offered_field_by_field() -> None:
    offered = RecipeConfig.to_fields_dict()
    assert set(offered) == set(Recipe.model_fields)
    adapter = offered["adapter"].config_type
    assert set(adapter.fields) == set(Recipe.model_fields["adapter"].annotation.model_fields)
    assert "published: 3" in str(offered["epochs"].description)
    assert "hidden_size" in str(offered["adapter"].description)


def test_only_what_was_set_changes_the_profile_s_recipe() -> None:
    profile = Recipe(epochs=5, lora={"rank": 0, "alpha": 8})
    assert merge_recipe(profile, read_changes(RecipeConfig())) == profile
    config = RecipeConfig(learning_rate=1, optimizer="adam", lora={"rank": 4}, early_stopping={})
    merged = merge_recipe(profile, read_changes(config))
    assert (merged.epochs, merged.learning_rate, merged.optimizer) == (5, 1.0, "adam")
    assert (merged.lora.rank, merged.lora.alpha) == (4, 8)
    assert merged.early_stopping is not None


def test_dagster_validates_the_recipe() -> None:
    config = {"recipe": {"adapter": {"type": "mlp"}, "lora": {"targets": ["q_proj"]}}}
    ops = {"trained_checkpoints": {"config": config}}
    job = defs.resolve_implicit_global_asset_job_def()
    assert dg.validate_run_config(job, {"ops": ops})
    config["recipe"]["adapter"]["type"] = "transformer"
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, {"ops": ops})
