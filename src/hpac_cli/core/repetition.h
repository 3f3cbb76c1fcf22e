/* Far repetition: fronts, tiles and print repeat beyond the rows that a network sees. Every pixel looks for the earlier
   ones of the tile whose neighbourhoods are most like its own, going on where its neighbours' places went on; what the
   network's errors were there is the mean of one more component. Source: docs/format.md, "Repeats".

   What is kept of pixels lies wavefront by wavefront, in `slots` of number wave * height + row: what a wavefront's
   pixels have in common then lies side by side, and two pixels as far apart as two others are so in slots, too. A place
   is such a distance, how many slots it lies before the pixel. Wherever a distance leads in the tile, it leads to a
   slot before the pixel's: one that holds nothing, or is not known yet, has zeros. */
#ifndef HPAC_REPETITION_H
#define HPAC_REPETITION_H

#include "symbols.h"

enum {
  BYTES = 16,   /* of a pixel's neighbourhood, */
  NEAR = 8,     /* so many of them of the nearest samples; the others count half */
  AT_NORTH = 2, /* among the bytes */
  AT_WEST = 5,
  MARGIN = 3,  /* rows above, and columns at either side, whose pixels have no neighbourhood */
  PLACES = 4,  /* that a pixel keeps, the best first */
  TELLERS = 3, /* W, N and NE, whose places a pixel tries */
  LATEST = 2,  /* pixels of the same hash that it tries */
  CANDIDATES = TELLERS * PLACES + LATEST,
  PLACE_BITS = 22, /* (1024 + 2 * 1024) * 1024 slots */
  MOST_COST = 511, /* cost and place share the 31 bits of a key */
  NO_KEY = INT32_MAX,
  HASH_BITS = 13,
  RING_WAVES = 4,        /* N lies two wavefronts before */
  VOTE_BITS = 12,        /* weights of places sum to 2^12 at most, */
  ERROR_LIMIT = 1 << 18, /* so that weighted errors sum to 2^30 */
  BINS = 6,
  HABITS = 4, /* what a place foretold in the plane before: nothing, or well, better or worse than the network */
  SHARE_BITS = 20,
  FIRST_SHARE = 31457,  /* 0.03 */
  LEAST_SHARE = 1049,   /* 0.001 */
  MOST_SHARE = 1027604, /* 0.98 */
  DEVIATION_BITS = 12,
  MOST_DEVIATION = 16,
  NARROWEST = 8 /* on the table of spreads */
};

_Static_assert(3 * MAX_SIDE * MAX_SIDE < 1 << PLACE_BITS, "every place has a number");

/* From neighbours that pass their places on to the pixel: W, N, NE. */
static const int FROM_DOWN[TELLERS] = {0, 1, 1}, FROM_RIGHT[TELLERS] = {1, 0, -1};

struct repetition {
  const struct tile *tile;
  int coarser;       /* bytes count in 2^coarser samples */
  uint8_t *samples;  /* high bytes of the first plane, (height, width) */
  uint8_t *bytes;    /* (slots, BYTES) */
  int32_t *errors;   /* (slots, error_step): sample less the network's mean, in 1/64, by plane */
  size_t error_step; /* 1, or 4 of three planes: a vector */
  int32_t *places;   /* (RING_WAVES, PLACES, height) */
  size_t ring_step;
  int32_t (*buckets)[LATEST]; /* the latest slots of a hash, the last one first */
  /* of the present wavefront's pixels, by number */
  int from, to; /* those that have a neighbourhood lie side by side */
  int32_t *hash;
  int32_t *key[CANDIDATES]; /* cost and place */
  int32_t *best[PLACES];    /* the lowest keys */
  int32_t *vote[PLACES];    /* weights of places */
  int32_t *expected[4];     /* errors, by plane */
  int32_t *cost;            /* of the best place; above MOST_COST where there is none */
  int32_t *bin;
  /* of its present plane */
  int32_t *habit, *centre, *scale; /* the network's mean and scale, in 1/64 sample */
  int32_t *context, *posterior, *deviant;
  int32_t share[MAX_PLANES][BINS * HABITS], deviation[MAX_PLANES][BINS * HABITS];
};

