/* Is a unit exact on this machine? Its words for a small tile, against those of `plain`. */
#ifndef HPAC_SELF_TEST_H
#define HPAC_SELF_TEST_H

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "unit.h"

enum {
  TEST_HEIGHT = 7,
  TEST_WIDTH = 11,
  TEST_SAMPLES = TEST_HEIGHT * TEST_WIDTH * MAX_PLANES,
  TEST_WORDS = 8 * TEST_SAMPLES + 2,
  TEST_VALUES = 256,
  TEST_WEIGHTS = 1 << 17, /* of all layers of the test's network, and outputs of them: more than enough */
  TEST_OUTPUTS = 1 << 12
};

/* Width 112 has groups of 64, 32 and 16 outputs. The second network has references. */
static const struct shape TEST_SHAPES[] = {{3, 112, 1, 1, 2, 48, 3, 16, 2, 0}, {1, 32, 1, 1, 1, 16, 2, 16, 1, 2}};
enum { NUM_TESTS = sizeof TEST_SHAPES / sizeof *TEST_SHAPES };

struct test_room {
  int8_t weights[TEST_WEIGHTS];
  int32_t biases[TEST_OUTPUTS], shifts[TEST_OUTPUTS], samples[TEST_SAMPLES], decoded[TEST_SAMPLES],
      references[TEST_SAMPLES];
  uint32_t expected[TEST_WORDS], words[TEST_WORDS];
  int64_t num_weights, num_outputs;
  int32_t edges[MAX_PLANES * (TEST_VALUES + 1)];
};

static uint32_t next_random(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

static void make_test_layer(struct test_room *room, uint32_t *state, int outputs, int inputs, int shift) {
  for (int k = 0; k < outputs * inputs; k++) {
    const uint32_t random = next_random(state) >> 8;
    /* few weights, but extreme ones, so that saturating arithmetic is found out */
    room->weights[room->num_weights++] = (int8_t)(random % 5      ? (int)(random >> 4 & 31) - 16
                                                  : (random & 16) ? 127
                                                                  : -127);
  }
  for (int o = 0; o < outputs; o++) {
    room->biases[room->num_outputs] = (int32_t)(next_random(state) >> 20) - 2048;
    room->shifts[room->num_outputs++] = shift;
  }
}

static void make_test(struct test_room *room, const struct shape *s) {
  uint32_t state = 1;
  room->num_weights = room->num_outputs = 0;
  const int c = s->width;
  make_test_layer(room, &state, c, num_inputs(s), 7);
  make_test_layer(room, &state, c, c, 4);
  make_test_layer(room, &state, s->context, c + s->planes, 9);
  make_test_layer(room, &state, (s->blocks + 1) * c, s->context, 4);
  make_test_layer(room, &state, c, c, 9);
  make_test_layer(room, &state, c, c, 9);
  make_test_layer(room, &state, c, count_taps(s->rows), 7);
  make_test_layer(room, &state, c, c, 5);
  make_test_layer(room, &state, s->expand * c, c, 8);
  make_test_layer(room, &state, c, s->expand * c, 5);
  for (int p = 0; p < s->planes; p++) {
    make_test_layer(room, &state, s->head, c + 2 * p, 8);
    make_test_layer(room, &state, s->components * (3 + p), s->head, 8);
  }
  for (int k = 0; k < TEST_SAMPLES; k++) {
    const uint32_t random = next_random(&state) >> 16;
    room->samples[k] = (int32_t)(k < TEST_SAMPLES / 2 ? 100 + random % 7 : random & 255);
    room->references[k] = k % 5 ? room->samples[k] ^ 3 : (int32_t)(next_random(&state) >> 24);
  }
  static const int32_t shifts[4] = {0, 100, 36, -20}; /* wide, empty and narrow cells; the last plane has none */
  for (int p = 0; p < MAX_PLANES; p++)
    for (int v = 0; v <= TEST_VALUES; v++)
      room->edges[p * (TEST_VALUES + 1) + v] = 64 * v - 32 + (p < MAX_PLANES - 1 ? shifts[v % 4] : 0);
}

static int runs_as_expected(const struct unit *unit, const struct unit *plain, const struct shape *shape,
                            const struct layers *layers, const struct tables *tables, int repeats,
                            struct test_room *room) {
  struct network *ours = unit->pack(shape, layers, tables), *theirs = plain->pack(shape, layers, tables);
  int ok = 0;
  if (ours && theirs) {
    const struct tile tile = {TEST_HEIGHT,       TEST_WIDTH,       8,      room->samples, room->edges,
                              shape->references, room->references, repeats};
    struct tile decoded = tile;
    decoded.samples = room->decoded;
    const int64_t number = plain->encode(theirs, &tile, room->expected, TEST_WORDS);
    ok =
        number > 0 && unit->encode(ours, &tile, room->words, TEST_WORDS) == number &&
        !memcmp(room->words, room->expected, (size_t)number * sizeof *room->words) &&
        !unit->decode(ours, &decoded, room->expected, number) &&
        !memcmp(room->decoded, room->samples, TEST_HEIGHT * TEST_WIDTH * (size_t)shape->planes * sizeof *room->samples);
  }
  if (ours) unit->discard(ours);
  if (theirs) plain->discard(theirs);
  return ok;
}

static int is_exact(const struct unit *unit, const struct unit *plain, const struct tables *tables) {
  struct test_room *room = calloc(1, sizeof *room);
  if (!room) return 0;
  int ok = 1;
  for (int k = 0; ok && k < NUM_TESTS; k++) {
    const struct shape *shape = &TEST_SHAPES[k];
    make_test(room, shape);
    const struct layers layers = {room->weights, room->biases, room->shifts};
    ok = are_layers(shape, &layers, room->num_weights, room->num_outputs) &&
         runs_as_expected(unit, plain, shape, &layers, tables, 0, room) &&
         runs_as_expected(unit, plain, shape, &layers, tables, 1, room);
  }
  free(room);
  return ok;
}

#endif
