/* The parameters of known writers, likely ones first. */
#ifndef HPAC_DEFLATE_CANDIDATES_H
#define HPAC_DEFLATE_CANDIDATES_H

#include "parameters.h"

enum { MOST_WRITERS = 224 };

/* What a stream tells of zlib's settings: bits of its hash by the size of blocks, 0 if that is not known; bits of its
 * window by the farthest match. Returns how many writers there are. */
uint32_t list_writers(struct parameters *writers, uint32_t hash_bits, uint32_t window_bits);

#endif
