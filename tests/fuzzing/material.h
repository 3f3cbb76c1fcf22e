/* What programs of this folder run on: the tables, and networks, from the file that material.py writes. */
#ifndef HPAC_MATERIAL_H
#define HPAC_MATERIAL_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpac_core.h"

enum { SHAPE_NUMBERS = 10, MAX_NETWORKS = 64, MAX_UNITS = 8 };

#define REQUIRE(promise)                                                    \
  do {                                                                      \
    if (!(promise)) {                                                       \
      fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #promise); \
      abort();                                                              \
    }                                                                       \
  } while (0)

/* A network's integers, and packed for every instruction set that runs here. */
struct integers {
  int32_t shape[SHAPE_NUMBERS];
  int64_t num_weights, num_outputs;
  int8_t *weights;
  int32_t *biases, *shifts;
  struct hpac_network *packed[MAX_UNITS];
};

static int32_t *tables;
static int64_t num_table;
static struct integers networks[MAX_NETWORKS];
static int num_networks, num_units, units[MAX_UNITS], plain; /* plain: the last of units */

/* Memory of exactly this size, so that AddressSanitizer sees the first byte beyond it. */
static void *need(size_t size) {
  void *memory = malloc(size ? size : 1);
  REQUIRE(memory != NULL);
  return memory;
}

static void *read_numbers(FILE *file, int64_t count, size_t size) {
  void *numbers = need((size_t)count * size);
  REQUIRE(fread(numbers, size, (size_t)count, file) == (size_t)count);
  return numbers;
}

static int64_t read_count(FILE *file) {
  int32_t count;
  REQUIRE(fread(&count, sizeof count, 1, file) == 1 && count >= 0);
  return count;
}

static struct hpac_network *pack(int unit, const struct integers *n) {
  return hpac_network_new(unit, n->shape, n->weights, n->num_weights, n->biases, n->shifts, n->num_outputs, tables,
                          num_table);
}

/* Read everything that the environment's HPAC_FUZZ_MATERIAL names. */
static void read_material(void) {
  const char *path = getenv("HPAC_FUZZ_MATERIAL");
  FILE *file = fopen(path ? path : "material.bin", "rb");
  REQUIRE(file != NULL);
  for (int unit = 0; unit < hpac_num_units(); unit++)
    if (hpac_unit_runs_here(unit)) units[num_units++] = unit;
  plain = num_units - 1;
  REQUIRE(!strcmp(hpac_unit_name(units[plain]), "plain"));
  num_table = read_count(file);
  tables = read_numbers(file, num_table, sizeof *tables);
  num_networks = (int)read_count(file);
  REQUIRE(num_networks > 0 && num_networks <= MAX_NETWORKS);
  for (int k = 0; k < num_networks; k++) {
    struct integers *n = &networks[k];
    REQUIRE(fread(n->shape, sizeof *n->shape, SHAPE_NUMBERS, file) == SHAPE_NUMBERS);
    n->num_weights = read_count(file);
    n->num_outputs = read_count(file);
    n->weights = read_numbers(file, n->num_weights, sizeof *n->weights);
    n->biases = read_numbers(file, n->num_outputs, sizeof *n->biases);
    n->shifts = read_numbers(file, n->num_outputs, sizeof *n->shifts);
    for (int u = 0; u < num_units; u++) REQUIRE((n->packed[u] = pack(units[u], n)) != NULL);
  }
  fclose(file);
}

#endif
