#!/bin/sh
# Archives a folder: every picture of it as .hpac, verified, and the sizes in a table.
# Run it again after a crash or with new pictures: what is done already is left out.
#
#   sh archive.sh PICTURES ARCHIVE
set -eu

pictures=$1
archive=$2

# Encoding decodes each output and compares it with its source before it gets its name.
hpac encode -r "$pictures" --output-dir "$archive" --skip-existing

# Later, or on another machine: decode everything and check every checksum, writing nothing.
hpac verify -r "$archive"

hpac list -r "$archive"
