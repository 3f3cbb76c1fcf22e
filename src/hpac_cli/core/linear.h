/* Point-wise layers: v = (sum of x * weight + bias + half) >> shift for every output, then what becomes of v.
   Source: docs/format.md, "Integer network". Sums stay below 2^24: the door checks that of all weights. */
#ifndef HPAC_LINEAR_H
#define HPAC_LINEAR_H

#include "vector.h"

enum { STREAM_LIMIT = 32767, NARROW_PLACES = 4 };

struct linear {
  int outputs, inputs;
  int padded; /* outputs, rounded up to 16 */
  int words;  /* of a pixel's inputs */
  vec *weights;
  vec *bias, *shift; /* the rounding half, and what signed activations are stored with too much, are in the bias */
};

/* One layer's integers as they are given. */
struct raw_layer {
  int outputs, inputs;
  const int8_t *weights; /* (outputs, inputs) */
  const int32_t *bias, *shift;
};

static int32_t rounding_half(int32_t shift) { return shift ? (int32_t)1 << (shift - 1) : 0; }

/* Put `input` number k of a word's WORD_INPUTS into a weight word. */
INLINE void put_weight(void *word, int k, int8_t weight) {
  if (WORD_INPUTS == 4) memcpy((char *)word + k, &weight, 1);
  if (WORD_INPUTS == 2) memcpy((char *)word + 2 * k, &(int16_t){weight}, 2);
  if (WORD_INPUTS == 1) memcpy(word, &(int32_t){weight}, 4);
}

/* Pack a layer. Inputs from signed_from on (below signed_to) are stored as signed activations, the others as they
   are. With in_order, lane l of vec v of a group is its channel LANES * v + l, else vector_channel's.
   Returns 0 if memory is short. */
static int pack_linear(struct linear *layer, struct memory *memory, const struct raw_layer *raw, int signed_from,
                       int signed_to, int in_order) {
  layer->outputs = raw->outputs;
  layer->inputs = raw->inputs;
  layer->padded = round_up(raw->outputs, 16);
  layer->words = (raw->inputs + WORD_INPUTS - 1) / WORD_INPUTS;
  const size_t vecs = (size_t)layer->padded / LANES;
  layer->weights = take(memory, vecs * (size_t)layer->words * sizeof(vec));
  layer->bias = take(memory, vecs * sizeof(vec));
  layer->shift = take(memory, vecs * sizeof(vec));
  if (!layer->weights || !layer->bias || !layer->shift) return 0;
  for (int first = 0, vectors; first < layer->padded; first += LANES * vectors) {
    vectors = group_vectors(layer->padded - first);
    for (int v = 0; v < vectors; v++)
      for (int lane = 0; lane < LANES; lane++) {
        const int o = first + (in_order ? LANES * v + lane : vector_channel(vectors, v, lane));
        if (o >= raw->outputs) continue;
        const int8_t *row = raw->weights + (size_t)o * (size_t)raw->inputs;
        int32_t offset = 0;
        for (int k = signed_from; k < signed_to; k++) offset += row[k];
        const size_t at = (size_t)(first / LANES + v) * LANES + (size_t)lane;
        ((int32_t *)layer->bias)[at] = raw->bias[o] + rounding_half(raw->shift[o]) - ZERO_ACTIVATION * offset;
        ((int32_t *)layer->shift)[at] = raw->shift[o];
        vec *group = layer->weights + (size_t)(first / LANES) * (size_t)layer->words;
        for (int k = 0; k < raw->inputs; k++) {
          const size_t word = ((size_t)(k / WORD_INPUTS * vectors + v)) * LANES + (size_t)lane;
          put_weight((int32_t *)group + word, k % WORD_INPUTS, row[k]);
        }
      }
  }
  return 1;
}

/* Where the inputs of a run of pixels lie: word k of pixel i at `at + i * pixel_step + k * word_step` bytes. */
struct inputs {
  const void *at;
  size_t pixel_step, word_step;
};

/* What becomes of a layer's outputs. */
enum kind {
  RELU,       /* activations, 0 to 127 */
  GATE,       /* signed activations, appended to the words of the pixel before */
  VALUE,      /* -127 to 127 as 32-bit numbers, in the order of vecs */
  SET_STREAM, /* the stream becomes v, */
  ADD_STREAM, /* or grows by it; then by the context's part; its narrowed form is stored as signed activations */
  PARAMETERS, /* 32-bit numbers clamped to the stream's limit */
  SUM_RELU    /* sums over pixels of 0 to 127 */
};

struct outputs {
  activation *y;    /* RELU, and narrowed streams */
  size_t y_step;    /* activations from pixel to pixel */
  int32_t *numbers; /* VALUE, streams, PARAMETERS */
  size_t number_step;
  const int32_t *context;      /* of the whole wavefront; or NULL */
  const int32_t *words_before; /* GATE */
  int32_t *words;
  size_t word_step; /* words from pixel to pixel */
  int64_t *sums;    /* SUM_RELU, by channel */
};

INLINE void store_stream(const int vectors, const int grows, vec *v, const struct outputs *out, size_t pixel,
                         int first) {
  int32_t *stream = out->numbers + pixel * out->number_step + first;
  for (int k = 0; k < vectors; k++) {
    if (grows) v[k] = v_add(v[k], v_load(stream + k * LANES));
    v[k] = v_clamp(v[k], STREAM_LIMIT);
    if (out->context) v[k] = v_clamp(v_add(v[k], v_load(out->context + first + k * LANES)), STREAM_LIMIT);
    v_store(stream + k * LANES, v[k]);
    v[k] = v_shift(v_add(v[k], v_all(1 << (NARROW_PLACES - 1))), NARROW_PLACES);
  }
  if (out->y) v_put(vectors, v, out->y + pixel * out->y_step + first, 1);
}

