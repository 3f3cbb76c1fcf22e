/* How a writer finds its tokens, blocks and codes; docs/format.md describes each. */
#ifndef HPAC_DEFLATE_PARAMETERS_H
#define HPAC_DEFLATE_PARAMETERS_H

#include "trees.h"

enum matcher {
  MATCH_NONE,       /* literals alone */
  MATCH_RUNS,       /* distance 1 alone */
  MATCH_CHEAPEST,   /* the cheapest path under the block's codes */
  MATCH_ZLIB_FAST,  /* zlib's levels 1 to 3 */
  MATCH_ZLIB_LAZY,  /* zlib's levels 4 to 9, miniz, lodepng */
  MATCH_LATEST,     /* one candidate, the latest of the same hash: zlib-ng 1, fpng, fdeflate */
  MATCH_NG_FAST,    /* zlib-ng's levels 2 */
  MATCH_NG_MEDIUM,  /* zlib-ng's levels 3 to 6 */
  MATCH_PAIRS,      /* ISA-L: two positions at once */
  MATCH_BUCKETS,    /* stb_image_write */
  MATCH_TWO,        /* libdeflate 1: two candidates */
  MATCH_GREEDY,     /* libdeflate 2 to 4 */
  MATCH_LAZY,       /* libdeflate 5 to 7 */
  MATCH_LAZY_TWICE, /* libdeflate 8 and 9 */
  NUM_MATCHERS
};

enum hash {
  HASH_SHIFTS, /* zlib: three bytes, shifted and exclusive-ored */
  HASH_KNUTH,  /* four bytes times 2654435761 */
  HASH_LIB,    /* four bytes times 0x1E35A7BD */
  HASH_GOLDEN, /* three bytes times 0x9E3779B1 */
  HASH_CRC,    /* CRC-32C of four bytes */
  NUM_HASHES
};

enum {
  ONLY_LONG = 1,    /* matches of up to five bytes are not taken (zlib's filtered strategy) */
  ANY_FAR = 2,      /* matches of three bytes may be as far as others */
  FAR_8191 = 4,     /* they may be 8191 bytes away, not only 4096 */
  WHOLE_WINDOW = 8, /* distances reach the window's size, not 262 bytes less */
  LAZY_BY_TWO = 16, /* a later match must be two bytes longer */
  EARLY_EXIT = 32,  /* the first candidate that is no longer ends a search */
  TAKES_THREE = 64, /* matches of three bytes are taken where others take four */
  ALL_FLAGS = 127
};

struct parameters {
  uint8_t matcher, hash, hash_bits, window_bits, flags, tree;
  uint8_t runs_cross;  /* runs of code lengths go on from literals to distances */
  uint8_t trees_first; /* a block's codes are coded before its tokens */
  uint16_t good, lazy, nice, chain;
  uint32_t block_tokens; /* of all blocks but the last; 0: not known */
};

enum { PARAMETER_BYTES = HPAC_DEFLATE_PARAMETER_BYTES };

void write_parameters(const struct parameters *q, uint8_t *bytes);
bool read_parameters(struct parameters *q, const uint8_t *bytes);

#endif
