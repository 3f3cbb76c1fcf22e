/* Local focus: base and scale of every sample from its causal neighbours, and neighbours in units of it.
   Source: docs/format.md, "Focus". The loops go over pixels of a wavefront; compilers turn them into vectors. */
#ifndef HPAC_FOCUS_H
#define HPAC_FOCUS_H

#include "network.h"

enum {
  CHUNK = 64,          /* pixels that go through the network together, so that activations stay in the cache */
  SAMPLE_SLOTS = 16,   /* wavefronts that are kept: the farthest neighbour is 9 away */
  SAMPLE_MARGIN = 3,   /* rows above the tile */
  MAX_FEATURES = MAX_PLANES * (WINDOW + 2) + POSITION_INPUTS,
  RECIPROCAL_BITS = 18,
  POSITION_BITS = 6
};

/* Neighbours in raster order: rows up, columns right. */
static const int8_t WINDOW_ROW[WINDOW] = {3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0};
static const int8_t WINDOW_COLUMN[WINDOW] = {-3, -2, -1, 0, 1, 2, 3, -3, -2, -1, 0, 1, 2, 3, -3, -2, -1, 0, 1, -3, -2, -1};
enum { AT_NN = 10, AT_NW = 16, AT_N = 17, AT_NE = 18, AT_WW = 20, AT_W = 21 };

/* Samples of the last wavefronts: (planes, SAMPLE_SLOTS, row_step). */
struct sample_ring {
  int32_t *samples;
  size_t slot_step;
};

static int make_sample_ring(struct sample_ring *ring, struct memory *memory, int planes, int height) {
  ring->slot_step = (size_t)round_up(SAMPLE_MARGIN + height + CHUNK, 16);
  ring->samples = take(memory, (size_t)planes * SAMPLE_SLOTS * ring->slot_step * sizeof(int32_t));
  return ring->samples != NULL;
}

INLINE int32_t *ring_samples(const struct sample_ring *ring, int plane, int wave, int row) {
  return ring->samples + ((size_t)plane * SAMPLE_SLOTS + (size_t)(wave & (SAMPLE_SLOTS - 1))) * ring->slot_step +
         (size_t)(SAMPLE_MARGIN + row);
}

/* A run of at most CHUNK pixels of one wavefront; lanes are padded to 16. */
struct run {
  int wave, first, pixels, lanes;
};

typedef int32_t row_of_lanes[CHUNK] ALIGNED;

/* -1 where the neighbour lies in the tile, else 0. */
NOINLINE void find_valid(const struct run *run, int width, row_of_lanes *restrict valid) {
  for (int o = 0; o < WINDOW; o++) {
    const int dy = -WINDOW_ROW[o], dx = WINDOW_COLUMN[o];
    for (int i = 0; i < run->lanes; i++) {
      const int32_t y = run->first + i, x = run->wave - 2 * y;
      valid[o][i] = -((y + dy >= 0) & (x + dx >= 0) & (x + dx < width));
    }
  }
}

/* 60 div the number of pairs of which both are known; 0 for none. */
NOINLINE void find_multiplier(const struct run *run, row_of_lanes *restrict valid, int32_t *restrict multiplier) {
  static const int32_t quotient[6] = {0, 60, 30, 20, 15, 12};
  for (int i = 0; i < run->lanes; i++) {
    const int32_t pairs = (valid[AT_W][i] & valid[AT_NW][i]) + (valid[AT_N][i] & valid[AT_NW][i]) +
                          (valid[AT_NE][i] & valid[AT_N][i]) + (valid[AT_W][i] & valid[AT_WW][i]) +
                          (valid[AT_N][i] & valid[AT_NN][i]);
    multiplier[i] = quotient[-pairs];
  }
}

/* Differences of samples are below 2^17, so sums of five and their multiples by 60 div 5 fit 32 bits. */
NOINLINE void find_focus(const struct tables *tables, const struct run *run, const int32_t *const *near,
                         row_of_lanes *restrict valid, const int32_t *restrict multiplier, int32_t fallback,
                         int32_t unknown, int32_t *restrict base, int32_t *restrict level) {
  const int32_t *restrict threshold = tables->level_threshold;
  const int32_t *restrict nw = near[AT_NW], *restrict n = near[AT_N], *restrict ne = near[AT_NE],
                         *restrict w = near[AT_W], *restrict nn = near[AT_NN], *restrict ww = near[AT_WW];
  for (int i = 0; i < run->lanes; i++) {
    const int32_t has_nw = valid[AT_NW][i], has_n = valid[AT_N][i], has_w = valid[AT_W][i];
    const int32_t low = smaller(w[i], n[i]), high = larger(w[i], n[i]);
    const int32_t median = larger(smaller(high, w[i] + n[i] - nw[i]), low);
    const int32_t single = has_w ? w[i] : has_n ? n[i] : fallback;
    base[i] = has_nw ? median : single;
    const int32_t sum = 2 + (magnitude(w[i] - nw[i]) & has_w & has_nw) + (magnitude(n[i] - nw[i]) & has_n & has_nw) +
                        (magnitude(ne[i] - n[i]) & valid[AT_NE][i] & has_n) +
                        (magnitude(w[i] - ww[i]) & has_w & valid[AT_WW][i]) +
                        (magnitude(n[i] - nn[i]) & has_n & valid[AT_NN][i]);
    const int32_t scaled = sum * multiplier[i];
    int32_t found = 0; /* thresholds that are not above: a binary search */
    for (int step = THRESHOLDS_PADDED / 2; step; step /= 2) found += threshold[found + step - 1] <= scaled ? step : 0;
    level[i] = multiplier[i] ? found : unknown;
  }
}

