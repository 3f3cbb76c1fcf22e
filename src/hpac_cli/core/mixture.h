/* Distributions: a mixture of logistics for every sample, and the window of buckets in which it is coded.
   Source: docs/format.md, "Distributions". Positions count from the sample's base, in 1/64 sample. */
#ifndef HPAC_MIXTURE_H
#define HPAC_MIXTURE_H

#include "focus.h"

enum {
  BUCKETS = 22,
  MAX_EXPONENT = 17, /* buckets are at most 2^17 samples wide */
  WEIGHT_BITS = 12,  /* weights sum to 2^12 */
  MASS_BITS = 30,
  MEAN_PLACES = 8,
  MEAN_LIMIT = 1 << 24,
  SIGNIFICANT = 1 << (WEIGHT_BITS - 5),
  REACH = 6, /* logistic scales that a window reaches beyond a significant mean */
  PLAIN_MARGIN = 7,
  EDGE_BITS = 10, /* places on the logistic table are stepped along in 2^-10 */
  START_LIMIT = 1 << 28,
  MAX_PARAMETERS = MAX_COMPONENTS * (MAX_PLANES + 2)
};

/* Of the samples of one plane on one wavefront; arrays of as many numbers as the longest wavefront has, and more. */
struct mixture {
  int components; /* the network's, and one more where the tile repeats */
  int32_t *weight[MAX_COMPONENTS + 1], *mean[MAX_COMPONENTS + 1], *spread[MAX_COMPONENTS + 1];
  int32_t *low, *high;       /* the lowest and highest sample that is possible */
  int32_t *start, *exponent; /* buckets are 2^exponent samples wide and begin at start */
  int32_t *plain;            /* so many low bits are coded without the mixture */
  /* Of the present plane, NULL or how far the lower edge of each value's cell is from where it would be without cells,
     in 1/64 sample: shifts[0] belongs to `low`. */
  const int32_t *shifts;
  int32_t last_shift;
  int32_t *first[MAX_COMPONENTS + 1],
      *step[MAX_COMPONENTS + 1]; /* places on the logistic table of the window's edges */
};

static int make_mixture_room(struct mixture *m, struct memory *memory, int components, size_t lanes) {
  int32_t **rows[5] = {m->weight, m->mean, m->spread, m->first, m->step};
  int32_t **single[5] = {&m->low, &m->high, &m->start, &m->exponent, &m->plain};
  m->components = components;
  for (int k = 0; k < 5; k++) {
    for (int j = 0; j < components; j++)
      if (!(rows[k][j] = take(memory, lanes * sizeof(int32_t)))) return 0;
    if (!(*single[k] = take(memory, lanes * sizeof(int32_t)))) return 0;
  }
  return 1;
}

/* What a head says of a run of pixels, by parameter; and the pixels' focus. */
typedef row_of_lanes parameter_rows[MAX_PARAMETERS];

/* Turn rows of parameters into columns, four by four: what lies behind a row's or the run's end is padding. */
NOINLINE void transpose(const int32_t *restrict rows, size_t step, int pixels, int lanes, int parameters,
                        row_of_lanes *restrict columns) {
  for (int i = 0; i < pixels; i += 4)
    for (int k = 0; k < parameters; k += 4) v_transpose(rows + (size_t)i * step + k, step, columns[k] + i, CHUNK);
  for (int k = 0; k < parameters; k++)
    for (int i = pixels; i < lanes; i++) columns[k][i] = 0;
}

/* A parameter is below 2^15, a scale at most 2^23: their products need 64 bits. */
NOINLINE void find_mean(const int32_t *restrict mean, const int32_t *restrict scale, const int32_t *restrict c0,
                        const int32_t *restrict r0, const int32_t *restrict c1, const int32_t *restrict r1,
                        int32_t *restrict out, int lanes) {
  for (int i = 0; i < lanes; i++) {
    const int64_t sum = (int64_t)mean[i] * scale[i] + (int64_t)c0[i] * r0[i] + (int64_t)c1[i] * r1[i];
    out[i] = (int32_t)clamp64((sum + (1 << (MEAN_PLACES - 1))) >> MEAN_PLACES, MEAN_LIMIT);
  }
}

/* Soft-max in integers: running sums are divided, so that weights sum to 2^12 exactly.
   Dividend and divisor are below 2^32 and 2^20 and the quotient below 2^13: the correctly rounded quotient of two
   doubles never reaches the next whole number, so cutting it off is exact. */
