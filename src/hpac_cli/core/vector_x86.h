/* What all sets of x86 share; SSE2 has it. */
#include <emmintrin.h>

INLINE int32_t v_distance(const uint8_t *a, const uint8_t *b) {
  const __m128i sums = _mm_sad_epu8(_mm_loadu_si128((const __m128i *)a), _mm_loadu_si128((const __m128i *)b));
  return _mm_cvtsi128_si32(sums) + _mm_extract_epi16(sums, 4);
}
