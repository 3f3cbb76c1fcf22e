/* A libFuzzer target over the core's whole interface. An input's first bytes choose a network, an instruction set,
   the size of a tile and what is done; the rest are words, samples, or damage to words or to a network's integers.

   Whatever comes in: no sanitizer objects, every instruction set does what `plain` does, what was encoded decodes to
   itself, and what decodes are samples. material.py writes the networks that the environment's HPAC_FUZZ_MATERIAL
   names, build.py compiles this. */
#include "material.h"

enum { HEADER_BYTES = 5 };
enum action { DECODE, ROUND_TRIP, DAMAGE_WORDS, DAMAGE_NETWORK, NUM_ACTIONS };
enum { DAMAGED = -1, NO_ROOM = -3, BAD_ARGUMENT = -4 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  read_material();
  for (int u = 0; u < num_units; u++) REQUIRE(hpac_unit_is_exact(units[u], tables, num_table));
  return 0;
}

/* What is left of an input; beyond its end there are zeros. */
struct rest {
  const uint8_t *at;
  size_t size;
};

static uint8_t next_byte(struct rest *rest) {
  if (!rest->size) return 0;
  rest->size--;
  return *rest->at++;
}

static uint32_t next_number(struct rest *rest, int bytes) {
  uint32_t number = 0;
  for (int k = 0; k < bytes; k++) number |= (uint32_t)next_byte(rest) << 8 * k;
  return number;
}

struct tile {
  int height, width, depth;
  int64_t num_samples;
  int32_t *edges, *references; /* or NULL */
  struct hpac_tile known;
  const struct hpac_network *ours, *theirs; /* packed for the instruction set that was chosen, and for plain */
};

/* Edges of cells as far from where they would be as they may be, a few of them empty. */
static int32_t *make_edges(int planes, int depth) {
  const int32_t values = 1 << depth;
  int32_t *edges = need((size_t)planes * (size_t)(values + 1) * sizeof *edges), *edge = edges;
  uint32_t state = (uint32_t)depth;
  for (int p = 0; p < planes; p++)
    for (int32_t v = 0; v <= values; v++, edge++) {
      state = state * 1664525u + 1013904223u;
      *edge = 64 * v - 32 + (int32_t)(state >> 16) % 257 * (state >> 31 ? 1 : -1);
      if (v && *edge < edge[-1]) *edge = edge[-1];
    }
  return edges;
}

/* Planes of values that have little to do with the samples. */
static int32_t *make_references(int64_t count, int depth) {
  int32_t *references = need((size_t)count * sizeof *references);
  uint32_t state = (uint32_t)count;
  for (int64_t k = 0; k < count; k++) {
    state = state * 1664525u + 1013904223u;
    references[k] = (int32_t)((state >> 12) & ((1u << depth) - 1));
  }
  return references;
}

/* Sides from a byte each: few pixels, but of some networks long rows and columns of up to 1024. Under sanitizers a
   pixel of a wide network takes a millisecond. */
static struct tile choose_tile(const struct integers *n, int unit, uint8_t height, uint8_t width, uint8_t depth) {
  struct tile t = {.height = 1 + height % 16,
                   .width = 1 + width % 24,
                   .depth = 1 + depth % 16,
                   .ours = n->packed[unit],
                   .theirs = n->packed[plain]};
  const int most = n->shape[1] > 32 || n->shape[2] > 2 ? 24 : 160, may_be_long = n->shape[0] * n->shape[1] == 16;
  if (height >= 240 && may_be_long) t.height = 1024 - height % 3, t.width = 1;
  else if (width >= 240 && may_be_long) t.width = 1024 - width % 3, t.height = 1;
  else if (t.height * t.width > most) t.height = most / t.width;
  t.num_samples = (int64_t)t.height * t.width * n->shape[0];
  if (depth >= 128) t.edges = make_edges(n->shape[0], t.depth);
  const int num_references = n->shape[9] * (depth >> 6 & 1);
  if (num_references) t.references = make_references((int64_t)t.height * t.width * num_references, t.depth);
  t.known = (struct hpac_tile){t.height, t.width, t.depth, num_references, t.edges, t.references, (depth >> 5) & 1};
  return t;
}

/* Samples from what is left, again and again: of one byte each, or of two if they are deeper than 8 bits. */
static int32_t *make_samples(const struct tile *t, const struct rest *from) {
  int32_t *samples = need((size_t)t->num_samples * sizeof *samples);
  struct rest rest = *from;
  for (int64_t k = 0; k < t->num_samples; k++) {
    if (!rest.size) rest = *from;
    samples[k] = (int32_t)(next_number(&rest, t->depth > 8 ? 2 : 1) & ((1u << t->depth) - 1));
  }
  return samples;
}

