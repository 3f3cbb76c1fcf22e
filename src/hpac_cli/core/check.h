/* What is refused at the door, so that nothing behind it needs checks: sizes, and sums that could overflow. */
#ifndef HPAC_CHECK_H
#define HPAC_CHECK_H

#include <stddef.h>
#include <stdint.h>

#include "hpac_core.h"
#include "unit.h"

enum {
  SUM_LIMIT = 1 << 24,
  MAX_SHIFT = 22,
  LAST_SPREAD = 336,
  TABLE_NUMBERS = 72 + 3 * 73 + 4097 + 2 * 337 + 417 + 8193
};

static int is_between(int v, int low, int high) { return low <= v && v <= high; }

static int is_multiple(int v, int low, int high) { return is_between(v, low, high) && v % 16 == 0; }

static int is_shape(const struct shape *s) {
  return (s->planes == 1 || s->planes == 3) && is_multiple(s->width, 16, MAX_WIDTH) &&
         is_between(s->blocks, 1, MAX_BLOCKS) && is_between(s->expand, 1, MAX_EXPAND) &&
         is_between(s->rows, 1, MAX_ROWS) && is_multiple(s->head, 16, MAX_HEAD) &&
         is_between(s->components, 1, MAX_COMPONENTS) && is_multiple(s->context, 0, MAX_CONTEXT) &&
         is_between(s->context_places, 0, MAX_CONTEXT_PLACES) &&
         is_between(s->references, 0, s->planes == 1 ? MAX_REFERENCES : 0);
}

/* What is left to be checked of the layers. */
struct unchecked {
  struct layers rest;
  int64_t weights, outputs;
};

/* For every output 127 times the sum of absolute weights, plus |bias|, plus 2^shift stays below 2^24. */
static int is_layer(struct unchecked *u, int outputs, int inputs) {
  u->weights -= (int64_t)outputs * inputs;
  u->outputs -= outputs;
  if (u->weights < 0 || u->outputs < 0) return 0;
  for (int o = 0; o < outputs; o++) {
    const int32_t bias = u->rest.biases[o], shift = u->rest.shifts[o];
    if (shift < 0 || shift > MAX_SHIFT || bias <= -SUM_LIMIT || bias >= SUM_LIMIT) return 0;
    int32_t sum = (bias < 0 ? -bias : bias) + ((int32_t)1 << shift);
    for (int k = 0; k < inputs; k++) {
      const int32_t weight = *u->rest.weights++;
      if (weight < -127) return 0;
      sum += 127 * (weight < 0 ? -weight : weight);
    }
    if (sum >= SUM_LIMIT) return 0;
  }
  u->rest.biases += outputs;
  u->rest.shifts += outputs;
  return 1;
}

/* Taps of a depth-wise window: 2, 3 and 4 or less to the left of each row, as far right as slope 2 allows. */
static int count_taps(int rows) {
  int taps = rows + 1;
  for (int up = 1; up <= rows; up++) taps += rows + 1 + (2 * up - 1 < rows ? 2 * up - 1 : rows);
  return taps;
}

static int are_layers(const struct shape *s, const struct layers *layers, int64_t num_weights, int64_t num_outputs) {
  struct unchecked u = {*layers, num_weights, num_outputs};
  const int c = s->width;
  int ok = is_layer(&u, c, num_inputs(s)) && is_layer(&u, c, c);
  if (s->context) ok = ok && is_layer(&u, s->context, c + s->planes) && is_layer(&u, (s->blocks + 1) * c, s->context);
  for (int b = 0; b < s->blocks; b++)
    ok = ok && is_layer(&u, c, c) && is_layer(&u, c, c) && is_layer(&u, c, count_taps(s->rows)) && is_layer(&u, c, c) &&
         is_layer(&u, s->expand * c, c) && is_layer(&u, c, s->expand * c);
  for (int p = 0; p < s->planes; p++)
    ok = ok && is_layer(&u, s->head, c + 2 * p) && is_layer(&u, s->components * (3 + p), s->head);
  return ok && !u.weights && !u.outputs;
}

/* The tables are normative, and whoever loads them checks their digest; here only that all are there. */
static int cut_tables(const int32_t *numbers, int64_t count, struct tables *tables) {
  static const int lengths[] = {72, 73, 73, 73, 4097, 337, 337, 417, 8193};
  const int32_t **table[] = {&tables->level_threshold,  &tables->level_scale, &tables->level_limit,
                             &tables->level_reciprocal, &tables->asinh,       &tables->spread,
                             &tables->spread_inverse,   &tables->exp,         &tables->sigmoid};
  if (count != TABLE_NUMBERS) return 0;
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
    *table[k] = numbers;
    numbers += lengths[k];
  }
  return 1;
}

/* Edges of one plane's cells, at most MAX_SHIFTED from where they would be without. */
static int are_edges(const int32_t *edges, int32_t values) {
  for (int32_t v = 0; v <= values; v++) {
    const int64_t shift = (int64_t)edges[v] - ((int64_t)v * 64 - 32);
    if (shift < -MAX_SHIFTED || shift > MAX_SHIFTED || (v && edges[v] < edges[v - 1])) return 0;
  }
  return 1;
}

static int are_components(const struct hpac_component *components, int64_t count) {
  for (int64_t k = 0; k < count; k++)
    if (components[k].spread < 0 || components[k].spread > LAST_SPREAD || components[k].weight < 0 ||
        components[k].weight > 1 << 12 || components[k].mean < -(1 << 26) || components[k].mean > 1 << 26)
      return 0;
  return 1;
}

static int is_size(int height, int width, int depth) {
  return is_between(height, 1, MAX_SIDE) && is_between(width, 1, MAX_SIDE) && is_between(depth, 1, MAX_DEPTH);
}

static int are_samples(const int32_t *samples, int64_t count, int depth) {
  uint32_t all = 0;
  for (int64_t k = 0; k < count; k++) all |= (uint32_t)samples[k];
  return all >> depth == 0;
}

#endif
