/* Content-aware convolutional gating: a causal depth-wise convolution of the gate branch, times the value branch.

   Gates are cached: for every pixel a word with its own gate and those of the WORD_INPUTS - 1 pixels left of it, so
   that one v_dot covers as many taps of a row. Words of a wavefront form a slot of a ring; a slot is as old as the
   farthest tap is wavefronts away. Source: docs/format.md, "Integer network". */
#ifndef HPAC_GATING_H
#define HPAC_GATING_H

#include "linear.h"
#include "unit.h"

enum { MAX_TAP_WORDS = 23, MARGIN_ROWS = MAX_ROWS };

/* Words of gates that a pixel needs, seen from it. */
struct tap_words {
  int num_words, num_taps;
  int row[MAX_TAP_WORDS];              /* rows up, at least 0 */
  int back[MAX_TAP_WORDS];             /* wavefronts back, at least 0: a word is found where its rightmost pixel lies */
  int tap[MAX_TAP_WORDS][WORD_INPUTS]; /* which tap, in raster order, an activation of the word meets; or -1 */
  int slots;                           /* of the ring: a power of two above the largest `back` */
  int reach;                           /* columns right of a pixel that its taps see */
};

/* Cover the taps of a window of slope 2 with so many rows by words. */
static struct tap_words cover_taps(int rows) {
  struct tap_words words = {.slots = 1, .reach = rows};
  for (int dy = -rows; dy <= 0; dy++) {
    const int left = -rows, right = dy ? smaller(rows, -2 * dy - 1) : 0;
    for (int end = right, open = right; open >= left; end -= WORD_INPUTS) {
      end = larger(end, smaller(right, left + WORD_INPUTS - 1)); /* the last word comes as near as it can */
      const int n = words.num_words++;
      words.row[n] = -dy;
      words.back[n] = -(end + 2 * dy);
      while (words.slots <= words.back[n]) words.slots *= 2;
      for (int k = 0; k < WORD_INPUTS; k++) {
        const int dx = end - WORD_INPUTS + 1 + k;
        words.tap[n][k] = left <= dx && dx <= open ? words.num_taps + dx - left : -1;
      }
      open = smaller(open, end - WORD_INPUTS);
    }
    words.num_taps += right - left + 1;
  }
  return words;
}

struct gating {
  vec *weights; /* (width / LANES, words), in the order in which the gate branch's layer stores its outputs */
  vec *bias, *shift;
};

/* Returns 0 if memory is short. */
static int pack_gating(struct gating *gating, struct memory *memory, const struct raw_layer *raw,
                       const struct tap_words *words) {
  const size_t vecs = (size_t)raw->outputs / LANES;
  gating->weights = take(memory, vecs * (size_t)words->num_words * sizeof(vec));
  gating->bias = take(memory, vecs * sizeof(vec));
  gating->shift = take(memory, vecs * sizeof(vec));
  if (!gating->weights || !gating->bias || !gating->shift) return 0;
  for (int first = 0, vectors; first < raw->outputs; first += LANES * vectors) {
    vectors = group_vectors(raw->outputs - first);
    for (int v = 0; v < vectors; v++)
      for (int lane = 0; lane < LANES; lane++) {
        const int channel = first + vector_channel(vectors, v, lane);
        const int8_t *taps = raw->weights + (size_t)channel * (size_t)raw->inputs;
        const size_t vec_at = (size_t)(first / LANES + v), at = vec_at * LANES + (size_t)lane;
        int32_t offset = 0;
        for (int k = 0; k < raw->inputs; k++) offset += taps[k];
        ((int32_t *)gating->bias)[at] =
            raw->bias[channel] + rounding_half(raw->shift[channel]) - ZERO_ACTIVATION * offset;
        ((int32_t *)gating->shift)[at] = raw->shift[channel];
        for (int n = 0; n < words->num_words; n++)
          for (int k = 0; k < WORD_INPUTS; k++)
            if (words->tap[n][k] >= 0) {
              const size_t word = (vec_at * (size_t)words->num_words + (size_t)n) * LANES + (size_t)lane;
              put_weight((int32_t *)gating->weights + word, k, taps[words->tap[n][k]]);
            }
      }
  }
  return 1;
}

/* The cached gates of one block of a tile. */
struct gate_ring {
  int32_t *words; /* (slots, MARGIN_ROWS + height, width) */
  size_t slot_step, row_step;
};

