/* Far repetition: fronts, tiles and print repeat beyond the rows that a network sees. Every pixel looks for the earlier
   ones of the tile whose neighbourhoods are most like its own, going on where its neighbours' places went on; what the
   network's errors were there is the mean of one more component. Source: docs/format.md, "Repeats". */
#ifndef HPAC_REPETITION_H
#define HPAC_REPETITION_H

#include "symbols.h"

enum {
  NEIGHBOURS = 16,      /* that make a pixel's bytes */
  BYTES = 32,           /* of a pixel's neighbourhood; a cost is at most 32 * 255 */
  MARGIN = 3,           /* rows above, and columns at either side, whose pixels have no neighbourhood */
  PLACES = 6,           /* that a pixel keeps, the best first */
  PASSED_ON = 4,        /* of them its neighbours try */
  NO_PLACE = -1,        /* others are y * 2^10 + x */
  SIDE_BITS = 10,
  CANDIDATES = 4 * PASSED_ON + 2,
  HASH_BITS = 13,
  RING_WAVES = 4,       /* NW lies three wavefronts before */
  DIVISORS = BYTES * 255 + 5,
  BINS = 6,
  HABITS = 4,           /* what a place foretold in the plane before: nothing, or well, better or worse than the network */
  SHARE_BITS = 20,
  FIRST_SHARE = 31457,  /* 0.03 */
  LEAST_SHARE = 1049,   /* 0.001 */
  MOST_SHARE = 1027604, /* 0.98 */
  DEVIATION_BITS = 12,
  MOST_DEVIATION = 16,
  NARROWEST = 6
};

/* Offsets of neighbours, the nearest first, as (dy, dx); all on earlier wavefronts. */
static const int NEIGHBOUR[NEIGHBOURS][2] = {{0, -1},  {-1, 0},  {-1, -1}, {-1, 1},  {0, -2},  {-2, 0},  {-1, -2}, {-2, -1},
                                             {-2, 1},  {-1, -3}, {-2, 2},  {0, -3},  {-2, -2}, {-2, 3},  {-3, 0},  {-3, 1}};

struct repetition {
  const struct picture *picture;
  int planes, coarser;             /* bytes count in 2^coarser samples */
  ptrdiff_t offset[NEIGHBOURS];    /* from pixel to pixel */
  uint8_t *bytes;                  /* (height, width, BYTES) */
  int32_t *errors;                 /* (height, width, planes): sample less the network's mean, in 1/64 */
  int32_t *places;                 /* (RING_WAVES, height, PLACES) */
  int32_t (*buckets)[2];           /* the latest places of a hash, the last one first */
  int32_t *reciprocal;             /* 2^16 div the number, from 4 on */
  /* of the present wavefront's pixels */
  int32_t *hash, *found;           /* and how many candidates there are */
  int32_t (*candidates)[CANDIDATES];
  int32_t *cost;                   /* of the best place */
  int32_t (*weights)[PLACES], *total;
  int32_t *bin;
  /* of its present plane */
  int32_t *habit, *centre, *scale; /* the network's mean and scale, in 1/64 sample */
  int32_t share[MAX_PLANES][BINS][HABITS], deviation[MAX_PLANES][BINS][HABITS];
};