static int are_equal(const void *a, const void *b, int64_t count) { return !memcmp(a, b, (size_t)count * 4); }

static void *copy_of(const void *from, size_t size) {
  void *copy = need(size);
  if (size) memcpy(copy, from, size);
  return copy;
}

/* Encode with both; every answer about these samples is the same. Returns the number of words, put into *words. */
static int64_t encode(const struct tile *t, const int32_t *samples, uint32_t **words) {
  const int64_t most = hpac_max_words(t->ours, t->height, t->width);
  REQUIRE(most > 0);
  uint32_t *ours = need((size_t)most * sizeof *ours), *theirs = need((size_t)most * sizeof *theirs);
  const int64_t count = hpac_encode(t->ours, &t->known, samples, ours, most);
  REQUIRE(count > 0 && count <= most);
  REQUIRE(hpac_encode(t->theirs, &t->known, samples, theirs, most) == count);
  REQUIRE(are_equal(ours, theirs, count));
  free(ours);
  *words = copy_of(theirs, (size_t)count * sizeof *theirs);
  free(theirs);
  return count;
}

/* Decode with both; both give the same. Returns what they return. */
static int64_t decode(const struct tile *t, const uint32_t *words, int64_t num_words, int32_t *samples) {
  const size_t size = (size_t)t->num_samples * sizeof *samples;
  int32_t *theirs = need(size);
  const int64_t result = hpac_decode(t->ours, &t->known, words, num_words, samples);
  REQUIRE(result == 0 || result == DAMAGED);
  REQUIRE(hpac_decode(t->theirs, &t->known, words, num_words, theirs) == result);
  if (!result) REQUIRE(are_equal(samples, theirs, t->num_samples));
  free(theirs);
  return result;
}

static void check_decoded_again(const struct tile *t, const int32_t *samples, const uint32_t *words, int64_t count) {
  int32_t *decoded = need((size_t)t->num_samples * sizeof *decoded);
  REQUIRE(decode(t, words, count, decoded) == 0);
  REQUIRE(are_equal(decoded, samples, t->num_samples));
  free(decoded);
}

static void round_trip(const struct tile *t, const int32_t *samples) {
  uint32_t *words;
  const int64_t count = encode(t, samples, &words);
  check_decoded_again(t, samples, words, count);
  free(words);
}

/* Any words: refused, or samples that can be encoded. */
static void check_words(const struct tile *t, const uint32_t *words, int64_t count) {
  int32_t *samples = need((size_t)t->num_samples * sizeof *samples);
  if (!decode(t, words, count, samples)) round_trip(t, samples);
  free(samples);
}

static void decode_words(const struct tile *t, const struct rest *rest) {
  const int64_t count = (int64_t)(rest->size / 4);
  uint32_t *words = copy_of(rest->at, (size_t)count * sizeof *words);
  check_words(t, words, count);
  free(words);
}

/* Code lengths are the same, and close to what the words take; layers' hashes are the same. */
static void check_measures(const struct tile *t, const int32_t *samples, int64_t num_words) {
  const int64_t pixels = (int64_t)t->height * t->width;
  const int num_hashes = hpac_num_hashes(t->ours);
  uint32_t *ours = need((size_t)pixels * 4), *theirs = need((size_t)pixels * 4);
  REQUIRE(!hpac_measure(t->ours, &t->known, samples, ours));
  REQUIRE(!hpac_measure(t->theirs, &t->known, samples, theirs));
  REQUIRE(are_equal(ours, theirs, pixels));
  int64_t length = 0;
  for (int64_t k = 0; k < pixels; k++) length += ours[k];
  const int64_t difference = num_words * 32 - (length >> 16);
  REQUIRE(difference > -32 && difference < 64 + t->num_samples);
  free(ours);
  free(theirs);
  uint64_t *hashes = need((size_t)num_hashes * 8), *expected = need((size_t)num_hashes * 8);
  REQUIRE(!hpac_trace(t->ours, &t->known, samples, hashes));
  REQUIRE(!hpac_trace(t->theirs, &t->known, samples, expected));
  REQUIRE(!memcmp(hashes, expected, (size_t)num_hashes * 8));
  free(hashes);
  free(expected);
}

/* With less room than it takes the encoder stops, within the room. */
static void check_little_room(const struct tile *t, const int32_t *samples, int64_t room) {
  uint32_t *words = need((size_t)room * sizeof *words);
  const int64_t result = hpac_encode(t->ours, &t->known, samples, words, room);
  REQUIRE(result == NO_ROOM || (result > 0 && result <= room));
  free(words);
}

