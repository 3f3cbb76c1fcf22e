/* Hashes of every layer's outputs, which lock the units and the reference decoder together, layer by layer.

   A hash goes over 32-bit numbers, wavefront by wavefront, within one pixels in ascending y, within a pixel channels
   in ascending order: h = (h ^ number) * 0x100000001B3 modulo 2^64, from 0xCBF29CE484222325 on. */
#ifndef HPAC_TRACE_H
#define HPAC_TRACE_H

#include "linear.h"
#include "unit.h"

/* Which hash is of what; blocks and heads follow in turn. A stream is hashed with its context's part. */
enum trace_place { TRACE_FOCUS, TRACE_INPUT, TRACE_INPUT2, TRACE_CONTEXT_SUMS, TRACE_BLOCKS };
enum trace_block { TRACE_GATE, TRACE_VALUE, TRACE_GATED, TRACE_OUT, TRACE_UP, TRACE_DOWN, TRACE_BLOCK };
enum trace_head { TRACE_HIDDEN, TRACE_PARAMETERS, TRACE_HEAD };

static int num_hashes(const struct shape *s) { return TRACE_BLOCKS + TRACE_BLOCK * s->blocks + TRACE_HEAD * s->planes; }

INLINE void hash_number(uint64_t *hash, int32_t number) {
  *hash = (*hash ^ (uint32_t)number) * UINT64_C(0x100000001B3);
}

static void hash_activations(uint64_t *hash, const activation *y, size_t step, int channels, int pixels,
                             int is_signed) {
  const int32_t offset = is_signed ? ZERO_ACTIVATION : 0;
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++) hash_number(hash, (int32_t)y[(size_t)i * step + (size_t)c] - offset);
}

/* Where a channel lies among the outputs that a layer of this width stores as numbers or words. */
static size_t stored_place(int width, int channel) {
  int first = 0, vectors = group_vectors(width);
  while (channel >= first + LANES * vectors) {
    first += LANES * vectors;
    vectors = group_vectors(width - first);
  }
  for (int v = 0; v < vectors; v++)
    for (int lane = 0; lane < LANES; lane++)
      if (first + vector_channel(vectors, v, lane) == channel) return (size_t)(first + v * LANES + lane);
  return 0;
}

static void hash_numbers(uint64_t *hash, const int32_t *numbers, size_t step, int channels, int pixels) {
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++) hash_number(hash, numbers[(size_t)i * step + stored_place(channels, c)]);
}

/* The last activation of every word. */
static void hash_gates(uint64_t *hash, const int32_t *words, size_t step, int channels, int pixels) {
  for (int i = 0; i < pixels; i++)
    for (int c = 0; c < channels; c++) {
      const uint32_t word = (uint32_t)words[(size_t)i * step + stored_place(channels, c)];
      const int32_t last = WORD_INPUTS == 1   ? (int32_t)word
                           : WORD_INPUTS == 2 ? (int16_t)(word >> 16)
                           : ZERO_ACTIVATION  ? (int32_t)(word >> 24) - ZERO_ACTIVATION
                                              : (int8_t)(word >> 24);
      hash_number(hash, last);
    }
}

#endif
