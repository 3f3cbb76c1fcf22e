/* What all sets of x86 share; SSE2 has it. */
#include <emmintrin.h>

INLINE int32_t v_distance(const uint8_t *a, const uint8_t *b) {
  const __m128i sums = _mm_sad_epu8(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b));
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4);
}

INLINE void v_transpose(const int32_t *rows, size_t row_step, int32_t *columns, size_t column_step) {
  __m128i row[4], low[2], high[2];
  for (int k = 0; k < 4; k++) row[k] = _mm_loadu_si128((const __m128i *)(rows + (size_t)k * row_step));
  for (int k = 0; k < 2; k++) {
    low[k] = _mm_unpacklo_epi32(row[2 * k], row[2 * k + 1]);
    high[k] = _mm_unpackhi_epi32(row[2 * k], row[2 * k + 1]);
  }
  _mm_storeu_si128((__m128i *)columns, _mm_unpacklo_epi64(low[0], low[1]));
  _mm_storeu_si128((__m128i *)(columns + column_step), _mm_unpackhi_epi64(low[0], low[1]));
  _mm_storeu_si128((__m128i *)(columns + 2 * column_step), _mm_unpacklo_epi64(high[0], high[1]));
  _mm_storeu_si128((__m128i *)(columns + 3 * column_step), _mm_unpackhi_epi64(high[0], high[1]));
}