static int take_rows(struct memory *memory, int32_t **rows, int count, size_t lanes) {
  for (int k = 0; k < count; k++)
    if (!(rows[k] = take(memory, lanes * sizeof(int32_t)))) return 0;
  return 1;
}

static struct repetition *make_repetition(struct memory *memory, const struct tile *tile, int planes, size_t lanes) {
  const size_t height = (size_t)tile->height, width = (size_t)tile->width, slots = height * (width + 2 * height);
  struct repetition *r = take(memory, sizeof *r);
  if (!r) return NULL;
  r->tile = tile;
  r->coarser = larger(tile->depth - 8, 0);
  r->error_step = planes == 1 ? 1 : 4;
  r->ring_step = height + 1;
  int ok = (r->samples = take(memory, height * width)) && (r->bytes = take(memory, slots * BYTES)) &&
           (r->errors = take(memory, slots * r->error_step * sizeof(int32_t))) &&
           (r->places = take(memory, RING_WAVES * PLACES * r->ring_step * sizeof(int32_t))) &&
           (r->buckets = take(memory, sizeof *r->buckets << HASH_BITS));
  int32_t **rows[9] = {&r->hash,  &r->cost,    &r->bin,       &r->habit,  &r->centre,
                       &r->scale, &r->context, &r->posterior, &r->deviant};
  for (int k = 0; ok && k < 9; k++) ok = take_rows(memory, rows[k], 1, lanes);
  ok = ok && take_rows(memory, r->key, CANDIDATES, lanes) && take_rows(memory, r->best, PLACES, lanes) &&
       take_rows(memory, r->vote, PLACES, lanes) && take_rows(memory, r->expected, 4, lanes);
  if (!ok) return NULL;
  for (int p = 0; p < planes; p++)
    for (int k = 0; k < BINS * HABITS; k++) {
      r->share[p][k] = FIRST_SHARE;
      r->deviation[p][k] = 1 << DEVIATION_BITS;
    }
  return r;
}

INLINE size_t slot_of(const struct repetition *r, int wave, int row) {
  return (size_t)wave * (size_t)r->tile->height + (size_t)row;
}

INLINE size_t pixel_of(const struct repetition *r, int wave, int row) {
  return (size_t)row * (size_t)r->tile->width + (size_t)(wave - 2 * row);
}

/* Places of a rank that are kept of a wavefront, by row. */
INLINE int32_t *places_of(const struct repetition *r, int wave, int rank) {
  return r->places + ((size_t)(wave & (RING_WAVES - 1)) * PLACES + (size_t)rank) * r->ring_step;
}

/* Which of a wavefront's pixels have all neighbours in the tile. */
static void find_inner(struct repetition *r, int wave, int first, int pixels) {
  const int width = r->tile->width;
  r->from = clamp(larger(MARGIN, (wave - width + MARGIN + 2) >> 1) - first, 0, pixels);
  r->to = clamp(((wave - MARGIN) >> 1) + 1 - first, r->from, pixels);
}

/* Copy the neighbours of a wavefront's pixels: NWW, NW, N, NE; WW, W; NN, NNE; and eight around them. */
NOINLINE void copy_neighbours(const struct repetition *r, int wave, int first) {
  const ptrdiff_t width = r->tile->width;
  for (int i = r->from; i < r->to; i++) {
    const uint8_t *at = r->samples + pixel_of(r, wave, first + i);
    uint8_t *bytes = r->bytes + slot_of(r, wave, first + i) * BYTES;
    memcpy(bytes, at - width - 2, 4);
    memcpy(bytes + 4, at - 2, 2);
    memcpy(bytes + 6, at - 2 * width, 2);
    memcpy(bytes + 8, at - 2 * width - 2, 2);
    memcpy(bytes + 10, at - 2 * width + 2, 2);
    memcpy(bytes + 12, at - 3 * width, 2);
    bytes[14] = at[-width - 3];
    bytes[15] = at[-3];
  }
}

