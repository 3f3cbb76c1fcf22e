/* Vector operations with AVX2: 8 lanes, 2 activations of 16 bits a word (vpmaddwd).
   vector.h says what each operation means. */
#include <immintrin.h>

#include "vector_x86.h"

#define HPAC_LANES 8
#define HPAC_MAX_BLOCK 5
enum { LANES = HPAC_LANES, WORD_INPUTS = 2, MAX_VECTORS = 2, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef int16_t activation;
enum { ZERO_ACTIVATION = 0 };
typedef __m256i vec;

#include "vector_256.h"

INLINE vec v_dot(vec sum, vec word, vec weights) { return _mm256_add_epi32(sum, _mm256_madd_epi16(word, weights)); }
INLINE vec v_append(vec word, vec activations) {
  return _mm256_blend_epi16(_mm256_srli_epi32(word, 16), _mm256_slli_epi32(activations, 16), 0xaa);
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  (void)vectors;
  vec q = _mm256_min_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_set1_epi16(127));
  q = _mm256_max_epi16(q, is_signed ? _mm256_set1_epi16(-127) : _mm256_setzero_si256());
  _mm256_storeu_si256((__m256i *)y, q);
}
