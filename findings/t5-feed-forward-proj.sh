#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hugging Face: the feed_forward_proj of a saved T5 configuration cannot be changed.
#
# Versions: transformers 4.57.6 and 5.24.0.
# T5Config derives dense_act_fn and is_gated_act from feed_forward_proj, its documented field, and
# save_pretrained() writes all three. Loading sets the two derived fields last, from the file. A new
# feed_forward_proj therefore has no effect, whether in config.json or passed to from_pretrained().
# Without an error or warning, the model uses another activation than requested.
# Expected: the derived fields follow feed_forward_proj, or a contradiction is an error.
#
# Output on 2026-11-29:
#   transformers 4.57.6
#     saved as relu:                       relu, not gated
#     changed to gated-silu in the file:   relu, not gated
#     gated-silu given to from_pretrained: relu, not gated
#     gated-silu in a new configuration:   silu, gated
#   transformers 5.24.0
#     (the same four lines)
#
# usage: findings/t5-feed-forward-proj.sh
# Installs the packages into temporary virtual environments. Exit code 0 if both versions behave as
# described, 1 if not.
set -euo pipefail
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

cat > "$directory/show.py" <<'EOF'
import json
import sys
import tempfile

import transformers
from transformers import T5Config


def described(config):
    return f"{config.dense_act_fn}, {'gated' if config.is_gated_act else 'not gated'}"


with tempfile.TemporaryDirectory() as directory:
    T5Config(feed_forward_proj="relu").save_pretrained(directory)
    path = directory + "/config.json"
    saved = described(T5Config.from_pretrained(directory))
    passed = described(T5Config.from_pretrained(directory, feed_forward_proj="gated-silu"))
    with open(path) as file:
        fields = json.load(file)
    fields["feed_forward_proj"] = "gated-silu"
    with open(path, "w") as file:
        json.dump(fields, file)
    edited = described(T5Config.from_pretrained(directory))
fresh = described(T5Config(feed_forward_proj="gated-silu"))
print("transformers", transformers.__version__)
print("  saved as relu:                      ", saved)
print("  changed to gated-silu in the file:  ", edited)
print("  gated-silu given to from_pretrained:", passed)
print("  gated-silu in a new configuration:  ", fresh)
sys.exit((saved, edited, passed, fresh) != ("relu, not gated",) * 3 + ("silu, gated",))
EOF

rc=0
for version in 4.57.6 5.24.0; do
  python3 -m venv "$directory/$version"
  "$directory/$version/bin/pip" install --quiet --disable-pip-version-check "transformers==$version"
  "$directory/$version/bin/python" "$directory/show.py" 2> "$directory/stderr" || { rc=1; cat "$directory/stderr"; }
done
exit $rc
