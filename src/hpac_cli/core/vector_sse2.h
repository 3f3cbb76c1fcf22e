/* Vector operations with SSE2, which every x86-64 has: 4 lanes, 2 activations of 16 bits a word (pmaddwd).
   vector.h says what each operation means. */
#include "vector_x86.h"

#define HPAC_LANES 4
#define HPAC_MAX_BLOCK 2
enum { LANES = HPAC_LANES, WORD_INPUTS = 2, MAX_VECTORS = 4, MAX_BLOCK = HPAC_MAX_BLOCK };
typedef int16_t activation;
enum { ZERO_ACTIVATION = 0 };
typedef __m128i vec;

INLINE vec v_load(const void *at) { return _mm_load_si128((const __m128i *)at); }
INLINE void v_store(void *at, vec v) { _mm_store_si128((__m128i *)at, v); }
INLINE vec v_all(int32_t x) { return _mm_set1_epi32(x); }
INLINE vec v_add(vec a, vec b) { return _mm_add_epi32(a, b); }
INLINE vec v_min(vec a, vec b) {
  vec more = _mm_cmpgt_epi32(a, b);
  return _mm_or_si128(_mm_and_si128(more, b), _mm_andnot_si128(more, a));
}
INLINE vec v_max(vec a, vec b) {
  vec more = _mm_cmpgt_epi32(a, b);
  return _mm_or_si128(_mm_and_si128(more, a), _mm_andnot_si128(more, b));
}
INLINE vec v_shift_each(vec v, vec places) {
  int32_t lane[4] ALIGNED, by[4] ALIGNED;
  v_store(lane, v);
  v_store(by, places);
  for (int i = 0; i < 4; i++) lane[i] >>= by[i];
  return v_load(lane);
}
INLINE vec v_shift(vec v, const int places) { return _mm_srai_epi32(v, places); }
INLINE vec v_product(vec a, vec b) { return _mm_madd_epi16(a, _mm_and_si128(b, _mm_set1_epi32(0xffff))); }
INLINE vec v_dot(vec sum, vec word, vec weights) { return _mm_add_epi32(sum, _mm_madd_epi16(word, weights)); }
INLINE vec v_append(vec word, vec activations) {
  return _mm_or_si128(_mm_srli_epi32(word, 16), _mm_slli_epi32(activations, 16));
}
INLINE vec v_keep(vec v) {
  __asm__ volatile("" : "+x"(v));
  return v;
}

INLINE void v_put(const int vectors, const vec *v, activation *y, const int is_signed) {
  for (int i = 0; i < vectors; i += 2) {
    vec q = _mm_min_epi16(_mm_packs_epi32(v[i], v[i + 1]), _mm_set1_epi16(127));
    q = _mm_max_epi16(q, is_signed ? _mm_set1_epi16(-127) : _mm_setzero_si128());
    _mm_storeu_si128((__m128i *)(y + 4 * i), q);
  }
}
