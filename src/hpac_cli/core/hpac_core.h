/* The interface of the core: tiles to words of the range coder and back. Nothing here keeps state but the networks;
   calls with different tiles may run at the same time. */
#ifndef HPAC_CORE_H
#define HPAC_CORE_H

#include <stdint.h>

#if defined(_WIN32)
#define HPAC_API __declspec(dllexport)
#else
#define HPAC_API __attribute__((visibility("default")))
#endif

struct hpac_network;

/* One component of a sample's mixture: weight in 2^-12, mean in 1/64 sample from value 0, number on the table of
   spreads. */
struct hpac_component {
  int32_t mean;
  int16_t weight, spread;
};

/* Grows whenever a function of this library, deflate/, jpeg/ and segments/ included, changes its meaning; the loader
   asks for the one that it knows. */
HPAC_API int hpac_interface(void);

/* Instruction sets that were compiled in, the fastest first; `plain` is the last. */
HPAC_API int hpac_num_units(void);
HPAC_API const char *hpac_unit_name(int unit);
/* Whether this processor has the instructions. */
HPAC_API int hpac_unit_runs_here(int unit);
/* Whether a unit gives the words that `plain` gives, and reads them, for a small tile; 0 also if memory is short.
   tables: the nine tables one after another, num_table numbers. */
HPAC_API int hpac_unit_is_exact(int unit, const int32_t *tables, int64_t num_table);

/* A network for a unit. shape: planes, width, blocks, expand, rows, head, components, context, context_places,
   references. All layers' integers in the order of docs/format.md. NULL if any of it is out of bounds, or memory is
   short. */
HPAC_API struct hpac_network *hpac_network_new(int unit, const int32_t *shape, const int8_t *weights,
                                               int64_t num_weights, const int32_t *biases, const int32_t *shifts,
                                               int64_t num_outputs, const int32_t *tables, int64_t num_table);
HPAC_API void hpac_network_free(struct hpac_network *network);

/* What is known of a tile before its samples are. */
struct hpac_tile {
  int32_t height, width, depth;
  int32_t num_references; /* at most as many as the network has */
  /* Of the cells of values, (planes, 2^depth + 1), or NULL: where the cell of each value of a plane begins, and where
     the last one ends, in 1/64 sample; without cells that is 64 v - 32. Edges never descend, and are at most 256 away
     from that. */
  const int32_t *edges;
  const int32_t *references; /* (num_references, height, width) values below 2^depth */
  int32_t repeats;           /* 1 if far repetition is looked for, else 0 */
};

/* samples: (height, width, planes) coded values below 2^depth. Errors are negative: -1 damaged words, -2 memory is
   short, -3 the words do not fit, -4 an argument is out of bounds. */

/* At most so many words. */
HPAC_API int64_t hpac_max_words(const struct hpac_network *network, int height, int width);
/* Returns the number of words written to words[room]. */
HPAC_API int64_t hpac_encode(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                             uint32_t *words, int64_t room);
/* Returns 0. What `samples` holds after an error means nothing. */
HPAC_API int64_t hpac_decode(const struct hpac_network *network, const struct hpac_tile *tile, const uint32_t *words,
                             int64_t num_words, int32_t *samples);
/* lengths: (height, width), what each pixel takes, all planes together, in 2^-16 bits. Returns 0. */
HPAC_API int64_t hpac_measure(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                              uint32_t *lengths);
/* components: (planes, height, width, components of the network), without what far repetition adds. Returns 0. */
HPAC_API int64_t hpac_collect(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                              struct hpac_component *components);
/* Of `count` samples of one plane, values[] with the components that were collected. Adds to met[2^depth] how often
   each value came, and to expected[2^depth] what the mixtures give it, in 2^-30 samples; samples whose mixture has a
   large component below least_spread, a number on the table of spreads, are left out. Returns 0. */
HPAC_API int64_t hpac_expect(const struct hpac_network *network, int64_t count, int depth, const int32_t *values,
                             const struct hpac_component *components, int least_spread, int64_t *met,
                             int64_t *expected);
/* About the code length of the same samples with cells, whose edges are (2^depth + 1), in 2^-16 bits. */
HPAC_API int64_t hpac_length(const struct hpac_network *network, int64_t count, int depth, const int32_t *values,
                             const struct hpac_component *components, const int32_t *edges);
/* Hashes of all layers' outputs (trace.h). */
HPAC_API int hpac_num_hashes(const struct hpac_network *network);
HPAC_API int64_t hpac_trace(const struct hpac_network *network, const struct hpac_tile *tile, const int32_t *samples,
                            uint64_t *hashes);

#endif
