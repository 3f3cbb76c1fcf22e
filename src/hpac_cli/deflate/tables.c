#include "tables.h"

const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                  31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
const uint8_t length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
const uint16_t distance_base[30] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                    33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                    1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
const uint8_t distance_extra[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                    6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
const uint8_t pre_order[NUM_PRE] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};

uint32_t length_symbol(uint32_t length) {
  if (length >= MAX_MATCH) return length == MAX_MATCH ? 28 : 27;
  if (length < 11) return length - 3;
  const uint32_t high = log2_floor(length - 3);
  return 4 * (high - 1) + ((length - 3) >> (high - 2) & 3);
}

void set_fixed(struct block *b) {
  b->num_litlen = MAX_LITLEN, b->num_dist = MAX_DIST;
  for (uint32_t s = 0; s < MAX_LITLEN; s++) b->lengths[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : 8;
  memset(b->lengths + MAX_LITLEN, 5, MAX_DIST);
}

bool make_codes(const uint8_t *lengths, uint32_t count, uint16_t *codes) {
  uint32_t counts[MAX_CODE_BITS + 1] = {0}, next[MAX_CODE_BITS + 1], code = 0;
  for (uint32_t s = 0; s < count; s++) counts[lengths[s]]++;
  counts[0] = 0;
  for (uint32_t bits = 1; bits <= MAX_CODE_BITS; bits++) {
    code = (code + counts[bits - 1]) << 1;
    next[bits] = code;
    if (code + counts[bits] > 1u << bits) return false;
  }
  for (uint32_t s = 0; s < count; s++) {
    uint32_t forward = lengths[s] ? next[lengths[s]]++ : 0, reversed = 0;
    for (uint32_t k = 0; k < lengths[s]; k++, forward >>= 1) reversed = reversed << 1 | (forward & 1);
    codes[s] = (uint16_t)reversed;
  }
  return true;
}