NOINLINE void find_weights(const int32_t *restrict table, row_of_lanes *restrict logit, int components, int lanes,
                           row_of_lanes *restrict weight) {
  row_of_lanes largest, total;
  double divisor[CHUNK] ALIGNED;
  for (int i = 0; i < lanes; i++) largest[i] = logit[0][i];
  for (int j = 1; j < components; j++)
    for (int i = 0; i < lanes; i++) largest[i] = larger(largest[i], logit[j][i]);
  for (int i = 0; i < lanes; i++) total[i] = 0;
  for (int j = 0; j < components; j++) {
    row_of_lanes below, share;
    for (int i = 0; i < lanes; i++) below[i] = smaller(largest[i] - logit[j][i], EXP_LAST);
    look_up(table, below, share, lanes);
    for (int i = 0; i < lanes; i++) weight[j][i] = total[i] += share[i];
  }
  for (int i = 0; i < lanes; i++) divisor[i] = (double)total[i];
  for (int j = 0; j < components; j++)
    for (int i = 0; i < lanes; i++) weight[j][i] = (int32_t)((double)weight[j][i] * (1 << WEIGHT_BITS) / divisor[i]);
  for (int j = components - 1; j > 0; j--)
    for (int i = 0; i < lanes; i++) weight[j][i] -= weight[j - 1][i];
}

/* Place the window so that it covers every significant component. `at` is the run's place in the wavefront. */
NOINLINE void find_window(const struct network *n, const struct mixture *m, int at, int lanes) {
  const int32_t *restrict scale = n->tables.spread;
  const int components = m->components;
  row_of_lanes centre, half, narrowest;
  int64_t sum[CHUNK] ALIGNED;
  for (int i = 0; i < lanes; i++) sum[i] = 0;
  for (int j = 0; j < components; j++) {
    const int32_t *restrict mean = m->mean[j] + at, *restrict weight = m->weight[j] + at;
    for (int i = 0; i < lanes; i++) sum[i] += (int64_t)mean[i] * weight[i];
  }
  for (int i = 0; i < lanes; i++) centre[i] = (int32_t)(sum[i] >> WEIGHT_BITS);
  for (int i = 0; i < lanes; i++) half[i] = 0, narrowest[i] = SPREADS;
  for (int j = 0; j < components; j++) {
    const int32_t *restrict mean = m->mean[j] + at, *restrict spread = m->spread[j] + at,
                            *restrict weight = m->weight[j] + at;
    row_of_lanes width;
    look_up(scale, spread, width, lanes);
    for (int i = 0; i < lanes; i++) {
      const int32_t reach = magnitude(mean[i] - centre[i]) + REACH * width[i];
      half[i] = larger(half[i], weight[i] >= SIGNIFICANT ? reach : 0);
      narrowest[i] = smaller(narrowest[i], weight[i] >= SIGNIFICANT ? spread[i] : SPREADS);
    }
  }
  int32_t *restrict start = m->start + at, *restrict exponent = m->exponent + at, *restrict plain = m->plain + at;
  const int32_t *restrict low = m->low + at, *restrict high = m->high + at;
  row_of_lanes e;
  for (int i = 0; i < lanes; i++) e[i] = 0;
  for (int k = 0; k < MAX_EXPONENT; k++)
    for (int i = 0; i < lanes; i++) e[i] += (BUCKETS / 2 << POSITION_BITS << k) < half[i];
  for (int i = 0; i < lanes; i++) {
    const int32_t margin = (BUCKETS / 2) << e[i];
    const int32_t left = ((centre[i] + (1 << (POSITION_BITS - 1))) >> POSITION_BITS) - margin;
    exponent[i] = e[i];
    start[i] = larger(smaller(left, high[i] + 1 - 2 * margin), low[i]);
    plain[i] = m->shifts ? 0 : larger((narrowest[i] >> 4) - PLAIN_MARGIN, 0);
  }
}

/* No component counts as narrower than 1/16 bucket, which bounds the steps below. */
INLINE int32_t least_spread(int32_t spread, int32_t exponent) { return larger(spread, 16 * exponent); }

/* Places of bucket edges on the logistic table, in 2^-10: first + k * step, at most 2^29. */
INLINE void find_edge_places(int32_t inverse, int32_t start, int32_t exponent, int32_t mean, int32_t *first,
                             int32_t *step) {
  const int64_t edge = (int64_t)((1 << POSITION_BITS) * start - (1 << (POSITION_BITS - 1)) - mean);
  *first = (int32_t)clamp64((edge * inverse) >> EDGE_BITS, START_LIMIT) + (1 << (EDGE_BITS - 1)) +
           (SIGMOID_LAST / 2 << EDGE_BITS);
  *step = (int32_t)((uint32_t)inverse << exponent >> (EDGE_BITS - POSITION_BITS));
}