static struct repetition *make_repetition(struct memory *memory, const struct picture *picture, int planes,
                                          size_t lanes) {
  const size_t pixels = (size_t)picture->height * (size_t)picture->width;
  const size_t ring = (size_t)RING_WAVES * (size_t)picture->height * PLACES;
  struct repetition *r = take(memory, sizeof *r);
  if (!r) return NULL;
  r->picture = picture;
  r->planes = planes;
  r->coarser = larger(picture->depth - 8, 0);
  for (int k = 0; k < NEIGHBOURS; k++) r->offset[k] = (ptrdiff_t)NEIGHBOUR[k][0] * picture->width + NEIGHBOUR[k][1];
  int ok = (r->bytes = take(memory, pixels * BYTES)) && (r->weights = take(memory, lanes * sizeof *r->weights)) &&
           (r->errors = take(memory, pixels * (size_t)planes * sizeof(int32_t))) &&
           (r->places = take(memory, ring * sizeof(int32_t))) &&
           (r->buckets = take(memory, sizeof *r->buckets << HASH_BITS)) &&
           (r->reciprocal = take(memory, DIVISORS * sizeof(int32_t)));
  ok = ok && (r->candidates = take(memory, lanes * sizeof *r->candidates));
  int32_t **rows[8] = {&r->hash, &r->found, &r->cost, &r->total, &r->bin, &r->habit, &r->centre, &r->scale};
  for (int k = 0; ok && k < 8; k++) ok = (*rows[k] = take(memory, lanes * sizeof(int32_t))) != NULL;
  if (!ok) return NULL;
  for (int32_t k = 4; k < DIVISORS; k++) r->reciprocal[k] = (1 << 16) / k;
  for (int k = 0; k < 1 << HASH_BITS; k++) r->buckets[k][0] = r->buckets[k][1] = NO_PLACE;
  for (int p = 0; p < planes; p++)
    for (int bin = 0; bin < BINS; bin++)
      for (int habit = 0; habit < HABITS; habit++) {
        r->share[p][bin][habit] = FIRST_SHARE;
        r->deviation[p][bin][habit] = 1 << DEVIATION_BITS;
      }
  return r;
}

INLINE int32_t *places_of(const struct repetition *r, int wave, int row) {
  return r->places + ((size_t)(wave & (RING_WAVES - 1)) * (size_t)r->picture->height + (size_t)row) * PLACES;
}

INLINE size_t pixel_of(const struct repetition *r, int32_t place) {
  return (size_t)(place >> SIDE_BITS) * (size_t)r->picture->width + (size_t)(place & ((1 << SIDE_BITS) - 1));
}

/* Whether all neighbours lie in the tile. */
INLINE int has_neighbourhood(const struct repetition *r, int y, int x) {
  return y >= MARGIN && y < r->picture->height && x >= MARGIN && x < r->picture->width - MARGIN;
}

INLINE uint8_t to_byte(const struct repetition *r, int32_t difference) {
  return (uint8_t)(clamp(difference >> r->coarser, -128, 127) + 128);
}

/* What a pixel's neighbours are, as bytes that are compared: those of the first plane, the nearest twice, and a few of
   the others. Samples of three planes lie as R, G, B. */
INLINE void find_bytes(const struct repetition *r, size_t pixel, uint8_t *restrict bytes) {
  const int32_t *samples = r->picture->samples + pixel * (size_t)r->planes + (r->planes == 1 ? 0 : 1);
  const int32_t middle = (samples[r->offset[0] * r->planes] + samples[r->offset[1] * r->planes]) >> 1;
  for (int k = 0; k < NEIGHBOURS; k++) bytes[k] = to_byte(r, samples[r->offset[k] * r->planes] - middle);
  memcpy(bytes + NEIGHBOURS, bytes, 4);
  if (r->planes == 1) return;
  const int32_t *left = samples + r->offset[0] * r->planes;
  for (int k = 1; k <= 6; k++) {
    const int32_t *at = samples + r->offset[k] * r->planes;
    bytes[18 + 2 * k] = to_byte(r, (at[-1] - *at) - (left[-1] - *left));
    bytes[19 + 2 * k] = to_byte(r, (at[1] - *at) - (left[1] - *left));
  }
}

INLINE int32_t hash_bytes(const uint8_t *bytes) {
  uint32_t hash = 1;
  for (int k = 0; k < 6; k++) hash = hash * 1000003u + ((uint32_t)(bytes[k] + 8) >> 4) + 77u;
  return (int32_t)(hash * 2654435761u >> (32 - HASH_BITS));
}

