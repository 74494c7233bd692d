#!/usr/bin/env bash
# The chain on real input: five languages read aloud, read speech with and without its text.
# Wants a folder with xquad/, librispeech_test_other/ and librispeech_unlabeled/ (see README).
# The tiny models know nothing of this world: that the figures are bad is what is to be seen.
set -euo pipefail
cd "$(dirname "$0")/.."
DATA=$(realpath "${SDG_SHARED_DATA:-../shared/data}" 2>/dev/null || true)
if [ ! -d "$DATA/xquad" ]; then
  echo "skipped: no real data (set SDG_SHARED_DATA to its folder)"
  exit 0
fi
export SDG_HOME="${SDG_HOME:-$PWD/.sdg-real}"
SDG=${SDG:-.venv/bin/sdg}

mkdir -p "$SDG_HOME/yaml"
for file in examples/corpora/*.yaml; do
  sed "s#@DATA@#$DATA#" "$file" > "$SDG_HOME/yaml/$(basename "$file")"
done
"$SDG" corpora register "$SDG_HOME"/yaml/xquad.yaml "$SDG_HOME"/yaml/librispeech-*.yaml

# Method 1: passages of five languages, spoken.
for language in en de es zh hi; do
  "$SDG" run "xquad/$language" --set text_qa.limit=160
done
# Method 2, and method 3 on the same audio, so that its error rate is known.
"$SDG" run librispeech-other/en
"$SDG" run librispeech-heard/en
# Method 3 on audio that has no text anywhere: it lands, as a user would drop it.
mkdir -p "$SDG_HOME/landing/librispeech-landed/en"
cp "$DATA"/librispeech_unlabeled/audio/*.flac "$SDG_HOME/landing/librispeech-landed/en/"
"$SDG" landing
"$SDG" run librispeech-landed/en

# A speech LM on all of it, and what it is worth. Passages are longer than its recipe takes.
"$SDG" corpora register "$SDG_HOME/yaml/real.yaml"
"$SDG" run real/mul --upto rouge_l_scores \
  --set trained_checkpoints.recipe='{max_steps: 12, max_audio_seconds: 110}'

"$SDG" sql "SELECT corpus, language, count(*) AS labels, count(*) FILTER (trusted) AS trusted,
  round(avg(error_rate), 2) AS mean_error_rate FROM pseudo_labels GROUP BY ALL"
"$SDG" sql "SELECT corpus, reason, count(*) AS pairs FROM filtered_qa WHERE NOT kept GROUP BY ALL"
"$SDG" sql "SELECT eval_set, eval_language, count(*) AS questions, round(avg(rouge_l), 3) AS rouge_l,
  round(avg(rouge_l_audio_removed), 3) AS audio_removed FROM rouge_l_scores GROUP BY ALL ORDER BY ALL"
example=$("$SDG" sql --format csv "SELECT corpus || '/' || language || '/' || example_id AS id
  FROM training_examples WHERE corpus = 'xquad' AND language = 'hi' AND split = 'test'
  ORDER BY id LIMIT 1" | tail -n 1)
"$SDG" trace "$example"
landed=$("$SDG" sql --format csv "SELECT corpus || '/' || language || '/' || utterance_id AS id
  FROM pseudo_labels WHERE corpus = 'librispeech-landed' ORDER BY id LIMIT 1" | tail -n 1)
"$SDG" trace "$landed"