NOINLINE void find_window_places(const int32_t *table, const int32_t *restrict start, const int32_t *restrict exponent,
                                 const int32_t *restrict mean, const int32_t *restrict spread, int32_t *restrict first,
                                 int32_t *restrict step, int lanes) {
  row_of_lanes least, inverse;
  for (int i = 0; i < lanes; i++) least[i] = least_spread(spread[i], exponent[i]);
  look_up(table, least, inverse, lanes);
  for (int i = 0; i < lanes; i++) find_edge_places(inverse[i], start[i], exponent[i], mean[i], &first[i], &step[i]);
}

/* What is known of a run of pixels before their samples in one plane are. */
struct known {
  int plane;
  const int32_t *base, *level;             /* of this plane */
  const int32_t *residual[MAX_PLANES - 1]; /* of earlier ones */
  const int32_t *green;                    /* samples of plane 0, for later planes */
};

/* Make the components of a run's parameters, (pixels, step); `at` is the run's place in the wavefront. */
static void find_components(const struct network *n, const struct known *known, const int32_t *rows, size_t step,
                            int depth, int at, int pixels, int lanes, const struct mixture *m) {
  static const row_of_lanes zeros;
  const int components = n->shape.components, plane = known->plane;
  parameter_rows parameters;
  row_of_lanes scale, limited[MAX_PLANES - 1], weights[MAX_COMPONENTS];
  transpose(rows, step, pixels, lanes, components * (3 + plane), parameters);
  look_up(n->tables.level_scale, known->level, scale, lanes);
  for (int q = 0; q < plane; q++)
    for (int i = 0; i < lanes; i++)
      limited[q][i] = clamp(known->residual[q][i], -scale[i], scale[i]) * (1 << POSITION_BITS);
  for (int i = 0; i < lanes; i++) {
    m->low[at + i] = (plane ? -known->green[i] : 0) - known->base[i];
    m->high[at + i] = m->low[at + i] + (1 << depth) - 1;
  }
  for (int j = 0; j < components; j++) {
    const int32_t *c0 = plane > 0 ? parameters[3 * components + j] : zeros, *r0 = plane > 0 ? limited[0] : zeros;
    const int32_t *c1 = plane > 1 ? parameters[4 * components + j] : zeros, *r1 = plane > 1 ? limited[1] : zeros;
    find_mean(parameters[components + j], scale, c0, r0, c1, r1, m->mean[j] + at, lanes);
    for (int i = 0; i < lanes; i++)
      m->spread[j][at + i] = clamp(parameters[2 * components + j][i] + 4 * known->level[i] + 32, 0, SPREADS - 1);
  }
  find_weights(n->tables.exp, parameters, components, lanes, weights);
  for (int j = 0; j < components; j++) memcpy(m->weight[j] + at, weights[j], (size_t)lanes * sizeof(int32_t));
}

/* Place the windows of a run's mixtures, all of whose components are known. */
static void place_windows(const struct network *n, const struct mixture *m, int at, int lanes) {
  find_window(n, m, at, lanes);
  for (int j = 0; j < m->components; j++)
    find_window_places(n->tables.spread_inverse, m->start + at, m->exponent + at, m->mean[j] + at, m->spread[j] + at,
                       m->first[j] + at, m->step[j] + at, lanes);
}

/* Where a value's cell begins without cells. */
INLINE int32_t plain_edge(int32_t value) { return value * (1 << POSITION_BITS) - (1 << (POSITION_BITS - 1)); }

/* How far the cells shift an edge of a sample's window, in 1/64 sample; `edge` counts from the base. Edges beyond all
   values get the nearest one's, which limit_mass makes nothing of. */
INLINE int32_t shift_of(const struct mixture *m, int i, int32_t edge) {
  return m->shifts ? m->shifts[clamp(edge - m->low[i], 0, m->last_shift)] : 0;
}

/* The same in places on the logistic table, where buckets are `step` wide. At most 2^8 times 2^22 before the shift, so
   edges that do not descend have places that do not. */
INLINE int32_t shift_place(int32_t shift, int32_t step, int32_t exponent) {
  return (shift * step) >> (POSITION_BITS + exponent);
}

INLINE int32_t logistic_index(int32_t place) { return clamp(place >> EDGE_BITS, 0, SIGMOID_LAST); }

/* Mass below an edge at `edge` samples, of a sample whose sum over components is `sum`. */
INLINE int32_t limit_mass(int32_t sum, int32_t edge, int32_t low, int32_t high) {
  return edge <= low ? 0 : edge > high ? 1 << MASS_BITS : sum;
}

#endif
