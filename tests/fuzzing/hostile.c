/* Two runs over the core that no input of the fuzzer reaches:

   hostile memory     every allocation of every call fails once: an error comes back, nothing leaks
   hostile threads    four threads code tiles with one network, as `hpac --threads 4` does; for ThreadSanitizer

   Linked with -Wl,--wrap=malloc,--wrap=calloc,--wrap=free. */
#include <pthread.h>

#include "material.h"

enum { HEIGHT = 6, WIDTH = 9, DEPTH = 8, NUM_SAMPLES = HEIGHT * WIDTH * 3, ROOM = 8 * NUM_SAMPLES, NUM_THREADS = 4 };
enum { NO_MEMORY = -2 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void __wrap_free(void *memory);

static int64_t until_failure = -1; /* allocations; negative: none fails */
static int64_t held;               /* blocks that are not freed */

static int fails_now(void) { return until_failure >= 0 && until_failure-- == 0; }

static void *hold(void *memory) {
  if (memory) __atomic_add_fetch(&held, 1, __ATOMIC_RELAXED);
  return memory;
}

void *__wrap_malloc(size_t size) { return fails_now() ? NULL : hold(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails_now() ? NULL : hold(__real_calloc(count, size)); }
void __wrap_free(void *memory) {
  if (memory) __atomic_sub_fetch(&held, 1, __ATOMIC_RELAXED);
  __real_free(memory);
}

static int32_t samples[NUM_SAMPLES], edges[3 * ((1 << DEPTH) + 1)];

static void make_samples(void) {
  uint32_t state = 1;
  for (int k = 0; k < NUM_SAMPLES; k++) samples[k] = (int32_t)((state = state * 1664525u + 1013904223u) >> 24);
  for (int p = 0; p < 3; p++)
    for (int v = 0; v <= 1 << DEPTH; v++) edges[p * ((1 << DEPTH) + 1) + v] = 64 * v - 32 + v % 3 * 20;
}

static const struct hpac_tile tile = {HEIGHT, WIDTH, DEPTH, 0, edges, NULL, 1};
static struct hpac_component components[NUM_SAMPLES * 8];

/* Returns 0 or an error. */
static int64_t find_length(const struct hpac_network *network) {
  const int64_t length = hpac_length(network, HEIGHT * WIDTH, DEPTH, samples, components, edges);
  return length < 0 ? length : 0;
}

/* A network, and everything that is done with it; returns whether no memory was missing. */
static int run_all(const struct integers *n, int unit) {
  static uint32_t words[ROOM], lengths[HEIGHT * WIDTH];
  static int32_t decoded[NUM_SAMPLES];
  static uint64_t hashes[1024];
  const int64_t before = held;
  struct hpac_network *network = pack(unit, n);
  int complete = network != NULL;
  if (network) {
    const int64_t count = hpac_encode(network, &tile, samples, words, ROOM);
    REQUIRE(count > 0 || count == NO_MEMORY);
    const int64_t others[] = {
        count > 0 ? hpac_decode(network, &tile, words, count, decoded) : NO_MEMORY,
        hpac_measure(network, &tile, samples, lengths),
        hpac_collect(network, &tile, samples, components),
        find_length(network),
        hpac_trace(network, &tile, samples, hashes),
    };
    for (int k = 0; k < 5; k++) {
      REQUIRE(others[k] == 0 || others[k] == NO_MEMORY);
      complete &= others[k] == 0;
    }
    if (others[0] == 0) REQUIRE(!memcmp(decoded, samples, (size_t)(HEIGHT * WIDTH * n->shape[0]) * sizeof *samples));
  }
  hpac_network_free(network);
  REQUIRE(held == before);
  return complete;
}

static int run_self_test(const struct integers *n, int unit) {
  (void)n;
  const int64_t before = held;
  const int is_exact = hpac_unit_is_exact(unit, tables, num_table);
  REQUIRE(held == before);
  return is_exact;
}

static void fail_every_allocation(int (*run)(const struct integers *, int), const struct integers *n, int unit) {
  int failing = 0;
  for (int complete = 0; !complete; failing++) {
    until_failure = failing;
    complete = run(n, unit);
    REQUIRE(complete == (until_failure >= 0)); /* a failure is always told */
  }
  until_failure = -1;
  printf("%s: each of %d allocations failed\n", hpac_unit_name(unit), failing - 1);
}

static void *code_tiles(void *given) {
  const struct hpac_network *network = given;
  uint32_t *words = need(ROOM * sizeof *words), *lengths = need(HEIGHT * WIDTH * sizeof *lengths);
  int32_t *decoded = need(sizeof samples);
  for (int k = 0; k < 5; k++) {
    const int height = HEIGHT - k % 3;
    const struct hpac_tile lower = {height, WIDTH, DEPTH, 0, NULL, NULL, 1};
    const int64_t count = hpac_encode(network, &lower, samples, words, ROOM);
    REQUIRE(count > 0);
    REQUIRE(hpac_decode(network, &lower, words, count, decoded) == 0);
    REQUIRE(!memcmp(decoded, samples, (size_t)(height * WIDTH) * sizeof *samples));
    REQUIRE(hpac_measure(network, &lower, samples, lengths) == 0);
  }
  free(words);
  free(lengths);
  free(decoded);
  return NULL;
}

static void run_threads(const struct integers *n) {
  for (int u = 0; u < num_units; u++) {
    pthread_t threads[NUM_THREADS];
    for (int k = 0; k < NUM_THREADS; k++) REQUIRE(!pthread_create(&threads[k], NULL, code_tiles, n->packed[u]));
    for (int k = 0; k < NUM_THREADS; k++) REQUIRE(!pthread_join(threads[k], NULL));
    printf("%s: %d threads\n", hpac_unit_name(units[u]), NUM_THREADS);
  }
}

int main(int argc, char **argv) {
  REQUIRE(argc == 2);
  read_material();
  make_samples();
  const struct integers *n = &networks[2 * 3]; /* the third shape of material.py: of every layer there is one */
  if (!strcmp(argv[1], "threads")) run_threads(n);
  for (int u = 0; u < num_units && !strcmp(argv[1], "memory"); u++) {
    fail_every_allocation(run_self_test, n, units[u]);
    fail_every_allocation(run_all, n, units[u]);
  }
  return 0;
}
