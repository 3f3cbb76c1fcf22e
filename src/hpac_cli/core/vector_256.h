/* What AVX2 and AVX-VNNI share. */

INLINE vec v_load(const void *at) { return _mm256_load_si256((const __m256i *)at); }
INLINE void v_store(void *at, vec v) { _mm256_store_si256((__m256i *)at, v); }
INLINE vec v_all(int32_t x) { return _mm256_set1_epi32(x); }
INLINE vec v_add(vec a, vec b) { return _mm256_add_epi32(a, b); }
INLINE vec v_min(vec a, vec b) { return _mm256_min_epi32(a, b); }
INLINE vec v_max(vec a, vec b) { return _mm256_max_epi32(a, b); }
INLINE vec v_shift_each(vec v, vec places) { return _mm256_srav_epi32(v, places); }
INLINE vec v_shift(vec v, const int places) { return _mm256_srai_epi32(v, places); }
INLINE vec v_product(vec a, vec b) { return _mm256_madd_epi16(a, _mm256_and_si256(b, _mm256_set1_epi32(0xffff))); }
INLINE vec v_keep(vec v) {
  __asm__ volatile("" : "+x"(v));
  return v;
}