INLINE int32_t compare_bytes(const uint8_t *restrict a, const uint8_t *restrict b) {
  int32_t sum = 0;
  for (int k = 0; k < BYTES; k++) sum += abs((int)a[k] - (int)b[k]);
  return sum;
}

/* Add a place if it is new; its bytes are wanted soon, and lie anywhere. */
INLINE int add_candidate(const struct repetition *r, int32_t *candidates, int found, int32_t place) {
  for (int k = 0; k < found; k++)
    if (candidates[k] == place) return found;
  __builtin_prefetch(r->bytes + pixel_of(r, place) * BYTES);
  candidates[found] = place;
  return found + 1;
}

/* Places that a pixel tries, each once: next to the best of W, N, NW and NE, then the latest of its hash. All lie on earlier
   wavefronts: a place next to a neighbour's is as much earlier than the pixel as that is earlier than the neighbour. */
INLINE int find_candidates(const struct repetition *r, int wave, int row, int32_t hash, int32_t *candidates) {
  static const int down[4] = {0, 1, 1, 1}, right[4] = {1, 0, 1, -1};
  int found = 0;
  for (int k = 0; k < 4; k++) {
    const int32_t *places = places_of(r, wave - 2 * down[k] - right[k], row - down[k]);
    for (int rank = 0; rank < PASSED_ON && places[rank] != NO_PLACE; rank++) {
      const int y = (places[rank] >> SIDE_BITS) + down[k], x = (places[rank] & ((1 << SIDE_BITS) - 1)) + right[k];
      if (has_neighbourhood(r, y, x)) found = add_candidate(r, candidates, found, y * (1 << SIDE_BITS) + x);
    }
  }
  for (int k = 0; k < 2; k++)
    if (r->buckets[hash][k] != NO_PLACE) found = add_candidate(r, candidates, found, r->buckets[hash][k]);
  return found;
}

/* Keep the best candidates; of equal ones those that were found first. Returns the best one's cost. */
INLINE int32_t keep_best(const struct repetition *r, const uint8_t *bytes, const int32_t *candidates, int found,
                         int32_t *places, int32_t *cost) {
  for (int k = 0; k < PLACES; k++) places[k] = NO_PLACE, cost[k] = INT32_MAX;
  for (int c = 0; c < found; c++) {
    const int32_t its = compare_bytes(bytes, r->bytes + pixel_of(r, candidates[c]) * BYTES);
    int at = PLACES;
    for (; at > 0 && its < cost[at - 1]; at--)
      if (at < PLACES) cost[at] = cost[at - 1], places[at] = places[at - 1];
    if (at < PLACES) cost[at] = its, places[at] = candidates[c];
  }
  return cost[0];
}

/* Find the places of a wavefront's pixels, before any of their samples is known. */
NOINLINE void find_places(struct repetition *r, int wave, int first, int pixels) {
  for (int i = 0; i < pixels; i++) {
    const int y = first + i, x = wave - 2 * y;
    places_of(r, wave, y)[0] = NO_PLACE;
    r->hash[i] = NO_PLACE;
    r->habit[i] = 0;
    if (!has_neighbourhood(r, y, x)) continue;
    const size_t pixel = (size_t)y * (size_t)r->picture->width + (size_t)x;
    find_bytes(r, pixel, r->bytes + pixel * BYTES);
    r->hash[i] = hash_bytes(r->bytes + pixel * BYTES);
    r->found[i] = find_candidates(r, wave, y, r->hash[i], r->candidates[i]);
  }
  for (int i = 0; i < pixels; i++) {
    if (r->hash[i] == NO_PLACE) continue;
    const int y = first + i;
    int32_t *places = places_of(r, wave, y), cost[PLACES];
    const uint8_t *bytes = r->bytes + ((size_t)y * (size_t)r->picture->width + (size_t)(wave - 2 * y)) * BYTES;
    r->cost[i] = keep_best(r, bytes, r->candidates[i], r->found[i], places, cost);
    r->total[i] = 0;
    for (int k = 0; k < PLACES && places[k] != NO_PLACE; k++) {
      __builtin_prefetch(r->errors + pixel_of(r, places[k]) * (size_t)r->planes);
      r->total[i] += r->weights[i][k] = r->reciprocal[4 + cost[k] - (3 * cost[0] >> 2)];
    }
  }
}

