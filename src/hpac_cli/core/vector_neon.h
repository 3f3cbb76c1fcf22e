/* Vector operations with NEON, which every 64-bit ARM has: 4 lanes, 2 activations of 16 bits a word.
   vector.h says what each operation means. */
#include <arm_neon.h>

#define HPAC_LANES 4
#define HPAC_MAX_BLOCK 6
enum { LANES = HPAC_LANES, WORD_INPUTS = 2, MAX_VECTORS = 4, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef int16_t activation;
enum { ZERO_ACTIVATION = 0 };
typedef int32x4_t vec;

#include "vector_128arm.h"

/* Factors are at most 127 in magnitude, so a product fits 16 bits. */
INLINE vec v_dot(vec sum, vec word, vec weights) {
  return vpadalq_s16(sum, vmulq_s16(vreinterpretq_s16_s32(word), vreinterpretq_s16_s32(weights)));
}
INLINE vec v_append(vec word, vec activations) {
  uint32x4_t below = vshrq_n_u32(vreinterpretq_u32_s32(word), 16);
  return vreinterpretq_s32_u32(vsliq_n_u32(below, vreinterpretq_u32_s32(activations), 16));
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  for (int i = 0; i < vectors; i += 2) {
    int16x8_t q = vminq_s16(vcombine_s16(vqmovn_s32(v[i]), vqmovn_s32(v[i + 1])), vdupq_n_s16(127));
    vst1q_s16(y + 4 * i, vmaxq_s16(q, vdupq_n_s16(is_signed ? -127 : 0)));
  }
}