/* Make them the bytes that are compared; in a loop of its own, as reading soon what was written in pieces is slow. */
NOINLINE void find_bytes(const struct repetition *r, int wave, int first) {
  for (int i = r->from; i < r->to; i++) {
    uint8_t *bytes = r->bytes + slot_of(r, wave, first + i) * BYTES;
    const int32_t middle = (bytes[AT_WEST] + bytes[AT_NORTH]) >> 1;
    for (int k = 0; k < BYTES; k++) {
      const int32_t byte = clamp(bytes[k] - middle, -128, 127) + 128;
      bytes[k] = (uint8_t)(k < NEAR ? byte : byte >> 1);
    }
  }
}

/* Of NW, N, NE, WW, W and NN, rounded. */
INLINE int32_t hash_bytes(const uint8_t *bytes) {
  uint64_t word = 0;
  for (int k = 0; k < NEAR; k++) word |= (uint64_t)bytes[k] << 8 * k;
  word = ((word & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x0808080808080808)) ^ (word & UINT64_C(0x8080808080808080));
  return (int32_t)((word & UINT64_C(0x00e0f0f0f0f0e000)) * UINT64_C(0x9e3779b97f4a7c15) >> (64 - HASH_BITS));
}

INLINE int32_t key_of(const uint8_t *bytes, int32_t place) {
  const int32_t cost = v_distance(bytes, bytes - (size_t)place * BYTES);
  return cost > MOST_COST ? NO_KEY : cost * (1 << PLACE_BITS) + place;
}

/* Try places: those of W, N and NE, then the latest of the hash. */
NOINLINE void try_places(const struct repetition *r, int wave, int first) {
  const size_t start = slot_of(r, wave, first);
  const int32_t *tried[TELLERS * PLACES];
  for (int c = 0; c < TELLERS * PLACES; c++) {
    const int t = c / PLACES;
    tried[c] = places_of(r, wave - 2 * FROM_DOWN[t] - FROM_RIGHT[t], c % PLACES) + first - FROM_DOWN[t];
  }
  for (int i = r->from; i < r->to; i++) {
    const uint8_t *bytes = r->bytes + (start + (size_t)i) * BYTES;
    r->hash[i] = hash_bytes(bytes);
    for (int age = 0; age < LATEST; age++) {
      r->key[TELLERS * PLACES + age][i] = r->buckets[r->hash[i]][age];
      __builtin_prefetch(r->bytes + (size_t)r->key[TELLERS * PLACES + age][i] * BYTES);
    }
  }
  for (int i = r->from; i < r->to; i++) {
    const uint8_t *bytes = r->bytes + (start + (size_t)i) * BYTES;
    for (int c = 0; c < TELLERS * PLACES; c++) r->key[c][i] = key_of(bytes, tried[c][i]);
    for (int c = TELLERS * PLACES; c < CANDIDATES; c++) r->key[c][i] = key_of(bytes, (int32_t)start + i - r->key[c][i]);
  }
}

INLINE int32_t next_key(int32_t key, int32_t last, int32_t best) { return smaller(best, key > last ? key : NO_KEY); }

/* The lowest of two candidates' keys and `best`, of keys above `last`. */
NOINLINE void keep_better(int32_t *const *keys, const int32_t *restrict last, int32_t *restrict best, int from,
                          int to) {
  const int32_t *restrict a = keys[0], *restrict b = keys[1];
  for (int i = from; i < to; i++) best[i] = next_key(a[i], last[i], next_key(b[i], last[i], best[i]));
}

/* The lowest keys, each once, in ascending order. */
NOINLINE void keep_best(const struct repetition *r) {
  int32_t *last = r->cost;
  for (int i = r->from; i < r->to; i++) last[i] = -1;
  for (int rank = 0; rank < PLACES; last = r->best[rank++]) {
    int32_t *restrict best = r->best[rank];
    for (int i = r->from; i < r->to; i++) best[i] = NO_KEY;
    for (int c = 0; c < CANDIDATES; c += 2) keep_better(r->key + c, last, best, r->from, r->to);
  }
}

