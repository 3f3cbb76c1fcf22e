/* The way in: chooses the unit, and checks everything that comes from outside. */
#include "hpac_core.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "processor.h"
#include "self_test.h"
#include "unit.h"

enum { INTERFACE = 5 };

struct hpac_network {
  const struct unit *unit;
  struct network *packed;
  struct shape shape;
};

extern const struct unit hpac_unit_plain;
#define DECLARE(name) extern const struct unit hpac_unit_##name;
#ifdef HPAC_HAS_AVX512VNNI
DECLARE(avx512vnni)
#endif
#ifdef HPAC_HAS_AVXVNNI
DECLARE(avxvnni)
#endif
#ifdef HPAC_HAS_AVX2
DECLARE(avx2)
#endif
#ifdef HPAC_HAS_SSE2
DECLARE(sse2)
#endif
#ifdef HPAC_HAS_NEONDOT
DECLARE(neondot)
#endif
#ifdef HPAC_HAS_NEON
DECLARE(neon)
#endif

/* The fastest first. */
static const struct unit *const UNITS[] = {
#ifdef HPAC_HAS_AVX512VNNI
    &hpac_unit_avx512vnni,
#endif
#ifdef HPAC_HAS_AVXVNNI
    &hpac_unit_avxvnni,
#endif
#ifdef HPAC_HAS_AVX2
    &hpac_unit_avx2,
#endif
#ifdef HPAC_HAS_SSE2
    &hpac_unit_sse2,
#endif
#ifdef HPAC_HAS_NEONDOT
    &hpac_unit_neondot,
#endif
#ifdef HPAC_HAS_NEON
    &hpac_unit_neon,
#endif
    &hpac_unit_plain,
};
enum { NUM_UNITS = sizeof UNITS / sizeof *UNITS };

int hpac_interface(void) { return INTERFACE; }

int hpac_num_units(void) { return NUM_UNITS; }

const char *hpac_unit_name(int unit) { return is_between(unit, 0, NUM_UNITS - 1) ? UNITS[unit]->name : ""; }

int hpac_unit_runs_here(int unit) {
  if (!is_between(unit, 0, NUM_UNITS - 1)) return 0;
#if defined(__x86_64__)
  const struct processor here = find_processor();
  const char *name = UNITS[unit]->name;
  if (!strcmp(name, "avx512vnni")) return here.avx512vnni;
  if (!strcmp(name, "avxvnni")) return here.avxvnni;
  if (!strcmp(name, "avx2")) return here.avx2;
#elif defined(__aarch64__)
  if (!strcmp(UNITS[unit]->name, "neondot")) return has_dot_product();
#endif
  return 1;
}

int hpac_unit_is_exact(int unit, const int32_t *tables, int64_t num_table) {
  struct tables cut;
  if (!hpac_unit_runs_here(unit) || !cut_tables(tables, num_table, &cut)) return 0;
  return is_exact(UNITS[unit], &hpac_unit_plain, &cut);
}

struct hpac_network *hpac_network_new(int unit, const int32_t *shape, const int8_t *weights, int64_t num_weights,
                                      const int32_t *biases, const int32_t *shifts, int64_t num_outputs,
                                      const int32_t *tables, int64_t num_table) {
  const struct shape s = {shape[0], shape[1], shape[2], shape[3], shape[4],
                          shape[5], shape[6], shape[7], shape[8], shape[9]};
  const struct layers layers = {weights, biases, shifts};
  struct tables cut;
  if (!hpac_unit_runs_here(unit) || !is_shape(&s) || !cut_tables(tables, num_table, &cut)) return NULL;
  if (!are_layers(&s, &layers, num_weights, num_outputs)) return NULL;
  struct hpac_network *network = malloc(sizeof *network);
  if (!network) return NULL;
  *network = (struct hpac_network){UNITS[unit], UNITS[unit]->pack(&s, &layers, &cut), s};
  if (!network->packed) {
    free(network);
    return NULL;
  }
  return network;
}

void hpac_network_free(struct hpac_network *network) {
  if (!network) return;
  network->unit->discard(network->packed);
  free(network);
}

static int64_t num_samples(const struct hpac_network *network, int height, int width) {
  return (int64_t)height * width * network->shape.planes;
}