/* Let later wavefronts find this one's pixels. */
static void remember_places(const struct repetition *r, int wave, int first, int pixels) {
  for (int i = 0; i < pixels; i++) {
    if (r->hash[i] == NO_PLACE) continue;
    int32_t *bucket = r->buckets[r->hash[i]];
    const int y = first + i;
    bucket[1] = bucket[0];
    bucket[0] = y * (1 << SIDE_BITS) + wave - 2 * y;
  }
}

/* Dividends are below 2^44, so that rounding down is all that is to be done. */
INLINE int32_t divide_down(int64_t dividend, int32_t divisor) {
  return (int32_t)(dividend / divisor - (dividend % divisor < 0));
}

/* The network's mean and scale of a run of pixels; sums are below 2^36. */
NOINLINE void find_centre(const struct network *n, const struct mixture *m, int components, int at, int lanes,
                          int32_t *restrict centre, int32_t *restrict scale) {
  int64_t mean_sum[CHUNK] ALIGNED, scale_sum[CHUNK] ALIGNED;
  for (int i = 0; i < lanes; i++) mean_sum[i] = scale_sum[i] = 0;
  for (int j = 0; j < components; j++) {
    const int32_t *restrict mean = m->mean[j] + at, *restrict weight = m->weight[j] + at;
    row_of_lanes width;
    look_up(n->tables.spread, m->spread[j] + at, width, lanes);
    for (int i = 0; i < lanes; i++) mean_sum[i] += (int64_t)mean[i] * weight[i];
    for (int i = 0; i < lanes; i++) scale_sum[i] += (int64_t)width[i] * weight[i];
  }
  for (int i = 0; i < lanes; i++) centre[i] = (int32_t)(mean_sum[i] >> WEIGHT_BITS);
  for (int i = 0; i < lanes; i++) scale[i] = (int32_t)(scale_sum[i] >> WEIGHT_BITS);
}

/* How large the best cost is, measured by the first plane's scale. */
INLINE int32_t find_bin(const struct repetition *r, int32_t cost, int32_t scale) {
  const int32_t unit = (scale >> r->coarser) + 13;
  int32_t bin = 0;
  for (int k = 0; k < BINS - 1; k++) bin += 4 * (cost + 8) >= unit * (1 << k);
  return bin;
}

/* The number on the table of spreads of about a scale, 1/64 sample; its octave is divided evenly. */
INLINE int32_t spread_of(int64_t scale) {
  const uint32_t limited = (uint32_t)(scale < NARROWEST ? NARROWEST : scale); /* at most 2^28 */
  const int octave = 31 - __builtin_clz(limited);
  const int32_t part = (int32_t)((uint64_t)limited * 16 >> octave) - 16;
  return smaller(16 * (octave - 2) + part, SPREADS - 1);
}

