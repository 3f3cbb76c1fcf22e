/* Vector operations with AVX-VNNI: 8 lanes, 4 activations a word (vpdpbusd of 256 bits).
   vector.h says what each operation means. */
#include <immintrin.h>

#include "vector_x86.h"

#define HPAC_LANES 8
#define HPAC_MAX_BLOCK 5
enum { LANES = HPAC_LANES, WORD_INPUTS = 4, MAX_VECTORS = 2, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef uint8_t activation;
enum { ZERO_ACTIVATION = 128 }; /* vpdpbusd takes its first factor unsigned */
typedef __m256i vec;

#include "vector_256.h"

INLINE vec v_dot(vec sum, vec word, vec weights) { return _mm256_dpbusd_avx_epi32(sum, word, weights); }
INLINE vec v_append(vec word, vec activations) {
  vec top = _mm256_slli_epi32(_mm256_xor_si256(activations, _mm256_set1_epi32(ZERO_ACTIVATION)), 24);
  return _mm256_or_si256(_mm256_srli_epi32(word, 8), top);
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  (void)vectors;
  vec q = _mm256_packs_epi32(v[0], v[1]);
  q = _mm256_permute4x64_epi64(_mm256_packs_epi16(q, q), 0x08);
  __m128i bytes = _mm256_castsi256_si128(q);
  bytes = _mm_max_epi8(bytes, is_signed ? _mm_set1_epi8(-127) : _mm_setzero_si128());
  _mm_storeu_si128((__m128i *)y, is_signed ? _mm_xor_si128(bytes, _mm_set1_epi8(-128)) : bytes);
}