int64_t hpac_max_words(const struct hpac_network *network, int height, int width) {
  if (!is_size(height, width, 1)) return HPAC_BAD_ARGUMENT;
  return num_samples(network, height, width) * WORDS_PER_SAMPLE + 2;
}

static int is_tile(const struct hpac_network *network, const struct hpac_tile *tile) {
  int ok = is_size(tile->height, tile->width, tile->depth) &&
           is_between(tile->num_references, 0, network->shape.references) && is_between(tile->repeats, 0, 1);
  const int32_t values = ok ? (int32_t)1 << tile->depth : 0;
  for (int p = 0; ok && tile->edges && p < network->shape.planes; p++)
    ok = are_edges(tile->edges + (int64_t)p * (values + 1), values);
  const int64_t num_pixels = ok ? (int64_t)tile->height * tile->width : 0;
  return ok && are_samples(tile->references, num_pixels * tile->num_references, tile->depth);
}

static struct tile tile_to_fill(const struct hpac_tile *tile, int32_t *samples) {
  return (struct tile){tile->height, tile->width,          tile->depth,      samples,
                       tile->edges,  tile->num_references, tile->references, tile->repeats};
}

/* A tile whose samples are only read; its height is 0 if anything is out of bounds. */
static struct tile tile_of(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples) {
  struct tile inner = tile_to_fill(tile, NULL);
  memcpy(&inner.samples, &samples, sizeof samples);
  const int ok =
      is_tile(network, tile) && are_samples(samples, num_samples(network, tile->height, tile->width), tile->depth);
  if (!ok) inner.height = 0;
  return inner;
}

int64_t hpac_encode(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                    uint32_t *words, int64_t room) {
  const struct tile inner = tile_of(network, tile, samples);
  return inner.height ? network->unit->encode(network->packed, &inner, words, room) : HPAC_BAD_ARGUMENT;
}

int64_t hpac_decode(const struct hpac_network *network, const struct hpac_tile *tile, const uint32_t *words,
                    int64_t num_words, int32_t *samples) {
  if (!is_tile(network, tile) || num_words < 0) return HPAC_BAD_ARGUMENT;
  const struct tile inner = tile_to_fill(tile, samples);
  return network->unit->decode(network->packed, &inner, words, num_words);
}

int64_t hpac_measure(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                     uint32_t *lengths) {
  const struct tile inner = tile_of(network, tile, samples);
  return inner.height ? network->unit->measure(network->packed, &inner, lengths) : HPAC_BAD_ARGUMENT;
}

int64_t hpac_collect(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                     struct hpac_component *components) {
  struct tile inner = tile_of(network, tile, samples);
  inner.repeats = 0;
  return inner.height ? network->unit->collect(network->packed, &inner, components) : HPAC_BAD_ARGUMENT;
}

static int are_collected(const struct hpac_network *network, const struct collected *s) {
  return is_between(s->depth, 1, MAX_DEPTH) && s->count >= 0 && are_samples(s->values, s->count, s->depth) &&
         are_components(s->components, s->count * network->shape.components);
}

int64_t hpac_expect(const struct hpac_network *network, int64_t count, int depth, const int32_t *values,
                    const struct hpac_component *components, int least_spread, int64_t *met, int64_t *expected) {
  const struct collected samples = {components, values, count, depth};
  if (!are_collected(network, &samples)) return HPAC_BAD_ARGUMENT;
  network->unit->expect(network->packed, &samples, least_spread, met, expected);
  return 0;
}

int64_t hpac_length(const struct hpac_network *network, int64_t count, int depth, const int32_t *values,
                    const struct hpac_component *components, const int32_t *edges) {
  const struct collected samples = {components, values, count, depth};
  if (!are_collected(network, &samples) || !are_edges(edges, (int32_t)1 << depth)) return HPAC_BAD_ARGUMENT;
  return network->unit->length(network->packed, &samples, edges);
}

int hpac_num_hashes(const struct hpac_network *network) { return network->unit->num_hashes(&network->shape); }

int64_t hpac_trace(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                   uint64_t *hashes) {
  const struct tile inner = tile_of(network, tile, samples);
  return inner.height ? network->unit->trace(network->packed, &inner, hashes) : HPAC_BAD_ARGUMENT;
}
