/* The way in: chooses the unit, and checks everything that comes from outside. */
#include "hpac_core.h"

#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "processor.h"
#include "self_test.h"
#include "unit.h"

enum { INTERFACE = 1 };

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
  const struct shape s = {shape[0], shape[1], shape[2], shape[3], shape[4], shape[5], shape[6], shape[7], shape[8]};
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

/* Encoding only reads the samples. */
static struct picture picture_of(int height, int width, int depth, const int32_t *samples) {
  struct picture picture = {height, width, depth, NULL};
  memcpy(&picture.samples, &samples, sizeof samples);
  return picture;
}

static int is_picture(const struct hpac_network *network, int height, int width, int depth, const int32_t *samples) {
  return is_size(height, width, depth) && are_samples(samples, num_samples(network, height, width), depth);
}

int64_t hpac_encode(const struct hpac_network *network, int height, int width, int depth, const int32_t *samples,
                    uint32_t *words, int64_t room) {
  if (!is_picture(network, height, width, depth, samples)) return HPAC_BAD_ARGUMENT;
  const struct picture picture = picture_of(height, width, depth, samples);
  return network->unit->encode(network->packed, &picture, words, room);
}

int64_t hpac_decode(const struct hpac_network *network, int height, int width, int depth, const uint32_t *words,
                    int64_t num_words, int32_t *samples) {
  if (!is_size(height, width, depth) || num_words < 0) return HPAC_BAD_ARGUMENT;
  const struct picture picture = {height, width, depth, samples};
  return network->unit->decode(network->packed, &picture, words, num_words);
}

int64_t hpac_measure(const struct hpac_network *network, int height, int width, int depth, const int32_t *samples,
                     uint32_t *lengths) {
  if (!is_picture(network, height, width, depth, samples)) return HPAC_BAD_ARGUMENT;
  const struct picture picture = picture_of(height, width, depth, samples);
  return network->unit->measure(network->packed, &picture, lengths);
}

int hpac_num_hashes(const struct hpac_network *network) { return network->unit->num_hashes(&network->shape); }

int64_t hpac_trace(const struct hpac_network *network, int height, int width, int depth, const int32_t *samples,
                   uint64_t *hashes) {
  if (!is_picture(network, height, width, depth, samples)) return HPAC_BAD_ARGUMENT;
  const struct picture picture = picture_of(height, width, depth, samples);
  return network->unit->trace(network->packed, &picture, hashes);
}