/* Keep the places for later wavefronts, and weigh them. Quotients of floats are exact when cut off: dividends are whole
   numbers below 2^24, so a quotient that is none lies at least 1 / divisor below the next whole number, and a float of
   its size is off by less. Where there is no place, W stands, of no weight. */
NOINLINE void weigh_places(const struct repetition *r, int wave, int first) {
  const int32_t *restrict best = r->best[0], left = r->tile->height;
  int32_t *restrict cost = r->cost;
  for (int rank = 0; rank < PLACES; rank++) {
    int32_t *restrict kept = places_of(r, wave, rank) + first, *restrict vote = r->vote[rank];
    const int32_t *restrict key = r->best[rank];
    for (int i = r->from; i < r->to; i++) {
      const int32_t lowest = best[i] >> PLACE_BITS;
      const int32_t quotient =
          (int32_t)((float)(1 << VOTE_BITS) / (float)((key[i] >> PLACE_BITS) - (3 * lowest >> 2) + 4));
      kept[i] = key[i] == NO_KEY ? left : key[i] & ((1 << PLACE_BITS) - 1);
      vote[i] = key[i] == NO_KEY ? 0 : quotient;
    }
  }
  for (int i = r->from; i < r->to; i++) {
    int32_t total = 0;
    for (int rank = 0; rank < PLACES; rank++) total += r->vote[rank][i];
    const float divisor = (float)larger(total, 1);
    for (int rank = 0; rank < PLACES; rank++)
      r->vote[rank][i] = (int32_t)((float)(r->vote[rank][i] * (1 << VOTE_BITS)) / divisor);
    cost[i] = total ? best[i] >> PLACE_BITS : MOST_COST + 1;
  }
}

/* The mean of the errors at the places. */
INLINE void find_expected(const struct repetition *r, const size_t step, int wave, int first) {
  const int32_t *errors = r->errors + slot_of(r, wave, first) * step;
  for (int i = r->from; i < r->to; i++) {
    int32_t sum[4] ALIGNED = {0};
    for (int rank = 0; rank < PLACES; rank++) {
      const int32_t *error = errors + (size_t)i * step - (size_t)places_of(r, wave, rank)[first + i] * step;
      const int32_t vote = r->vote[rank][i];
      for (size_t p = 0; p < step; p++) sum[p] += vote * error[p];
    }
    for (size_t p = 0; p < step; p++) r->expected[p][i] = sum[p] >> VOTE_BITS;
  }
}
NOINLINE void find_expected_1(const struct repetition *r, int wave, int first) { find_expected(r, 1, wave, first); }
NOINLINE void find_expected_4(const struct repetition *r, int wave, int first) { find_expected(r, 4, wave, first); }

/* Find the places of a wavefront's pixels, before any of their samples is known. */
static void find_places(struct repetition *r, int wave, int first, int pixels) {
  for (int i = 0; i < pixels; i++) r->cost[i] = MOST_COST + 1, r->habit[i] = 0;
  for (int rank = 0; rank < PLACES; rank++)
    for (int i = 0; i < pixels; i++) places_of(r, wave, rank)[first + i] = r->tile->height;
  find_inner(r, wave, first, pixels);
  copy_neighbours(r, wave, first);
  find_bytes(r, wave, first);
  try_places(r, wave, first);
  keep_best(r);
  weigh_places(r, wave, first);
  if (r->error_step == 1) find_expected_1(r, wave, first);
  else find_expected_4(r, wave, first);
}

