/* Local focus: base and scale of every sample from its causal neighbours, and neighbours in units of it.
   Source: docs/format.md, "Focus". The loops go over pixels of a wavefront; compilers turn them into vectors. */
#ifndef HPAC_FOCUS_H
#define HPAC_FOCUS_H

#include "network.h"

enum {
  CHUNK = 64,          /* pixels that go through the network together, so that activations stay in the cache */
  SAMPLE_SLOTS = 16,   /* wavefronts that are kept: the farthest neighbour is 9 away; of references 6 ahead, 6 behind */
  REFERENCE_AHEAD = 6, /* wavefronts by which what is seen of a reference lies ahead at most */
  SAMPLE_MARGIN = 3,   /* rows above the tile; below it two are used, of references */
  MAX_FEATURES = MAX_PLANES * (WINDOW + 2) + POSITION_INPUTS,
  RECIPROCAL_BITS = 18,
  POSITION_BITS = 6
};

/* Neighbours in raster order: rows up, columns right. */
static const int8_t WINDOW_ROW[WINDOW] = {3, 3, 3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 0, 0, 0};
static const int8_t WINDOW_COLUMN[WINDOW] = {-3, -2, -1, 0,  1,  2,  3, -3, -2, -1, 0,
                                             1,  2,  3,  -3, -2, -1, 0, 1,  -3, -2, -1};
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

/* Put one wavefront of a reference into its ring, two pixels around the tile included: there the nearest sample of the
   tile stands. */
