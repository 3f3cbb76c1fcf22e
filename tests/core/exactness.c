/* Runs the cases of a file (tests/exactness.py writes it) on every unit that this processor has, and prints for each
   a line `unit words lengths trace`: the unit's name, and hashes of what it says of the case. Lines must be the same
   for all units, compilers and machines. Ends with an error if a unit does not read what it wrote.

   The file holds arrays, each a number of numbers and then these, all 32 bits and little endian: the tables, then
   for every network its shape, weights, biases, shifts and, in turn, each picture's height, width, depth and whether it
   repeats, the edges of its cells, or none, and its samples; an empty array ends the pictures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hpac_core.h"

struct numbers {
  int32_t *at;
  int64_t count;
};

static void fail(const char *what, int unit) {
  fprintf(stderr, "%s: %s\n", hpac_unit_name(unit), what);
  exit(1);
}

static void *room(int64_t count, size_t size) {
  void *start = calloc((size_t)count + 1, size);
  if (!start) fail("no memory", -1);
  return start;
}

/* Returns 0 at the end of the file. */
static int read_number(FILE *file, int32_t *number) {
  unsigned char bytes[4];
  if (fread(bytes, 1, 4, file) != 4) return 0;
  const uint32_t read = bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
  memcpy(number, &read, sizeof read);
  return 1;
}

/* Returns an empty array at the end of the file. */
static struct numbers read_numbers(FILE *file) {
  struct numbers numbers = {NULL, 0};
  int32_t count;
  if (!read_number(file, &count)) return numbers;
  numbers.at = room(count, sizeof *numbers.at);
  while (numbers.count < count)
    if (!read_number(file, &numbers.at[numbers.count++])) fail("the file of cases is cut", -1);
  return numbers;
}

static uint64_t hash(uint64_t so_far, uint64_t number) { return (so_far ^ number) * UINT64_C(0x100000001B3); }

static uint64_t hash_words(const uint32_t *words, int64_t count) {
  uint64_t h = UINT64_C(0xCBF29CE484222325);
  for (int64_t k = 0; k < count; k++) h = hash(h, words[k]);
  return h;
}

static uint64_t hash_hashes(const uint64_t *hashes, int count) {
  uint64_t h = UINT64_C(0xCBF29CE484222325);
  for (int k = 0; k < count; k++) h = hash(h, hashes[k]);
  return h;
}

static void run_case(int unit, const struct hpac_network *network, const int32_t *size, struct numbers cells,
                     struct numbers references, struct numbers samples) {
  const int height = size[0], width = size[1], num_hashes = hpac_num_hashes(network);
  const struct hpac_tile tile = {
      height,        width,  size[2], (int32_t)(references.count / height / width), cells.count ? cells.at : NULL,
      references.at, size[3]};
  const int64_t most = hpac_max_words(network, height, width);
  uint32_t *words = room(most, sizeof *words), *lengths = room((int64_t)height * width, sizeof *lengths);
  int32_t *decoded = room(samples.count, sizeof *decoded);
  uint64_t *hashes = room(num_hashes, sizeof *hashes);
  const int64_t count = hpac_encode(network, &tile, samples.at, words, most);
  if (count < 0) fail("does not encode", unit);
  if (hpac_decode(network, &tile, words, count, decoded)) fail("does not decode", unit);
  if (memcmp(decoded, samples.at, (size_t)samples.count * sizeof *decoded)) fail("decodes other samples", unit);
  if (hpac_measure(network, &tile, samples.at, lengths)) fail("does not measure", unit);
  if (hpac_trace(network, &tile, samples.at, hashes)) fail("does not trace", unit);
  printf("%s %016llx %016llx %016llx\n", hpac_unit_name(unit), (unsigned long long)hash_words(words, count),
         (unsigned long long)hash_words(lengths, (int64_t)height * width),
         (unsigned long long)hash_hashes(hashes, num_hashes));
  free(words);
  free(lengths);
  free(decoded);
  free(hashes);
}

/* What comes back lacks units that do not run here. */
static struct hpac_network **make_networks(struct numbers tables, struct numbers shape, FILE *file) {
  const struct numbers weights = read_numbers(file), biases = read_numbers(file), shifts = read_numbers(file);
  int8_t *narrow = room(weights.count, sizeof *narrow);
  for (int64_t k = 0; k < weights.count; k++) narrow[k] = (int8_t)weights.at[k];
  struct hpac_network **networks = room(hpac_num_units(), sizeof *networks);
  for (int unit = 0; unit < hpac_num_units(); unit++) {
    if (!hpac_unit_runs_here(unit)) continue;
    networks[unit] = hpac_network_new(unit, shape.at, narrow, weights.count, biases.at, shifts.at, shifts.count,
                                      tables.at, tables.count);
    if (!networks[unit]) fail("refuses a network", unit);
  }
  free(narrow);
  free(weights.at);
  free(biases.at);
  free(shifts.at);
  return networks;
}

int main(int argc, char **argv) {
  FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
  if (!file) fail("the file of cases cannot be read", -1);
  const struct numbers tables = read_numbers(file);
  for (int unit = 0; unit < hpac_num_units(); unit++)
    if (hpac_unit_runs_here(unit) && !hpac_unit_is_exact(unit, tables.at, tables.count)) fail("fails its test", unit);
  for (struct numbers shape; (shape = read_numbers(file)).count;) {
    struct hpac_network **networks = make_networks(tables, shape, file);
    for (struct numbers size; (size = read_numbers(file)).count;) {
      const struct numbers cells = read_numbers(file), references = read_numbers(file), samples = read_numbers(file);
      for (int unit = 0; unit < hpac_num_units(); unit++)
        if (networks[unit]) run_case(unit, networks[unit], size.at, cells, references, samples);
      free(size.at);
      free(cells.at);
      free(references.at);
      free(samples.at);
    }
    for (int unit = 0; unit < hpac_num_units(); unit++) hpac_network_free(networks[unit]);
    free(networks);
    free(shape.at);
  }
  free(tables.at);
  fclose(file);
  return 0;
}
