/* Deflate's symbols, and canonical Huffman codes. Source: RFC 1951, 3.2. */
#ifndef HPAC_DEFLATE_TABLES_H
#define HPAC_DEFLATE_TABLES_H

#include "common.h"

enum { STORED, FIXED, DYNAMIC, NUM_TYPES };
enum {
  END_OF_BLOCK = 256,
  MAX_LITLEN = 288, /* literals and lengths; 286 and 287 only in the fixed code */
  USED_LITLEN = 286,
  MAX_DIST = 32,
  USED_DIST = 30,
  NUM_PRE = 19, /* symbols of the code of code lengths */
  MAX_CODE_BITS = 15,
  MAX_PRE_BITS = 7,
};

extern const uint16_t length_base[29], distance_base[30];
extern const uint8_t length_extra[29], distance_extra[30], pre_order[NUM_PRE];

/* How one or several code lengths are written. */
struct run {
  uint8_t symbol, extra;
};

struct block {
  uint8_t type, final;
  uint8_t padding;        /* bits before the next whole byte, of a stored block */
  uint32_t stored_length; /* of a stored block */
  uint32_t num_litlen, num_dist, num_pre, num_runs;
  uint8_t pre_lengths[NUM_PRE];
  uint8_t lengths[MAX_LITLEN + MAX_DIST]; /* num_litlen, and then num_dist */
  struct run runs[MAX_LITLEN + MAX_DIST];
};

/* Extra bits behind a symbol of a run, and the count that it stands for. */
static inline uint32_t run_bits(uint32_t symbol) { return symbol == 16 ? 2 : symbol == 17 ? 3 : symbol == 18 ? 7 : 0; }
static inline uint32_t run_count(struct run r) {
  return r.symbol < 16 ? 1u : r.symbol == 18 ? 11u + r.extra : 3u + r.extra;
}

uint32_t length_symbol(uint32_t length); /* 0 to 28, of 3 to LONG_MATCH */
static inline uint32_t distance_symbol(uint32_t distance) {
  if (distance < 5) return distance - 1;
  const uint32_t high = log2_floor(distance - 1);
  return 2 * high + ((distance - 1) >> (high - 1) & 1);
}

void set_fixed(struct block *b);

/* Codes as they stand in the stream, first bit lowest; false if there are more than the lengths allow. */
bool make_codes(const uint8_t *lengths, uint32_t count, uint16_t *codes);

#endif
