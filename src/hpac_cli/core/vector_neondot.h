/* Vector operations with NEON and its dot products (ARMv8.2): 4 lanes, 4 activations a word (sdot).
   vector.h says what each operation means. */
#include <arm_neon.h>

#define HPAC_LANES 4
#define HPAC_MAX_BLOCK 6
enum { LANES = HPAC_LANES, WORD_INPUTS = 4, MAX_VECTORS = 4, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef int8_t activation;
enum { ZERO_ACTIVATION = 0 };
typedef int32x4_t vec;

#include "vector_128arm.h"

INLINE vec v_dot(vec sum, vec word, vec weights) {
  return vdotq_s32(sum, vreinterpretq_s8_s32(word), vreinterpretq_s8_s32(weights));
}
INLINE vec v_append(vec word, vec activations) {
  uint32x4_t below = vshrq_n_u32(vreinterpretq_u32_s32(word), 8);
  return vreinterpretq_s32_u32(vsliq_n_u32(below, vreinterpretq_u32_s32(activations), 24));
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  (void)vectors;
  int16x8_t low = vcombine_s16(vqmovn_s32(v[0]), vqmovn_s32(v[1])),
            high = vcombine_s16(vqmovn_s32(v[2]), vqmovn_s32(v[3]));
  int8x16_t q = vcombine_s8(vqmovn_s16(low), vqmovn_s16(high));
  vst1q_s8(y, vmaxq_s8(q, vdupq_n_s8(is_signed ? -127 : 0)));
}
