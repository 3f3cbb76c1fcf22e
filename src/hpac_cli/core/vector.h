/* The vector operations of the instruction set that this unit is compiled for.

   A vec holds LANES numbers of 32 bits, one for each of as many outputs of a layer. Activations, -127 to 127, are
   stored as `activation`, WORD_INPUTS of them side by side in a word of 32 bits. Signed ones may be stored as
   x + ZERO_ACTIVATION, which the layer that reads them takes off again; those that cannot be negative are stored
   as they are.

   v_dot(sum, word, weights)   adds to each lane the products of the word's activations and the lane's weights
   v_product(a, b)             a * b of numbers of at most 127 in magnitude
   v_append(word, x)           shifts each lane's word by one activation and puts x, -127 to 127, behind
   v_put(vectors, v, y, s)     stores LANES * vectors activations, clamped to -127..127 if s, else 0..127, in the
                               order of channels (see vector_channel)
   v_shift, v_shift_each       arithmetic right shifts
   v_distance(a, b)            the sum of absolute differences of 16 bytes each
   v_transpose(rows, step, columns, step)
                               turns four rows of four numbers, so far apart, into columns
   v_keep(v)                   v; the compiler may not move what follows above it (else it spills accumulators)

   Layers are computed for MAX_BLOCK pixels at a time, in groups of up to MAX_VECTORS vecs of outputs. */
#ifndef HPAC_VECTOR_H
#define HPAC_VECTOR_H

#include "common.h"

#if defined(HPAC_ISA_AVX512VNNI)
#define HPAC_UNIT hpac_unit_avx512vnni
#define HPAC_UNIT_NAME "avx512vnni"
#include "vector_avx512vnni.h"
#elif defined(HPAC_ISA_AVXVNNI)
#define HPAC_UNIT hpac_unit_avxvnni
#define HPAC_UNIT_NAME "avxvnni"
#include "vector_avxvnni.h"
#elif defined(HPAC_ISA_AVX2)
#define HPAC_UNIT hpac_unit_avx2
#define HPAC_UNIT_NAME "avx2"
#include "vector_avx2.h"
#elif defined(HPAC_ISA_SSE2)
#define HPAC_UNIT hpac_unit_sse2
#define HPAC_UNIT_NAME "sse2"
#include "vector_sse2.h"
#elif defined(HPAC_ISA_NEONDOT)
#define HPAC_UNIT hpac_unit_neondot
#define HPAC_UNIT_NAME "neondot"
#include "vector_neondot.h"
#elif defined(HPAC_ISA_NEON)
#define HPAC_UNIT hpac_unit_neon
#define HPAC_UNIT_NAME "neon"
#include "vector_neon.h"
#elif defined(HPAC_ISA_PLAIN)
#define HPAC_UNIT hpac_unit_plain
#define HPAC_UNIT_NAME "plain"
#include "vector_plain.h"
#else
#error "a unit is compiled for one instruction set: define HPAC_ISA_..."
#endif

enum { WORD_BYTES = 4 };

/* Vecs in the group of outputs that begins where so many (a multiple of 16) are left. */
INLINE int group_vectors(int outputs_left) {
  if (LANES < 16) return 16 / LANES;
  return outputs_left >= 64 ? 4 : outputs_left >= 32 ? 2 : 1;
}

/* Which of a group's channels lane `lane` of its vec number `v` holds. Packing instructions work on 128 bits
   at a time; with this order they leave channels in theirs. */
INLINE int vector_channel(int vectors, int v, int lane) { return 4 * vectors * (lane / 4) + 4 * v + lane % 4; }

INLINE vec v_word(const void *at) {
  int32_t word;
  memcpy(&word, at, sizeof word);
  return v_all(word);
}
INLINE vec v_clamp(vec v, int32_t limit) { return v_max(v_min(v, v_all(limit)), v_all(-limit)); }

INLINE activation to_activation(int32_t v) { return (activation)(v ^ ZERO_ACTIVATION); }

#endif
