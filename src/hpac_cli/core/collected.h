/* Mixtures of samples, kept, and what they expect of every value: what encoders make cells of. Nothing here is needed
   to decode; a mass may be a little off. */
#ifndef HPAC_COLLECTED_H
#define HPAC_COLLECTED_H

#include "hpac_core.h"
#include "mixture.h"
#include "range_coder.h"

enum {
  WIDEST = 7,                            /* logistic scales from a mean beyond which nearly nothing lies */
  LEAST_WEIGHT = 1 << (WEIGHT_BITS - 7), /* components of less are passed over */
  NARROW_WEIGHT = 1 << (WEIGHT_BITS - 2) /* components of less do not make a mixture narrow */
};

static void collect_mixture(const struct network *n, const struct mixture *m, int i, struct hpac_component *out) {
  for (int j = 0; j < n->shape.components; j++)
    out[j] = (struct hpac_component){m->mean[j][i] - m->low[i] * (1 << POSITION_BITS), (int16_t)m->weight[j][i],
                                     (int16_t)m->spread[j][i]};
}

/* Part of a component's mass below an edge, of 2^18; values and edges count from value 0. */
INLINE int32_t share_below(const struct network *n, const struct hpac_component *c, int32_t edge) {
  const int64_t place = ((int64_t)(edge - c->mean) * n->tables.spread_inverse[c->spread]) >> EDGE_BITS;
  const int64_t middle = (int64_t)(SIGMOID_LAST / 2) << EDGE_BITS;
  return n->tables.sigmoid[(clamp64(place, middle) + middle) >> EDGE_BITS];
}

INLINE int is_wide(const struct network *n, const struct hpac_component *component, int32_t least_spread) {
  for (int j = 0; j < n->shape.components; j++)
    if (component[j].weight >= NARROW_WEIGHT && component[j].spread < least_spread) return 0;
  return 1;
}

/* Add the mass that a mixture gives each value; what lies beyond the values that are looked at goes to the outermost of
   them. */
static void add_expected(const struct network *n, const struct hpac_component *component, int depth,
                         int64_t *expected) {
  const int32_t highest = (1 << depth) - 1;
  for (int j = 0; j < n->shape.components; j++) {
    const struct hpac_component *c = component + j;
    if (c->weight < LEAST_WEIGHT) continue;
    const int32_t half = (WIDEST * n->tables.spread[c->spread]) >> POSITION_BITS, middle = c->mean >> POSITION_BITS;
    const int32_t begin = clamp(middle - half, 0, highest), end = clamp(middle + half, begin, highest);
    int32_t below = 0;
    for (int32_t value = begin; value < end; value++) {
      const int32_t above = share_below(n, c, plain_edge(value + 1));
      expected[value] += (int64_t)c->weight * (above - below);
      below = above;
    }
    expected[end] += (int64_t)c->weight * ((1 << (MASS_BITS - WEIGHT_BITS)) - below);
  }
}

static void expect_samples(const struct network *n, const struct collected *s, int32_t least_spread, int64_t *met,
                           int64_t *expected) {
  for (int64_t i = 0; i < s->count; i++) {
    const struct hpac_component *component = s->components + i * n->shape.components;
    if (!is_wide(n, component, least_spread)) continue;
    met[s->values[i]]++;
    add_expected(n, component, s->depth, expected);
  }
}

/* The mass of a sample's own value in 2^-24, at least 1. */
INLINE uint32_t own_mass(const struct network *n, const struct collected *s, int64_t i, const int32_t *edges) {
  const struct hpac_component *component = s->components + i * n->shape.components;
  const int32_t value = s->values[i], whole = 1 << (MASS_BITS - WEIGHT_BITS);
  int32_t mass = 0;
  for (int j = 0; j < n->shape.components; j++) {
    const int32_t above = (value + 1) >> s->depth ? whole : share_below(n, component + j, edges[value + 1]);
    const int32_t below = value ? share_below(n, component + j, edges[value]) : 0;
    mass += component[j].weight * (above - below);
  }
  return (uint32_t)larger(mass >> (MASS_BITS - TOTAL_BITS), 1);
}

static int64_t find_length(const struct network *n, const struct collected *s, const int32_t *edges) {
  struct memory memory = {NULL};
  int64_t length = HPAC_NO_MEMORY;
  uint32_t *table = take(&memory, (sizeof *table) << LENGTH_TABLE_BITS);
  if (table) {
    fill_log_table(table);
    length = 0;
    for (int64_t i = 0; i < s->count; i++) length += length_of(table, own_mass(n, s, i, edges));
  }
  give_back(&memory);
  return length;
}

#endif