INLINE void store(const enum kind kind, const int vectors, vec *v, const struct outputs *out, size_t pixel, int first,
                  vec *sums) {
  switch (kind) {
    case RELU: v_put(vectors, v, out->y + pixel * out->y_step + first, 0); break;
    case GATE:
      for (int k = 0; k < vectors; k++) {
        const size_t at = pixel * out->word_step + (size_t)(first + k * LANES);
        v_store(out->words + at, v_append(v_load(out->words_before + at), v_clamp(v[k], 127)));
      }
      break;
    case VALUE:
      for (int k = 0; k < vectors; k++)
        v_store(out->numbers + pixel * out->number_step + first + k * LANES, v_clamp(v[k], 127));
      break;
    case SET_STREAM:
    case ADD_STREAM: store_stream(vectors, kind == ADD_STREAM, v, out, pixel, first); break;
    case PARAMETERS:
      for (int k = 0; k < vectors; k++)
        v_store(out->numbers + pixel * out->number_step + first + k * LANES, v_clamp(v[k], STREAM_LIMIT));
      break;
    case SUM_RELU:
      for (int k = 0; k < vectors; k++) sums[k] = v_add(sums[k], v_max(v_min(v[k], v_all(127)), v_all(0)));
      break;
  }
}

/* One block of pixels, one group of outputs. */
INLINE void run_block(const enum kind kind, const int pixels, const int vectors, const struct linear *layer, int first,
                      const struct inputs *in, const struct outputs *out, size_t pixel) {
  const char *x = (const char *)in->at + pixel * in->pixel_step;
  const size_t pixel_step = in->pixel_step, word_step = in->word_step;
  const vec *weights = layer->weights + (size_t)(first / LANES) * (size_t)layer->words;
  const vec *bias = layer->bias + first / LANES, *shift = layer->shift + first / LANES;
  const int words = layer->words;
  vec sum[MAX_BLOCK][MAX_VECTORS];
#pragma GCC unroll 6
  for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[i][v] = bias[v];
  for (int k = 0; k < words; k++) {
    vec w[MAX_VECTORS];
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) w[v] = weights[k * vectors + v];
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++) {
      const vec word = v_word(x + (size_t)i * pixel_step + (size_t)k * word_step);
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[i][v] = v_dot(sum[i][v], word, w[v]);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < pixels; i++)
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[i][v] = v_keep(sum[i][v]);
  vec total[MAX_VECTORS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) total[v] = v_all(0);
#pragma GCC unroll 6
  for (int i = 0; i < pixels; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sum[i][v] = v_shift_each(sum[i][v], shift[v]);
    store(kind, vectors, sum[i], out, pixel + (size_t)i, first, total);
  }
  if (kind == SUM_RELU)
    for (int v = 0; v < vectors; v++) {
      int32_t lanes[LANES] ALIGNED;
      v_store(lanes, total[v]);
      for (int lane = 0; lane < LANES; lane++) out->sums[first + vector_channel(vectors, v, lane)] += lanes[lane];
    }
}

/* All pixels, one group of outputs: in blocks that differ by one pixel at most. */
INLINE void run_group(const enum kind kind, const int vectors, const struct linear *layer, int first,
                      const struct inputs *in, const struct outputs *out, int pixels) {
  const int blocks = (pixels + MAX_BLOCK - 1) / MAX_BLOCK;
  size_t pixel = 0;
  for (int left = blocks, rest = pixels; left; left--) {
    const int block = (rest + left - 1) / left;
    switch (block) {
      case 1: run_block(kind, 1, vectors, layer, first, in, out, pixel); break;
      case 2: run_block(kind, 2, vectors, layer, first, in, out, pixel); break;
#if HPAC_MAX_BLOCK > 2
      case 3: run_block(kind, 3, vectors, layer, first, in, out, pixel); break;
      case 4: run_block(kind, 4, vectors, layer, first, in, out, pixel); break;
      case 5: run_block(kind, 5, vectors, layer, first, in, out, pixel); break;
#if HPAC_MAX_BLOCK > 5
      case 6: run_block(kind, 6, vectors, layer, first, in, out, pixel); break;
#endif
#endif
    }
    pixel += (size_t)block;
    rest -= block;
  }
}

INLINE void run_layer(const enum kind kind, const struct linear *layer, const struct inputs *in,
                      const struct outputs *out, int pixels) {
  for (int first = 0, vectors; first < layer->padded; first += LANES * vectors) {
    vectors = group_vectors(layer->padded - first);
#if HPAC_LANES == 16
    if (vectors == 4) run_group(kind, 4, layer, first, in, out, pixels);
    else if (vectors == 2) run_group(kind, 2, layer, first, in, out, pixels);
    else run_group(kind, 1, layer, first, in, out, pixels);
#else
    run_group(kind, MAX_VECTORS, layer, first, in, out, pixels);
#endif
  }
}

#define LAYER_RUNNER(name, kind)                                                                                   \
  NOINLINE void name(const struct linear *layer, const struct inputs *in, const struct outputs *out, int pixels) { \
    run_layer(kind, layer, in, out, pixels);                                                                       \
  }
LAYER_RUNNER(run_relu, RELU)
LAYER_RUNNER(run_gate, GATE)
LAYER_RUNNER(run_value, VALUE)
LAYER_RUNNER(set_stream, SET_STREAM)
LAYER_RUNNER(add_to_stream, ADD_STREAM)
LAYER_RUNNER(run_parameters, PARAMETERS)
LAYER_RUNNER(sum_relu, SUM_RELU)

#endif