/* Join the component to the mixtures of a run of pixels, whose number `components` is of the network's. */
static void join_mixture(struct repetition *r, const struct network *n, const struct mixture *m, int plane,
                         const struct run *run, int at) {
  const int components = n->shape.components;
  find_centre(n, m, components, at, run->lanes, r->centre + at, r->scale + at);
  for (int i = at; i < at + run->pixels; i++) {
    const int32_t *places = places_of(r, run->wave, run->first + i - at);
    int32_t *mean = m->mean[components] + i, *weight = m->weight[components] + i, *spread = m->spread[components] + i;
    *mean = r->centre[i], *weight = *spread = 0;
    if (places[0] == NO_PLACE) continue;
    if (plane == 0) r->bin[i] = find_bin(r, r->cost[i], r->scale[i]);
    int64_t sum = 0;
    for (int k = 0; k < PLACES && places[k] != NO_PLACE; k++)
      sum += (int64_t)r->weights[i][k] * r->errors[pixel_of(r, places[k]) * (size_t)r->planes + (size_t)plane];
    *mean = clamp(r->centre[i] + divide_down(sum, r->total[i]), -MEAN_LIMIT, MEAN_LIMIT);
    *spread = spread_of(((int64_t)r->deviation[plane][r->bin[i]][r->habit[i]] * r->scale[i] * 179) >> (DEVIATION_BITS + 8));
    *weight = r->share[plane][r->bin[i]][r->habit[i]] >> (SHARE_BITS - WEIGHT_BITS);
    int32_t running = 0, before = 0;
    for (int j = 0; j < components; j++) {
      running += m->weight[j][i];
      const int32_t scaled = (running * ((1 << WEIGHT_BITS) - *weight)) >> WEIGHT_BITS;
      m->weight[j][i] = scaled - before;
      before = scaled;
    }
  }
}

/* The component's part of 2^18 below an edge of a sample's window. */
INLINE int32_t part_below(const struct network *n, const struct mixture *m, int j, int i, int32_t bucket) {
  if (bucket < 0) return 0;
  if (bucket > BUCKETS) return 1 << (MASS_BITS - WEIGHT_BITS);
  const int32_t edge = m->start[i] + bucket * (1 << m->exponent[i]);
  if (edge <= m->low[i]) return 0;
  if (edge > m->high[i]) return 1 << (MASS_BITS - WEIGHT_BITS);
  const int32_t step = m->step[j][i], shift = shift_place(shift_of(m, i, edge), step, m->exponent[i]);
  return n->tables.sigmoid[logistic_index(m->first[j][i] + bucket * step + shift)];
}

/* Learn from the samples of one plane on a wavefront, which are known now, relative to their bases. */
static void learn_repetition(struct repetition *r, const struct network *n, const struct mixture *m,
                             const struct symbol_room *room, int plane, int wave, int first, int pixels,
                             const int32_t *residual) {
  const int component = n->shape.components;
  for (int i = 0; i < pixels; i++) {
    const int y = first + i;
    const size_t pixel = (size_t)y * (size_t)r->picture->width + (size_t)(wave - 2 * y);
    const int32_t position = residual[i] * (1 << POSITION_BITS), error = position - r->centre[i];
    r->errors[pixel * (size_t)r->planes + (size_t)plane] = error;
    if (places_of(r, wave, y)[0] == NO_PLACE) continue;
    const int32_t ours = magnitude(position - m->mean[component][i]), theirs = magnitude(error);
    int32_t *share = &r->share[plane][r->bin[i]][r->habit[i]], *deviation = &r->deviation[plane][r->bin[i]][r->habit[i]];
    const int32_t bucket = room->bucket[i];
    const int32_t part = part_below(n, m, component, i, bucket + 1) - part_below(n, m, component, i, bucket);
    const int64_t mass = (m->weight[component][i] * part) >> (MASS_BITS - TOTAL_BITS);
    const int64_t whole = (mass << WEIGHT_BITS) / room->width[i];
    const int32_t posterior = (int32_t)(whole > 1 << WEIGHT_BITS ? 1 << WEIGHT_BITS : whole);
    const int64_t most = (int64_t)MOST_DEVIATION * r->scale[i], limited = ours < most ? ours : most;
    const int32_t its = (int32_t)((limited << DEVIATION_BITS) / r->scale[i]);
    *deviation += (posterior * (its - *deviation)) >> (WEIGHT_BITS + 5);
    *share = clamp(*share + ((posterior * (1 << (SHARE_BITS - WEIGHT_BITS)) - *share) >> 6), LEAST_SHARE, MOST_SHARE);
    r->habit[i] = 2 * ours < theirs ? 1 : ours < theirs ? 2 : 3;
  }
}

#endif
