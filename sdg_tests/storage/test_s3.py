"""The lake's rows in S3, with either catalog."""

from sdg_assets.storage.lake import Lake, LakeConfig
from sdg_tests.storage.rows import replace_transcripts


def test_a_lake_in_s3(config: LakeConfig, s3_url: str) -> None:
    lake = Lake(LakeConfig(config.catalog, f"{s3_url}/lake"))
    before = lake.replace(replace_transcripts("a", "hi", ["नमस्ते"] * 3))
    lake.replace(replace_transcripts("a", "hi", ["दुनिया"]))
    again = Lake(lake.config)
    assert again.read("transcripts").column("text").to_pylist() == ["दुनिया"]
    assert again.read("transcripts", version=before).num_rows == 3