/* min(|d|, limit) * reciprocal is at most 2^30 and a little: docs/format.md, "Tables". */
INLINE int32_t normalise(const int32_t *asinh, int32_t distance, int32_t limit, int32_t reciprocal) {
  const int32_t near = smaller(magnitude(distance), limit);
  const int32_t index = smaller((near * reciprocal + (1 << (RECIPROCAL_BITS - 1))) >> RECIPROCAL_BITS, ASINH_LAST);
  return distance < 0 ? -asinh[index] : asinh[index];
}

NOINLINE void normalise_neighbour(const int32_t *restrict asinh, const int32_t *restrict near,
                                  const int32_t *restrict base, const int32_t *restrict limit,
                                  const int32_t *restrict reciprocal, const int32_t *restrict valid,
                                  int32_t *restrict feature, int lanes) {
  for (int i = 0; i < lanes; i++) feature[i] = normalise(asinh, near[i] - base[i], limit[i], reciprocal[i]) & valid[i];
}

/* Residuals in units of the scale of a level, as signed activations `step` apart. */
NOINLINE void normalise_residuals(const struct tables *tables, const int32_t *restrict residual,
                                  const int32_t *restrict level, activation *restrict y, size_t step, int pixels) {
  row_of_lanes value;
  for (int i = 0; i < pixels; i++)
    value[i] = normalise(tables->asinh, residual[i], tables->level_limit[level[i]], tables->level_reciprocal[level[i]]);
  for (int i = 0; i < pixels; i++) y[(size_t)i * step] = to_activation(value[i]);
}

/* Words of features: word k of pixel i at [k][i]. */
typedef int32_t feature_words[(MAX_FEATURES + WORD_INPUTS - 1) / WORD_INPUTS][CHUNK] ALIGNED;

INLINE int32_t pack_word(row_of_lanes *features, int i) {
  if (WORD_INPUTS == 1) return features[0][i];
  if (WORD_INPUTS == 2) return (int32_t)(((uint32_t)features[0][i] & 0xffff) | ((uint32_t)features[1][i] << 16));
  const uint32_t word = ((uint32_t)features[0][i] & 255) | ((uint32_t)features[1][i] & 255) << 8 |
                        ((uint32_t)features[2][i] & 255) << 16 | (uint32_t)features[3][i] << 24;
  return (int32_t)(word ^ (ZERO_ACTIVATION * 0x01010101u));
}

NOINLINE void pack_features(row_of_lanes *restrict features, int words, int lanes, feature_words words_out) {
  for (int k = 0; k < words; k++)
    for (int i = 0; i < lanes; i++) words_out[k][i] = pack_word(features + k * WORD_INPUTS, i);
}

/* Where the focus of a run is written, for each plane. */
struct focus_rows {
  int32_t *base[MAX_PLANES], *level[MAX_PLANES];
};

static void find_features(const struct network *n, const struct sample_ring *ring, const struct run *run, int width,
                          int depth, const struct focus_rows *out, feature_words words) {
  const struct tables *tables = &n->tables;
  const int planes = n->shape.planes, lanes = run->lanes;
  row_of_lanes valid[WINDOW], multiplier, limit, reciprocal, features[MAX_FEATURES + WORD_INPUTS - 1];
  find_valid(run, width, valid);
  find_multiplier(run, valid, multiplier);
  const int32_t unknown = smaller(20 + 4 * larger(depth - 8, 0), LEVELS - 1);
  int at = WINDOW * planes;
  for (int p = 0; p < planes; p++) {
    const int32_t *near[WINDOW];
    for (int o = 0; o < WINDOW; o++) {
      const int dy = -WINDOW_ROW[o];
      near[o] = ring_samples(ring, p, run->wave + 2 * dy + WINDOW_COLUMN[o], run->first + dy);
    }
    int32_t *base = out->base[p], *level = out->level[p];
    const int32_t middle = p ? 0 : (int32_t)1 << (depth - 1);
    find_focus(tables, run, near, valid, multiplier, middle, unknown, base, level);
    for (int i = 0; i < lanes; i++) limit[i] = tables->level_limit[level[i]];
    for (int i = 0; i < lanes; i++) reciprocal[i] = tables->level_reciprocal[level[i]];
    for (int o = 0; o < WINDOW; o++)
      normalise_neighbour(tables->asinh, near[o], base, limit, reciprocal, valid[o], features[o * planes + p], lanes);
    for (int i = 0; i < lanes; i++) features[at + p][i] = 2 * level[i] - 24;
    for (int i = 0; i < lanes; i++) features[at + planes + p][i] = ((base[i] - middle) * (1 << POSITION_BITS)) >> depth;
  }
  at += 2 * planes;
  for (int i = 0; i < lanes; i++) {
    const int32_t y = run->first + i, x = run->wave - 2 * y;
    const int32_t px = (x & 1) * 32 - 16, py = (y & 1) * 32 - 16;
    features[at][i] = px;
    features[at + 1][i] = py;
    features[at + 2][i] = px * py / 16;
  }
  at += POSITION_INPUTS;
  for (; at % WORD_INPUTS; at++) memset(features[at], 0, sizeof features[at]);
  pack_features(features, at / WORD_INPUTS, lanes, words);
}

#endif