static void fill_reference(const struct sample_ring *ring, const struct tile *tile, int reference, int wave) {
  const int height = tile->height, width = tile->width, around = reference_radius(0);
  const int32_t *samples = tile->references + (size_t)reference * (size_t)height * (size_t)width;
  int32_t *column = ring_samples(ring, reference, wave, 0);
  const int last = smaller(height - 1 + around, (wave + around) >> 1);
  for (int y = larger(-around, (wave - width + 2 - around) >> 1); y <= last; y++) {
    const int row = clamp(y, 0, height - 1), x = clamp(wave - 2 * y, 0, width - 1);
    column[y] = samples[(size_t)row * (size_t)width + (size_t)x];
  }
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

/* Bases, and sums of absolute differences over pairs of neighbours, brought to a common denominator. Differences of
   samples are below 2^17, so these are below 2^23. */
NOINLINE void find_bases(const struct run *run, const int32_t *const *near, row_of_lanes *restrict valid,
                         const int32_t *restrict multiplier, int32_t fallback, int32_t *restrict base,
                         int32_t *restrict sum) {
  const int32_t *restrict nw = near[AT_NW], *restrict n = near[AT_N], *restrict ne = near[AT_NE],
                          *restrict w = near[AT_W], *restrict nn = near[AT_NN], *restrict ww = near[AT_WW];
  for (int i = 0; i < run->lanes; i++) {
    const int32_t has_nw = valid[AT_NW][i], has_n = valid[AT_N][i], has_w = valid[AT_W][i];
    const int32_t low = smaller(w[i], n[i]), high = larger(w[i], n[i]);
    const int32_t median = larger(smaller(high, w[i] + n[i] - nw[i]), low);
    const int32_t single = has_w ? w[i] : has_n ? n[i] : fallback;
    base[i] = has_nw ? median : single;
    const int32_t differences =
        (magnitude(w[i] - nw[i]) & has_w & has_nw) + (magnitude(n[i] - nw[i]) & has_n & has_nw) +
        (magnitude(ne[i] - n[i]) & valid[AT_NE][i] & has_n) + (magnitude(w[i] - ww[i]) & has_w & valid[AT_WW][i]) +
        (magnitude(n[i] - nn[i]) & has_n & valid[AT_NN][i]);
    sum[i] = (2 + differences) * multiplier[i];
  }
}

/* Scale levels: how many thresholds are not above a sum; `unknown` where no pair is known. */
NOINLINE void find_levels(const struct network *n, const int32_t *restrict sum, int32_t unknown, int lanes,
                          int32_t *restrict level) {
  row_of_lanes cell, threshold;
  for (int i = 0; i < lanes; i++) cell[i] = level_cell(larger(sum[i], 1));
  look_up(n->cell_threshold, cell, threshold, lanes);
  look_up(n->cell_level, cell, level, lanes);
  for (int i = 0; i < lanes; i++) level[i] = sum[i] ? level[i] + (threshold[i] <= sum[i]) : unknown;
}

/* Of samples without neighbours. */
INLINE int32_t unknown_level(int depth) { return smaller(20 + 4 * larger(depth - 8, 0), LEVELS - 1); }

/* Where on the table of asinh a distance lies. min(|d|, limit) * reciprocal is at most 2^30 and a little:
   docs/format.md, "Tables". */
INLINE int32_t asinh_place(int32_t distance, int32_t limit, int32_t reciprocal) {
  const int32_t near = smaller(magnitude(distance), limit);
  const int32_t place = smaller((near * reciprocal + (1 << (RECIPROCAL_BITS - 1))) >> RECIPROCAL_BITS, ASINH_LAST);
  return distance < 0 ? -place : place;
}

NOINLINE void find_neighbour_places(const int32_t *restrict near, const int32_t *restrict base,
                                    const int32_t *restrict limit, const int32_t *restrict reciprocal,
                                    const int32_t *restrict valid, int32_t *restrict place, int lanes) {
  for (int i = 0; i < lanes; i++) place[i] = asinh_place(near[i] - base[i], limit[i], reciprocal[i]) & valid[i];
}

NOINLINE void find_residual_places(const int32_t *restrict residual, const int32_t *restrict limit,
                                   const int32_t *restrict reciprocal, int32_t *restrict place, int lanes) {
  for (int i = 0; i < lanes; i++) place[i] = asinh_place(residual[i], limit[i], reciprocal[i]);
}

/* Signed activations of places, `step` apart. */
INLINE void look_up_asinh(const struct network *n, const int32_t *place, activation *y, size_t step, int count) {
  const activation *asinh = n->asinh; /* what is written to y might be n, for all that a compiler knows */
  EACH_SCALAR(i, count) {
    STAY_SCALAR;
    y[(size_t)i * step] = asinh[place[i]];
  }
}

/* Words of features: feature f of pixel i is activation f % WORD_INPUTS of word [f / WORD_INPUTS][i]. */
typedef int32_t feature_words[(MAX_FEATURES + WORD_INPUTS - 1) / WORD_INPUTS][CHUNK] ALIGNED;

INLINE activation *feature_column(int32_t (*words)[CHUNK], int feature) {
  return (activation *)words[feature / WORD_INPUTS] + feature % WORD_INPUTS;
}

/* Where the focus of a run is written, for each plane. */
struct focus_rows {
  int32_t *base[MAX_PLANES], *level[MAX_PLANES];
  int32_t *limit[MAX_PLANES], *reciprocal[MAX_PLANES]; /* of the level */
};

/* Samples of a plane that lie as far from each pixel of a run as an offset says. */
INLINE const int32_t *samples_at(const struct sample_ring *ring, int plane, const struct run *run, int dy, int dx) {
  return ring_samples(ring, plane, run->wave + 2 * dy + dx, run->first + dy);
}

static void find_near(const struct sample_ring *ring, int plane, const struct run *run, const int32_t **near) {
  for (int o = 0; o < WINDOW; o++) near[o] = samples_at(ring, plane, run, -WINDOW_ROW[o], WINDOW_COLUMN[o]);
}

/* What a pixel's network is told of references that are not there. */
static void clear_references(const struct shape *s, int num_references, feature_words words) {
  int feature = s->planes * (WINDOW + 2) + POSITION_INPUTS;
  for (int k = 0; k < num_references; k++) feature += num_reference_inputs(k);
  for (; feature < num_inputs(s); feature++) {
    activation *column = feature_column(words, feature);
    for (int i = 0; i < CHUNK; i++) column[i * WORD_INPUTS] = to_activation(0);
  }
}

/* Inputs from the first references, which are there: their samples around the same place, relative to what would be the
   base there, in units of the plane's scale; that base; and their scale. */
static void find_references(const struct network *n, const struct sample_ring *ring, int num_references,
                            const struct run *run, row_of_lanes *restrict valid, const int32_t *restrict multiplier,
                            int depth, const struct focus_rows *focus, feature_words words) {
  const int lanes = run->lanes;
  const int32_t unknown = unknown_level(depth), middle = (int32_t)1 << (depth - 1);
  row_of_lanes all, base, sum, level, place;
  for (int i = 0; i < lanes; i++) all[i] = -1;
  int feature = n->shape.planes * (WINDOW + 2) + POSITION_INPUTS;
  for (int k = 0; k < num_references; k++) {
    const int32_t *near[WINDOW];
    find_near(ring, k, run, near);
    find_bases(run, near, valid, multiplier, middle, base, sum);
    find_levels(n, sum, unknown, lanes, level);
    const int radius = reference_radius(k);
    for (int dy = -radius; dy <= radius; dy++)
      for (int dx = -radius; dx <= radius; dx++) {
        const int32_t *around = samples_at(ring, k, run, dy, dx);
        find_neighbour_places(around, base, focus->limit[0], focus->reciprocal[0], all, place, lanes);
        look_up_asinh(n, place, feature_column(words, feature++), WORD_INPUTS, lanes);
      }
    find_neighbour_places(base, focus->base[0], focus->limit[0], focus->reciprocal[0], all, place, lanes);
    look_up_asinh(n, place, feature_column(words, feature++), WORD_INPUTS, lanes);
    activation *of_level = feature_column(words, feature++), *is_there = feature_column(words, feature++);
    for (int i = 0; i < lanes; i++) {
      of_level[i * WORD_INPUTS] = to_activation(clamp(4 * (level[i] - focus->level[0][i]), -127, 127));
      is_there[i * WORD_INPUTS] = to_activation(16);
    }
  }
}

static void find_features(const struct network *n, const struct sample_ring *ring, const struct sample_ring *references,
                          const struct tile *tile, const struct run *run, const struct focus_rows *out,
                          feature_words words) {
  const struct tables *tables = &n->tables;
  const int planes = n->shape.planes, lanes = run->lanes, depth = tile->depth;
  row_of_lanes valid[WINDOW], multiplier, sum, place;
  find_valid(run, tile->width, valid);
  find_multiplier(run, valid, multiplier);
  const int32_t unknown = unknown_level(depth);
  for (int p = 0; p < planes; p++) {
    const int32_t *near[WINDOW];
    find_near(ring, p, run, near);
    int32_t *base = out->base[p], *level = out->level[p];
    const int32_t middle = p ? 0 : (int32_t)1 << (depth - 1);
    find_bases(run, near, valid, multiplier, middle, base, sum);
    find_levels(n, sum, unknown, lanes, level);
    look_up(tables->level_limit, level, out->limit[p], lanes);
    look_up(tables->level_reciprocal, level, out->reciprocal[p], lanes);
    for (int o = 0; o < WINDOW; o++) {
      find_neighbour_places(near[o], base, out->limit[p], out->reciprocal[p], valid[o], place, lanes);
      look_up_asinh(n, place, feature_column(words, o * planes + p), WORD_INPUTS, lanes);
    }
    activation *of_level = feature_column(words, WINDOW * planes + p);
    activation *of_base = feature_column(words, (WINDOW + 1) * planes + p);
    for (int i = 0; i < lanes; i++) {
      of_level[i * WORD_INPUTS] = to_activation(2 * level[i] - 24);
      of_base[i * WORD_INPUTS] = to_activation(((base[i] - middle) * (1 << POSITION_BITS)) >> depth);
    }
  }
  for (int i = 0; i < lanes; i++) {
    const int32_t y = run->first + i, x = run->wave - 2 * y;
    const int32_t parity[POSITION_INPUTS] = {(x & 1) * 32 - 16, (y & 1) * 32 - 16, ((x ^ y) & 1) ? -16 : 16};
    for (int k = 0; k < POSITION_INPUTS; k++)
      feature_column(words, (WINDOW + 2) * planes + k)[i * WORD_INPUTS] = to_activation(parity[k]);
  }
  if (tile->num_references)
    find_references(n, references, tile->num_references, run, valid, multiplier, depth, out, words);
}

#endif
