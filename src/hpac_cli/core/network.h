/* One network, packed: every layer in the order of docs/format.md, "Weights". */
#ifndef HPAC_NETWORK_H
#define HPAC_NETWORK_H

#include "gating.h"
#include "unit.h"

enum {
  LEVELS = 73,
  ASINH_LAST = 4096,
  EXP_LAST = 416,
  SPREADS = 337,
  SIGMOID_LAST = 8192,
  LEVEL_STEPS = 8, /* parts of an octave, of which each holds one threshold of levels at most */
  LEVEL_CELLS = 24 * LEVEL_STEPS
};

struct block_layers {
  struct linear gate, value, out, up, down;
  struct gating gating;
};

struct head_layers {
  struct linear hidden, out;
};

struct network {
  struct shape shape;
  struct memory memory;
  struct tap_words taps;
  struct linear input, input2, context_features;
  struct linear context_out[MAX_BLOCKS + 1]; /* one for each block, one for the heads */
  struct block_layers blocks[MAX_BLOCKS];
  struct head_layers heads[MAX_PLANES];
  struct tables tables; /* our copies, but for the first and asinh */
  activation *asinh;    /* of -ASINH_LAST to ASINH_LAST: points at 0 */
  /* Of sums below 2^24, by the leading bits of their floats: levels below a cell, and where the next begins. */
  int32_t cell_level[LEVEL_CELLS], cell_threshold[LEVEL_CELLS];
};

/* Cut the next layer off what is given. */
static struct raw_layer next_layer(struct layers *rest, int outputs, int inputs) {
  struct raw_layer raw = {outputs, inputs, rest->weights, rest->biases, rest->shifts};
  rest->weights += (ptrdiff_t)outputs * inputs;
  rest->biases += outputs;
  rest->shifts += outputs;
  return raw;
}

static int pack_next(struct linear *layer, struct memory *memory, struct layers *rest, int outputs, int inputs,
                     int signed_from, int signed_to, int in_order) {
  const struct raw_layer raw = next_layer(rest, outputs, inputs);
  return pack_linear(layer, memory, &raw, signed_from, signed_to, in_order);
}

static int pack_layers(struct network *n, struct layers rest) {
  const struct shape *s = &n->shape;
  struct memory *m = &n->memory;
  const int c = s->width, inputs = num_inputs(s);
  int ok = pack_next(&n->input, m, &rest, c, inputs, 0, inputs, 0);
  ok = ok && pack_next(&n->input2, m, &rest, c, c, 0, 0, 0);
  if (s->context) {
    ok = ok && pack_next(&n->context_features, m, &rest, s->context, c + s->planes, c, c + s->planes, 0);
    for (int b = 0; b <= s->blocks; b++) ok = ok && pack_next(&n->context_out[b], m, &rest, c, s->context, 0, 0, 0);
  }
  for (int b = 0; b < s->blocks; b++) {
    struct block_layers *block = &n->blocks[b];
    ok = ok && pack_next(&block->gate, m, &rest, c, c, 0, c, 0);
    ok = ok && pack_next(&block->value, m, &rest, c, c, 0, c, 0);
    const struct raw_layer depthwise = next_layer(&rest, c, n->taps.num_taps);
    ok = ok && pack_gating(&block->gating, m, &depthwise, &n->taps);
    ok = ok && pack_next(&block->out, m, &rest, c, c, 0, c, 0);
    ok = ok && pack_next(&block->up, m, &rest, s->expand * c, c, 0, c, 0);
    ok = ok && pack_next(&block->down, m, &rest, c, s->expand * c, 0, 0, 0);
  }
  for (int p = 0; p < s->planes; p++) {
    ok = ok && pack_next(&n->heads[p].hidden, m, &rest, s->head, c + 2 * p, 0, c + 2 * p, 0);
    ok = ok && pack_next(&n->heads[p].out, m, &rest, s->components * (3 + p), s->head, 0, 0, 1);
  }
  return ok;
}

static int copy_table(const int32_t **to, struct memory *memory, const int32_t *from, int length) {
  int32_t *copy = take(memory, (size_t)length * sizeof *copy);
  if (!copy) return 0;
  memcpy(copy, from, (size_t)length * sizeof *copy);
  *to = copy;
  return 1;
}

/* The table of asinh with its negative half, as activations. */
static int extend_asinh(struct network *n, const int32_t *asinh) {
  activation *table = take(&n->memory, (2 * ASINH_LAST + 1) * sizeof *table);
  if (!table) return 0;
  n->asinh = table + ASINH_LAST;
  for (int i = 0; i <= ASINH_LAST; i++) {
    n->asinh[i] = to_activation(asinh[i]);
    n->asinh[-i] = to_activation(-asinh[i]);
  }
  return 1;
}

/* Which cell a sum, 1 to 2^24 - 1, lies in: its float's exponent and first 3 bits. Such floats are exact. */
INLINE int32_t level_cell(int32_t sum) {
  const float exact = (float)sum;
  int32_t bits;
  memcpy(&bits, &exact, sizeof bits);
  return (bits >> (23 - 3)) - (127 << 3);
}

static void fill_level_cells(struct network *n, const int32_t *threshold) {
  for (int cell = 0; cell < LEVEL_CELLS; cell++) {
    const int octave = cell / LEVEL_STEPS, step = cell % LEVEL_STEPS;
    /* the first whole number of the cell, rounded up */
    const int32_t begin = (int32_t)((((int64_t)(LEVEL_STEPS + step) << octave) + LEVEL_STEPS - 1) / LEVEL_STEPS);
    int32_t level = 0;
    while (level < LEVELS - 1 && threshold[level] <= begin) level++;
    n->cell_level[cell] = level;
    n->cell_threshold[cell] = level < LEVELS - 1 ? threshold[level] : INT32_MAX;
  }
}

static int copy_tables(struct network *n, const struct tables *from) {
  struct tables *to = &n->tables;
  struct memory *m = &n->memory;
  fill_level_cells(n, from->level_threshold);
  return extend_asinh(n, from->asinh) && copy_table(&to->level_scale, m, from->level_scale, LEVELS) &&
         copy_table(&to->level_limit, m, from->level_limit, LEVELS) &&
         copy_table(&to->level_reciprocal, m, from->level_reciprocal, LEVELS) &&
         copy_table(&to->spread, m, from->spread, SPREADS) &&
         copy_table(&to->spread_inverse, m, from->spread_inverse, SPREADS) &&
         copy_table(&to->exp, m, from->exp, EXP_LAST + 1) &&
         copy_table(&to->sigmoid, m, from->sigmoid, SIGMOID_LAST + 1);
}

static void discard_network(struct network *n) {
  struct memory memory = n->memory; /* n lies in a block of its own */
  give_back(&memory);
}

static struct network *pack_network(const struct shape *shape, const struct layers *layers,
                                    const struct tables *tables) {
  struct memory memory = {0};
  struct network *n = take(&memory, sizeof *n);
  if (!n) return NULL;
  n->memory = memory;
  n->shape = *shape;
  n->taps = cover_taps(shape->rows);
  if (!pack_layers(n, *layers) || !copy_tables(n, tables)) {
    discard_network(n);
    return NULL;
  }
  return n;
}

#endif