static void encode_samples(const struct tile *t, struct rest *rest) {
  const uint32_t room = next_number(rest, 2);
  int32_t *samples = make_samples(t, rest);
  uint32_t *words;
  const int64_t count = encode(t, samples, &words);
  check_decoded_again(t, samples, words, count);
  check_little_room(t, samples, room % (count + 1));
  check_measures(t, samples, count);
  free(words);
  free(samples);
}

/* Encode, overwrite up to 8 words, cut or extend, decode. */
static void damage_words(const struct tile *t, struct rest *rest) {
  const int damages = next_byte(rest) % 9;
  uint32_t at[8], pattern[8];
  for (int k = 0; k < damages; k++) at[k] = next_number(rest, 2), pattern[k] = next_number(rest, 4);
  const int64_t longer = (int8_t)next_byte(rest) / 16;
  int32_t *samples = make_samples(t, rest);
  uint32_t *words;
  int64_t count = encode(t, samples, &words);
  for (int k = 0; k < damages; k++) words[at[k] % count] ^= pattern[k];
  const int64_t new_count = count + longer > 0 ? count + longer : 0;
  uint32_t *damaged = need((size_t)new_count * sizeof *damaged);
  for (int64_t k = 0; k < new_count; k++) damaged[k] = k < count ? words[k] : pattern[0] * (damages > 0);
  check_words(t, damaged, new_count);
  free(damaged);
  free(words);
  free(samples);
}

static void overwrite(void *array, int64_t count, int size, struct rest *rest) {
  const int64_t at = next_number(rest, 3);
  const uint32_t value = next_number(rest, size);
  if (count) memcpy((char *)array + at % count * size, &value, (size_t)size);
}

/* Overwrite some of a network's integers and sizes; if it is taken, it codes a small tile exactly. */
static void damage_network(const struct integers *original, int unit, struct rest *rest) {
  struct integers n = *original;
  const int damages = next_byte(rest) % 9;
  n.num_weights += (int8_t)next_byte(rest) / 32;
  n.num_outputs += (int8_t)next_byte(rest) / 32;
  if (n.num_weights > original->num_weights) n.num_weights = original->num_weights;
  if (n.num_outputs > original->num_outputs) n.num_outputs = original->num_outputs;
  n.weights = copy_of(original->weights, (size_t)n.num_weights);
  n.biases = copy_of(original->biases, (size_t)n.num_outputs * 4);
  n.shifts = copy_of(original->shifts, (size_t)n.num_outputs * 4);
  for (int k = 0; k < damages; k++) switch (next_byte(rest) % 5) {
      case 0: overwrite(n.weights, n.num_weights, 1, rest); break;
      case 1: overwrite(n.biases, n.num_outputs, 4, rest); break;
      case 2: overwrite(n.shifts, n.num_outputs, 4, rest); break;
      case 3: overwrite(n.shape, SHAPE_NUMBERS, 4, rest); break;
      case 4: n.shape[next_byte(rest) % SHAPE_NUMBERS] += (int8_t)next_byte(rest); break;
    }
  memset(n.packed, 0, sizeof n.packed);
  n.packed[unit] = pack(units[unit], &n);
  if (unit != plain) n.packed[plain] = pack(units[plain], &n);
  REQUIRE(!n.packed[unit] == !n.packed[plain]);
  if (n.packed[unit]) {
    const struct tile t = choose_tile(&n, unit, 4, 5, next_byte(rest));
    int32_t *samples = make_samples(&t, rest);
    round_trip(&t, samples);
    free(samples);
    free(t.edges);
    free(t.references);
  }
  hpac_network_free(n.packed[unit]);
  if (unit != plain) hpac_network_free(n.packed[plain]);
  free(n.weights);
  free(n.biases);
  free(n.shifts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEADER_BYTES) return 0;
  struct rest rest = {data + HEADER_BYTES, size - HEADER_BYTES};
  const struct integers *n = &networks[data[1] % num_networks];
  const int unit = data[0] / NUM_ACTIONS % num_units;
  const struct tile t = choose_tile(n, unit, data[2], data[3], data[4]);
  switch ((enum action)(data[0] % NUM_ACTIONS)) {
    case DECODE: decode_words(&t, &rest); break;
    case ROUND_TRIP: encode_samples(&t, &rest); break;
    case DAMAGE_WORDS: damage_words(&t, &rest); break;
    default: damage_network(n, unit, &rest); break;
  }
  free(t.edges);
  free(t.references);
  return 0;
}
