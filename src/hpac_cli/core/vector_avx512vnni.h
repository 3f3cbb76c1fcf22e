/* Vector operations with AVX-512 VNNI: 16 lanes, 4 activations a word (vpdpbusd).
   vector.h says what each operation means. */
#include <immintrin.h>

#include "vector_x86.h"

#define HPAC_LANES 16
#define HPAC_MAX_BLOCK 6
enum { LANES = HPAC_LANES, WORD_INPUTS = 4, MAX_VECTORS = 4, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef uint8_t activation;
enum { ZERO_ACTIVATION = 128 }; /* vpdpbusd takes its first factor unsigned */
typedef __m512i vec;

INLINE vec v_load(const void *at) { return _mm512_load_si512(at); }
INLINE void v_store(void *at, vec v) { _mm512_store_si512(at, v); }
INLINE vec v_all(int32_t x) { return _mm512_set1_epi32(x); }
INLINE vec v_add(vec a, vec b) { return _mm512_add_epi32(a, b); }
INLINE vec v_min(vec a, vec b) { return _mm512_min_epi32(a, b); }
INLINE vec v_max(vec a, vec b) { return _mm512_max_epi32(a, b); }
INLINE vec v_shift_each(vec v, vec places) { return _mm512_srav_epi32(v, places); }
INLINE vec v_shift(vec v, const int places) { return _mm512_srai_epi32(v, (unsigned)places); }
INLINE vec v_dot(vec sum, vec word, vec weights) { return _mm512_dpbusd_epi32(sum, word, weights); }
INLINE vec v_product(vec a, vec b) { return _mm512_madd_epi16(a, _mm512_and_si512(b, _mm512_set1_epi32(0xffff))); }
INLINE vec v_append(vec word, vec activations) {
  vec top = _mm512_slli_epi32(_mm512_xor_si512(activations, _mm512_set1_epi32(ZERO_ACTIVATION)), 24);
  return _mm512_or_si512(_mm512_srli_epi32(word, 8), top);
}
INLINE vec v_keep(vec v) {
  __asm__ volatile("" : "+v"(v));
  return v;
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  if (vectors == 4) {
    vec q = _mm512_packs_epi16(_mm512_packs_epi32(v[0], v[1]), _mm512_packs_epi32(v[2], v[3]));
    q = _mm512_max_epi8(q, is_signed ? _mm512_set1_epi8(-127) : _mm512_setzero_si512());
    _mm512_storeu_si512(y, is_signed ? _mm512_xor_si512(q, _mm512_set1_epi8(-128)) : q);
  } else if (vectors == 2) {
    __m256i q = _mm512_cvtsepi16_epi8(_mm512_packs_epi32(v[0], v[1]));
    q = _mm256_max_epi8(q, is_signed ? _mm256_set1_epi8(-127) : _mm256_setzero_si256());
    _mm256_storeu_si256((__m256i *)y, is_signed ? _mm256_xor_si256(q, _mm256_set1_epi8(-128)) : q);
  } else {
    __m128i q = _mm512_cvtsepi32_epi8(v[0]);
    q = _mm_max_epi8(q, is_signed ? _mm_set1_epi8(-127) : _mm_setzero_si128());
    _mm_storeu_si128((__m128i *)y, is_signed ? _mm_xor_si128(q, _mm_set1_epi8(-128)) : q);
  }
}
