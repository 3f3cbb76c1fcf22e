/* Code lengths from frequencies, as different writers find them. */
#ifndef HPAC_DEFLATE_TREES_H
#define HPAC_DEFLATE_TREES_H

#include "tables.h"

enum { TREE_HEAP, TREE_QUEUES, TREE_PACKAGES, NUM_TREES };

/* Lengths of 0 to `most_bits` for `count` symbols, at most USED_LITLEN; symbols of frequency 0 get 0, but for
 * the one or two that a writer adds so that there is a code at all. */
void build_tree(int builder, const uint32_t *frequencies, uint32_t count, uint32_t most_bits, uint8_t *lengths);

#endif
