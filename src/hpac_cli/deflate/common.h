/* Tokens, bytes in memory, and what every file here needs of the standard library. */
#ifndef HPAC_DEFLATE_COMMON_H
#define HPAC_DEFLATE_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hpac_deflate.h"

enum {
  MIN_MATCH = 3,
  MAX_MATCH = 258,
  LONG_MATCH = 259, /* a match of 258 bytes, written as length symbol 284 with all extra bits set */
  MAX_DISTANCE = 32768,
  CHUNK_SPAN = 32768, /* tokens are coded in chunks: the last token of one is the first that makes it so long */
};

/* A literal has length 1, and its byte in the place of the distance. */
struct token {
  uint16_t length, distance;
};

static inline uint32_t span_of(struct token t) { return t.length == LONG_MATCH ? MAX_MATCH : t.length; }
static inline bool is_literal(struct token t) { return t.length == 1; }
static inline bool same_token(struct token a, struct token b) {
  return a.length == b.length && a.distance == b.distance;
}
static inline struct token literal(uint8_t byte) { return (struct token){1, byte}; }
static inline struct token match_of(uint32_t length, uint32_t distance) {
  return (struct token){(uint16_t)length, (uint16_t)distance};
}

static inline uint32_t load16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static inline uint32_t load24(const uint8_t *p) { return load16(p) | (uint32_t)p[2] << 16; }
static inline uint32_t load32(const uint8_t *p) { return load16(p) | load16(p + 2) << 16; }
static inline uint64_t load64(const uint8_t *p) { return (uint64_t)load32(p) | (uint64_t)load32(p + 4) << 32; }

/* How many bytes are equal, at most `most`; reads nothing beyond them. */
static inline uint32_t common_length(const uint8_t *a, const uint8_t *b, uint32_t most) {
  uint32_t length = 0;
  for (; length + 8 <= most; length += 8) {
    const uint64_t differing = load64(a + length) ^ load64(b + length);
    if (differing) return length + ((uint32_t)__builtin_ctzll(differing) >> 3);
  }
  while (length < most && a[length] == b[length]) length++;
  return length;
}

/* Position of the highest bit; 0 for 0. */
static inline uint32_t log2_floor(uint32_t value) { return 31u - (uint32_t)__builtin_clz(value | 1); }

static inline uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* At least `count` elements of `size` bytes behind *array, whose capacity is *capacity; false without memory. */
static inline bool reserve(void *array, size_t *capacity, size_t count, size_t size) {
  if (count <= *capacity) return true;
  size_t wanted = *capacity + *capacity / 2 + 64;
  if (wanted < count) wanted = count;
  void *old, *grown;
  memcpy(&old, array, sizeof old);
  grown = realloc(old, wanted * size);
  if (!grown) return false;
  memcpy(array, &grown, sizeof grown);
  *capacity = wanted;
  return true;
}

#endif
