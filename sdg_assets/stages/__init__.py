"""The stages in the order of the graph: what comes in, what is done, what goes out."""

from sdg_assets.stages.filtered_qa import filtered_qa
from sdg_assets.stages.generated_qa import generated_qa
from sdg_assets.stages.pseudo_labels import pseudo_labels
from sdg_assets.stages.raw_audio import raw_audio
from sdg_assets.stages.rouge_l_scores import rouge_l_scores
from sdg_assets.stages.synthesized_speech import synthesized_speech
from sdg_assets.stages.text_qa import text_qa
from sdg_assets.stages.trained_checkpoints import trained_checkpoints
from sdg_assets.stages.training_examples import training_examples
from sdg_assets.stages.transcripts import transcripts

STAGES = (
    raw_audio,
    transcripts,
    text_qa,
    pseudo_labels,
    generated_qa,
    filtered_qa,
    synthesized_speech,
    training_examples,
    trained_checkpoints,
    rouge_l_scores,
)
