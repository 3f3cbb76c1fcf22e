/* The range coder: words of 32 bits, a state of 64, probabilities of 24; the same words as constriction's.
   Source: docs/format.md, "Entropy coding". One coder either writes, reads, or adds up code lengths. */
#ifndef HPAC_RANGE_CODER_H
#define HPAC_RANGE_CODER_H

#include "common.h"
#include "unit.h"

enum coder_mode { WRITE, READ, MEASURE };

enum {
  TOTAL_BITS = 24,
  LENGTH_BITS = 16, /* code lengths count in 2^-16 bits */
  LENGTH_TABLE_BITS = 12
};

struct coder {
  uint64_t low;              /* WRITE: lower end of the interval. READ: what of the words lies above it */
  uint64_t range;            /* at least 2^32 */
  uint32_t *out;             /* WRITE */
  const uint32_t *in;        /* READ */
  int64_t at, room;          /* words written or read (those beyond the end, which are 0, too); room or number */
  uint32_t *lengths;         /* MEASURE: of the present plane's pixels, by number in the wavefront */
  const uint32_t *log_table; /* MEASURE */
  int damaged;
};

INLINE uint64_t next_word(struct coder *c) {
  const uint64_t word = c->at < c->room ? c->in[c->at] : 0;
  c->at++;
  return word;
}

static struct coder start_writing(uint32_t *words, int64_t room) {
  return (struct coder){.range = UINT64_MAX, .out = words, .room = room};
}

static struct coder start_reading(const uint32_t *words, int64_t number) {
  struct coder c = {.range = UINT64_MAX, .in = words, .room = number};
  c.low = next_word(&c) << 32;
  c.low |= next_word(&c);
  return c;
}

/* A carry never runs out of words: the coded number stays below 1. */
static void propagate_carry(struct coder *c) {
  int64_t k = c->at;
  while (++c->out[--k] == 0) {}
}

INLINE void put(struct coder *c, uint32_t left, uint32_t width) {
  const uint64_t scale = c->range >> TOTAL_BITS, step = scale * left;
  c->low += step;
  if (c->low < step) propagate_carry(c);
  c->range = scale * width;
  if (c->range < (uint64_t)1 << 32) {
    c->out[c->at++] = (uint32_t)(c->low >> 32);
    c->low <<= 32;
    c->range <<= 32;
  }
}

/* The column's place in [0, 2^24); more where the words are damaged. */
INLINE uint64_t peek(const struct coder *c) { return c->low / (c->range >> TOTAL_BITS); }

/* Where a column's edge lies in the range: low is at or behind it where the column's place is, and no division is
 * needed. */
INLINE uint64_t edge_of(const struct coder *c, uint32_t left) { return (c->range >> TOTAL_BITS) * left; }

/* Read the column between two edges. */
INLINE void skip_between(struct coder *c, uint64_t left_edge, uint64_t right_edge) {
  c->low -= left_edge;
  c->range = right_edge - left_edge;
  if (c->range < (uint64_t)1 << 32) {
    c->range <<= 32;
    c->low = c->low << 32 | next_word(c);
  }
}

INLINE void skip(struct coder *c, uint32_t left, uint32_t width) {
  skip_between(c, edge_of(c, left), edge_of(c, left + width));
}

/* The length of a symbol of so large a width of 2^24, in 2^-16 bits. */
INLINE uint32_t length_of(const uint32_t *log_table, uint32_t width) {
  const int bits = 31 - __builtin_clz(width);
  const uint32_t mantissa =
      bits >= LENGTH_TABLE_BITS ? width >> (bits - LENGTH_TABLE_BITS) : width << (LENGTH_TABLE_BITS - bits);
  return ((uint32_t)(TOTAL_BITS - bits) << LENGTH_BITS) - log_table[mantissa & ((1 << LENGTH_TABLE_BITS) - 1)];
}

/* log2(1 + i / 2^12) in 2^-16, by squaring: the same on every machine. */
static void fill_log_table(uint32_t *table) {
  for (uint32_t i = 0; i < 1 << LENGTH_TABLE_BITS; i++) {
    uint64_t x = ((uint64_t)i << (31 - LENGTH_TABLE_BITS)) + ((uint64_t)1 << 31); /* in 2^-31 */
    uint32_t log = 0;
    for (int bit = 0; bit < LENGTH_BITS; bit++) {
      x = x * x >> 31;
      log <<= 1;
      if (x >> 32) {
        x >>= 1;
        log |= 1;
      }
    }
    table[i] = log;
  }
}

/* Code one symbol that is known. */
INLINE void take_symbol(const enum coder_mode mode, struct coder *c, int pixel, uint32_t left, uint32_t width) {
  if (mode == WRITE) put(c, left, width);
  if (mode == READ) skip(c, left, width);
  if (mode == MEASURE) c->lengths[pixel] += length_of(c->log_table, width);
}

/* Words that name the interval whatever follows; returns their number. */
static int64_t finish_writing(struct coder *c) {
  if (c->range == UINT64_MAX) return c->at;
  const uint64_t point = c->low + UINT32_MAX;
  if (point < c->low) propagate_carry(c);
  const uint32_t word = (uint32_t)(point >> 32), upper = (uint32_t)((c->low + c->range) >> 32);
  c->out[c->at++] = word;
  if (word == upper) c->out[c->at++] = 0;
  return c->at;
}

/* The encoder puts out one or two words more than were shifted in: so many must have been read, and no more. */
static int is_read_whole(const struct coder *c) { return c->room <= c->at && c->at <= c->room + 1; }

#endif
