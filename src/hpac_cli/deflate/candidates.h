/* The parameters of known writers, likely ones first. */
#ifndef HPAC_DEFLATE_CANDIDATES_H
#define HPAC_DEFLATE_CANDIDATES_H

#include "parameters.h"

enum { MOST_WRITERS = 192 };

/* `hash_bits` is what zlib's hash would have by the size of its blocks, 0 if that is not known. Returns how many. */
uint32_t list_writers(struct parameters *writers, uint32_t hash_bits);

#endif