static int make_gate_ring(struct gate_ring *ring, struct memory *memory, int slots, int height, int width) {
  ring->row_step = (size_t)width;
  ring->slot_step = ring->row_step * (size_t)(MARGIN_ROWS + height);
  const size_t size = ring->slot_step * (size_t)slots * WORD_BYTES;
  ring->words = take(memory, size);
  if (!ring->words) return 0;
  memset(ring->words, ZERO_ACTIVATION, size); /* outside the tile gates are 0 */
  return 1;
}

INLINE int32_t *gate_words(const struct gate_ring *ring, int slots, int wave, int row) {
  return ring->words + (size_t)(wave & (slots - 1)) * ring->slot_step + (size_t)(row + MARGIN_ROWS) * ring->row_step;
}

/* Right of the tile gates are 0: shift them into the words of the pixels there that taps see. */
static void append_outside(const struct gate_ring *ring, const struct tap_words *words, int wave, int first) {
  const int rows = (words->reach + 1) / 2; /* two columns a row, since rows move by two */
  for (int row = first - 1; row >= larger(0, first - rows); row--) {
    const int32_t *before = gate_words(ring, words->slots, wave - 1, row);
    int32_t *now = gate_words(ring, words->slots, wave, row);
    for (size_t k = 0; k < ring->row_step; k += LANES) v_store(now + k, v_append(v_load(before + k), v_all(0)));
  }
}

/* A run of pixels of one wavefront. */
struct gating_run {
  const int32_t *taps[MAX_TAP_WORDS]; /* words of the first pixel */
  size_t tap_step;                    /* from pixel to pixel */
  const int32_t *values;
  size_t value_step;
  activation *y;
  size_t y_step;
  int pixels;
};

INLINE void gate_group(const int vectors, const int num_words, const struct gating *gating, int first,
                       const struct gating_run *run) {
  const int at = first / LANES;
  vec weights[MAX_VECTORS * MAX_TAP_WORDS], bias[MAX_VECTORS], shift[MAX_VECTORS]; /* in registers, if they fit */
  memcpy(weights, gating->weights + (size_t)at * (size_t)num_words, (size_t)(vectors * num_words) * sizeof(vec));
  memcpy(bias, gating->bias + at, (size_t)vectors * sizeof(vec));
  memcpy(shift, gating->shift + at, (size_t)vectors * sizeof(vec));
  for (int i = 0; i < run->pixels; i++) {
    vec gated[MAX_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      const size_t lane = (size_t)i * run->tap_step + (size_t)(first + v * LANES);
      vec sum = bias[v];
#pragma GCC unroll 8
      for (int n = 0; n < num_words; n++) sum = v_dot(sum, v_load(run->taps[n] + lane), weights[v * num_words + n]);
      const vec gate = v_clamp(v_shift_each(sum, shift[v]), 127);
      const vec value = v_load(run->values + (size_t)i * run->value_step + first + v * LANES);
      gated[v] = v_shift(v_add(v_product(gate, value), v_all(1 << (NARROW_PLACES - 1))), NARROW_PLACES);
    }
    v_put(vectors, gated, run->y + (size_t)i * run->y_step + first, 1);
  }
}

INLINE void gate_all(const int num_words, const struct gating *gating, int width, const struct gating_run *run) {
  for (int first = 0, vectors; first < width; first += LANES * vectors) {
    vectors = group_vectors(width - first);
#if HPAC_LANES == 16
    if (vectors == 4) gate_group(4, num_words, gating, first, run);
    else if (vectors == 2) gate_group(2, num_words, gating, first, run);
    else gate_group(1, num_words, gating, first, run);
#else
    gate_group(MAX_VECTORS, num_words, gating, first, run);
#endif
  }
}

/* act((gate * value + 8) >> 4) for a run of pixels from row `first` on. */
NOINLINE void run_gating(const struct gating *gating, const struct tap_words *words, const struct gate_ring *ring,
                         int wave, int first, struct gating_run *run) {
  const int width = (int)ring->row_step;
  run->tap_step = ring->row_step;
  for (int n = 0; n < words->num_words; n++)
    run->taps[n] = gate_words(ring, words->slots, wave - words->back[n], first - words->row[n]);
  switch (words->num_words) { /* what shipped networks have is unrolled */
    case 4: gate_all(4, gating, width, run); break;
    case 7: gate_all(7, gating, width, run); break;
    default: gate_all(words->num_words, gating, width, run); break;
  }
}

#endif
