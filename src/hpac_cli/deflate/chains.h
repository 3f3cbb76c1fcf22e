/* Positions of the same hash, the latest first. */
#ifndef HPAC_DEFLATE_CHAINS_H
#define HPAC_DEFLATE_CHAINS_H

#include "parameters.h"
#include "window.h"

struct chains {
  uint32_t *heads; /* the latest position of a hash, or 0 */
  uint16_t *links; /* ring: the low bits of the position before it in its chain, or its own if that is too far */
  uint32_t ring_mask, hash, hash_bits, hash_bytes;
  uint64_t work; /* candidates looked at */
};

extern const uint32_t crc_table[256];

static inline uint32_t hash_of(const struct chains *c, const uint8_t *b) {
  switch (c->hash) {
    case HASH_SHIFTS: {
      const uint32_t shift = (c->hash_bits + 2) / 3;
      return ((uint32_t)b[0] << (2 * shift) ^ (uint32_t)b[1] << shift ^ b[2]) & ((1u << c->hash_bits) - 1);
    }
    case HASH_KNUTH: return (load32(b) * 2654435761u) >> (32 - c->hash_bits);
    case HASH_LIB: return (load32(b) * 0x1E35A7BDu) >> (32 - c->hash_bits);
    case HASH_GOLDEN: return (load24(b) * 0x9E3779B1u) >> (32 - c->hash_bits);
    default: {
      uint32_t crc = 0;
      for (int k = 0; k < 4; k++) crc = crc >> 8 ^ crc_table[(crc ^ b[k]) & 255];
      return crc & ((1u << c->hash_bits) - 1);
    }
  }
}

static inline bool chains_open(struct chains *c, uint32_t ring, uint32_t hash, uint32_t hash_bits) {
  c->ring_mask = ring - 1;
  c->hash = hash, c->hash_bits = hash_bits, c->work = 0;
  c->hash_bytes = hash == HASH_SHIFTS || hash == HASH_GOLDEN ? 3 : 4;
  c->heads = calloc((size_t)1 << hash_bits, sizeof *c->heads);
  c->links = malloc(ring * sizeof *c->links);
  return c->heads && c->links;
}

static inline void chains_close(struct chains *c) {
  free(c->heads);
  free(c->links);
}

/* Nothing happens where fewer bytes are left than the hash takes. */
static inline void chains_insert(struct chains *c, const struct window *w, position p) {
  if (w->last - p < c->hash_bytes) return;
  uint32_t *head = &c->heads[hash_of(c, bytes_at(w, p))];
  c->links[p & c->ring_mask] = (uint16_t)(p - *head <= UINT16_MAX ? *head : p);
  *head = p;
}

/* The position that a link from p means: 1 to 65536 before it; p is at least ORIGIN = 65536. */
static inline position follow(position p, uint16_t link) { return p - 1 - (uint16_t)(p - link - 1); }

static inline position chains_next(const struct chains *c, position p) { return follow(p, c->links[p & c->ring_mask]); }

#endif
