#!/bin/sh
# A step for CI: fails unless every picture of a folder would come back from hpac byte for byte. Nothing is encoded to
# disk; the report has one line of JSON for each file.
#
#   sh ci_check.sh PICTURES REPORT.jsonl
set -eu

pictures=$1
report=$2

hpac check -r "$pictures" --json > "$report"

# The last line counts: {"schema": 1, "summary": {"files": 2, "done": 2, "skipped": 0, "failed": 0, ...}}
tail -n 1 "$report"
