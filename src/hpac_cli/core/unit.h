/* What a unit is: the whole tile codec, compiled for one instruction set. door.c chooses among units. */
#ifndef HPAC_UNIT_H
#define HPAC_UNIT_H

#include <stdint.h>

/* Limits of what a network may be; the door refuses all else, so that sums and sizes below cannot overflow. */
enum {
  MAX_PLANES = 3,
  MAX_WIDTH = 512,
  MAX_BLOCKS = 16,
  MAX_EXPAND = 4,
  MAX_ROWS = 3,
  MAX_HEAD = 512,
  MAX_COMPONENTS = 8,
  MAX_CONTEXT = 512,
  MAX_CONTEXT_PLACES = 6,
  MAX_REFERENCES = 2,
  MAX_SIDE = 1024,
  MAX_DEPTH = 16,
  WINDOW = 22, /* neighbours that the network sees of every plane */
  POSITION_INPUTS = 3,
  MAX_SHIFTED = 4 << 6, /* edges of cells are at most 4 samples from where they would be without */
  WORDS_PER_SAMPLE = 6  /* at most: a focus symbol of 24 bits, then 6 refinements of 24, or 54 bits of escape */
};

/* What a call returns if it is not a number of words. */
enum {
  HPAC_DAMAGED = -1, /* the words cannot come from the encoder */
  HPAC_NO_MEMORY = -2,
  HPAC_NO_ROOM = -3, /* the words do not fit the room that was given */
  HPAC_BAD_ARGUMENT = -4
};

/* Sizes of one network; docs/format.md, "Weights". */
struct shape {
  int planes, width, blocks, expand, rows, head, components, context, context_places, references;
};

/* Rows and columns around the same place that are seen of a reference. */
static inline int reference_radius(int reference) { return 2 - reference; }

/* A reference's window, its base, its level, and whether it is there. */
static inline int num_reference_inputs(int reference) {
  const int side = 2 * reference_radius(reference) + 1;
  return side * side + 3;
}

/* Inputs of the first layer. */
static inline int num_inputs(const struct shape *s) {
  int inputs = s->planes * (WINDOW + 2) + POSITION_INPUTS;
  for (int k = 0; k < s->references; k++) inputs += num_reference_inputs(k);
  return inputs;
}

/* All layers' integers, one layer after another in the order of docs/format.md; checked by the door. */
struct layers {
  const int8_t *weights;
  const int32_t *biases, *shifts;
};

/* The integer tables of docs/format.md, "Tables". */
struct tables {
  const int32_t *level_threshold, *level_scale, *level_limit, *level_reciprocal, *asinh, *spread, *spread_inverse, *exp,
      *sigmoid;
};

struct network; /* packed for one unit */

/* One tile: its size in pixels and its samples, (height, width, planes) coded values below 2^depth. */
struct tile {
  int height, width, depth;
  int32_t *samples;
  const int32_t *edges;      /* of cells, (planes, 2^depth + 1) as hpac_core.h says, checked by the door; or NULL */
  int num_references;        /* at most as many as the network has */
  const int32_t *references; /* (num_references, height, width), below 2^depth */
  int repeats;               /* 1 if far repetition is looked for */
};

struct hpac_component;

/* Samples of one plane, whose mixtures were collected. */
struct collected {
  const struct hpac_component *components; /* (count, components) */
  const int32_t *values;                   /* below 2^depth */
  int64_t count;
  int depth;
};

struct unit {
  const char *name;
  /* NULL if memory is short. */
  struct network *(*pack)(const struct shape *, const struct layers *, const struct tables *);
  void (*discard)(struct network *);
  /* Writes words; returns their number or an error. */
  int64_t (*encode)(const struct network *, const struct tile *, uint32_t *words, int64_t room);
  /* Fills tile->samples; returns 0 or an error. */
  int64_t (*decode)(const struct network *, const struct tile *, const uint32_t *words, int64_t num_words);
  /* Writes the code length of every pixel, (height, width) in 2^-16 bits; returns 0 or an error. */
  int64_t (*measure)(const struct network *, const struct tile *, uint32_t *lengths);
  /* Writes the mixtures of all samples, (planes, height, width, components); returns 0 or an error. */
  int64_t (*collect)(const struct network *, const struct tile *, struct hpac_component *components);
  /* Counts values, and adds the masses that mixtures give each, where none of their larger components is narrower. */
  void (*expect)(const struct network *, const struct collected *, int32_t least_spread, int64_t *met,
                 int64_t *expected);
  /* Returns the code length of all samples with cells, in 2^-16 bits, or an error. */
  int64_t (*length)(const struct network *, const struct collected *, const int32_t *edges);
  int (*num_hashes)(const struct shape *);
  /* Writes the hash of every layer's outputs (trace.h); returns 0 or an error. */
  int64_t (*trace)(const struct network *, const struct tile *, uint64_t *hashes);
};

#endif