/* Let later wavefronts find this one's pixels. Samples of three planes lie as R, G, B; the first plane is G. */
static void remember_places(const struct repetition *r, int wave, int first, int pixels) {
  const size_t planes = r->error_step == 1 ? 1 : 3;
  for (int i = 0; i < pixels; i++) {
    const size_t pixel = pixel_of(r, wave, first + i);
    r->samples[pixel] = (uint8_t)(r->tile->samples[pixel * planes + planes / 2] >> r->coarser);
  }
  for (int i = r->from; i < r->to; i++) {
    int32_t *bucket = r->buckets[r->hash[i]];
    for (int age = LATEST - 1; age; age--) bucket[age] = bucket[age - 1];
    bucket[0] = (int32_t)slot_of(r, wave, first + i);
  }
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

/* How large the best cost is, measured by the first plane's scale, which is below 2^24. */
NOINLINE void find_bins(const struct repetition *r, int at, int lanes) {
  const int32_t *restrict best = r->cost + at, *restrict scale = r->scale + at;
  int32_t *restrict bin = r->bin + at;
  const int coarser = r->coarser;
  for (int i = 0; i < lanes; i++) {
    const int32_t cost = 4 * (best[i] + 8), unit = (scale[i] >> coarser) + 8;
    int32_t found = 0;
    for (int k = 0; k < BINS - 1; k++) found += cost >= unit * (1 << k);
    bin[i] = found;
  }
}

/* Numbers on the table of spreads of about the context's deviation times scale * 179 / 2^20, in octaves that are
   divided evenly. Products are below 2^48, so that doubles are exact, and their leading bits are octave and part. */
NOINLINE void find_spreads(const int32_t *deviations, const int32_t *restrict context, const int32_t *restrict scale,
                           int32_t *restrict spread, int lanes) {
  row_of_lanes deviation;
  double product[CHUNK] ALIGNED;
  uint64_t bits[CHUNK] ALIGNED;
  look_up(deviations, context, deviation, lanes);
  for (int i = 0; i < lanes; i++) product[i] = (double)deviation[i] * (double)scale[i] * 179.0;
  memcpy(bits, product, (size_t)lanes * sizeof *bits);
  for (int i = 0; i < lanes; i++)
    spread[i] = clamp((int32_t)(bits[i] >> 48) - 16 * (1023 + DEVIATION_BITS + 8 + 2), NARROWEST, SPREADS - 1);
}

/* Join the component to the mixtures of a run of pixels, whose number `components` is of the network's. */
NOINLINE void join_mixture(const struct repetition *r, const struct network *n, const struct mixture *m, int plane,
                           const struct run *run, int at) {
  const int components = n->shape.components, lanes = run->lanes;
  int32_t *restrict centre = r->centre + at, *restrict context = r->context + at;
  const int32_t *restrict bin = r->bin + at, *restrict habit = r->habit + at, *restrict cost = r->cost + at;
  const int32_t *restrict expected = r->expected[plane] + at;
  int32_t *restrict mean = m->mean[components] + at, *restrict weight = m->weight[components] + at;
  row_of_lanes share, running, before;
  find_centre(n, m, components, at, lanes, centre, r->scale + at);
  if (plane == 0) find_bins(r, at, lanes);
  for (int i = 0; i < lanes; i++) context[i] = HABITS * bin[i] + habit[i];
  look_up(r->share[plane], context, share, lanes);
  find_spreads(r->deviation[plane], context, r->scale + at, m->spread[components] + at, lanes);
  for (int i = 0; i < lanes; i++) {
    const int is_found = cost[i] <= MOST_COST;
    mean[i] = clamp(centre[i] + (is_found ? expected[i] : 0), -MEAN_LIMIT, MEAN_LIMIT);
    weight[i] = is_found ? share[i] >> (SHARE_BITS - WEIGHT_BITS) : 0;
    running[i] = before[i] = 0;
  }
  for (int j = 0; j < components; j++) {
    int32_t *restrict its = m->weight[j] + at;
    for (int i = 0; i < lanes; i++) {
      running[i] += its[i];
      const int32_t scaled = (running[i] * ((1 << WEIGHT_BITS) - weight[i])) >> WEIGHT_BITS;
      its[i] = scaled - before[i];
      before[i] = scaled;
    }
  }
}

/* The component's mass below an edge of each sample's bucket, of 2^30. */
INLINE void find_mass_below(const struct network *n, const struct mixture *m, const struct symbol_room *room, int add,
                            int lanes, int32_t *restrict mass) {
  const int j = n->shape.components;
  const int32_t *restrict bucket = room->bucket, *restrict start = m->start, *restrict exponent = m->exponent,
                          *restrict low = m->low, *restrict high = m->high, *restrict weight = m->weight[j];
  int32_t *shift = m->shifts ? room->shift_left : NULL;
  for (int i = 0; i < lanes; i++) mass[i] = 0;
  if (shift) find_shifts(m, bucket, add, shift, lanes);
  add_masses(n->tables.sigmoid, weight, m->first[j], m->step[j], bucket, add, shift, exponent, mass, lanes);
  for (int i = 0; i < lanes; i++) {
    const int32_t number = bucket[i] + add, edge = start[i] + number * (1 << exponent[i]);
    const int is_above = (number > BUCKETS) | (edge > high[i]), is_below = (number < 0) | (edge <= low[i]);
    const int32_t whole = weight[i] * (1 << (MASS_BITS - WEIGHT_BITS));
    mass[i] = is_below ? 0 : is_above ? whole : mass[i];
  }
}

/* How likely each sample came from the component, of 2^12, and how far it lay from its mean, in 2^-12 of the network's
   scale. Dividends are whole numbers below 2^40, so that quotients of doubles are exact when cut off. */
NOINLINE void find_posteriors(const struct repetition *r, const struct network *n, const struct mixture *m,
                              const struct symbol_room *room, int pixels, const int32_t *restrict residual) {
  int32_t *restrict posterior = r->posterior, *restrict deviant = r->deviant, *restrict habit = r->habit;
  const int32_t *restrict width = room->width, *restrict scale = r->scale, *restrict centre = r->centre,
                          *restrict mean = m->mean[n->shape.components];
  find_mass_below(n, m, room, 0, round_up(pixels, 16), deviant);
  find_mass_below(n, m, room, 1, round_up(pixels, 16), posterior);
  for (int i = 0; i < pixels; i++) {
    const int32_t mass = (posterior[i] - deviant[i]) >> (MASS_BITS - TOTAL_BITS);
    const double part = (double)mass * (1 << WEIGHT_BITS) / (double)width[i];
    posterior[i] = (int32_t)(part > 1 << WEIGHT_BITS ? 1 << WEIGHT_BITS : part);
  }
  for (int i = 0; i < pixels; i++) {
    const int32_t position = residual[i] * (1 << POSITION_BITS);
    const int32_t ours = magnitude(position - mean[i]), theirs = magnitude(position - centre[i]);
    const int32_t limited = smaller(ours, MOST_DEVIATION * scale[i]);
    deviant[i] = (int32_t)((double)limited * (1 << DEVIATION_BITS) / (double)scale[i]);
    habit[i] = 2 * ours < theirs ? 1 : ours < theirs ? 2 : 3;
  }
}

/* Learn from the samples of one plane on a wavefront, which are known now, relative to their bases. */
static void learn_repetition(struct repetition *r, const struct network *n, const struct mixture *m,
                             const struct symbol_room *room, int plane, int wave, int first, int pixels,
                             const int32_t *residual) {
  int32_t *errors = r->errors + slot_of(r, wave, first) * r->error_step + plane;
  for (int i = 0; i < pixels; i++) {
    const int32_t error = residual[i] * (1 << POSITION_BITS) - r->centre[i];
    errors[(size_t)i * r->error_step] = clamp(error, -ERROR_LIMIT, ERROR_LIMIT);
  }
  find_posteriors(r, n, m, room, pixels, residual);
  int32_t *restrict share = r->share[plane], *restrict deviation = r->deviation[plane];
  for (int i = r->from; i < r->to; i++) {
    if (r->cost[i] > MOST_COST) continue;
    const int32_t k = r->context[i], posterior = r->posterior[i];
    deviation[k] += (posterior * (r->deviant[i] - deviation[k])) >> (WEIGHT_BITS + 5);
    share[k] =
        clamp(share[k] + ((posterior * (1 << (SHARE_BITS - WEIGHT_BITS)) - share[k]) >> 6), LEAST_SHARE, MOST_SHARE);
  }
}

#endif
