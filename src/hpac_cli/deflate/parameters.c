#include "parameters.h"

static void put16(uint8_t *bytes, uint32_t value) { bytes[0] = (uint8_t)value, bytes[1] = (uint8_t)(value >> 8); }

void write_parameters(const struct parameters *q, uint8_t *bytes) {
  bytes[0] = q->matcher;
  bytes[1] = (uint8_t)(q->hash << 5 | q->hash_bits);
  bytes[2] = q->window_bits;
  bytes[3] = q->flags;
  bytes[4] = (uint8_t)(q->tree << 2 | q->runs_cross << 1 | q->trees_first);
  put16(bytes + 5, q->good);
  put16(bytes + 7, q->lazy);
  put16(bytes + 9, q->nice);
  put16(bytes + 11, q->chain);
  put16(bytes + 13, q->block_tokens & 0xffff);
  put16(bytes + 15, q->block_tokens >> 16);
}

bool read_parameters(struct parameters *q, const uint8_t *bytes) {
  q->matcher = bytes[0];
  q->hash = bytes[1] >> 5, q->hash_bits = bytes[1] & 31;
  q->window_bits = bytes[2];
  q->flags = bytes[3];
  q->tree = bytes[4] >> 2, q->runs_cross = bytes[4] >> 1 & 1, q->trees_first = bytes[4] & 1;
  q->good = (uint16_t)load16(bytes + 5), q->lazy = (uint16_t)load16(bytes + 7);
  q->nice = (uint16_t)load16(bytes + 9), q->chain = (uint16_t)load16(bytes + 11);
  q->block_tokens = load32(bytes + 13);
  return q->matcher < NUM_MATCHERS && q->hash < NUM_HASHES && q->hash_bits >= 8 && q->hash_bits <= 17 &&
         q->window_bits >= 9 && q->window_bits <= 15 && q->flags <= ALL_FLAGS && q->tree < NUM_TREES && q->chain >= 1 &&
         q->chain <= 4096 && (q->matcher != MATCH_BUCKETS || q->chain <= 32) &&
         (q->matcher != MATCH_CHEAPEST || q->trees_first);
}
