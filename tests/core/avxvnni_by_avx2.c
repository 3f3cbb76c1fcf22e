/* The AVX-VNNI unit where only AVX2 is: its one instruction of its own, vpdpbusd, is made of four others that give the
   same sums. It takes the place of the AVX2 unit, so that the door offers it. */
#include <immintrin.h>

/* Bytes of `a` are unsigned, those of `b` signed; products of the even and of the odd ones, two to a sum, fit. */
static inline __m256i dot_bytes(__m256i sum, __m256i a, __m256i b) {
  const __m256i even =
      _mm256_madd_epi16(_mm256_and_si256(a, _mm256_set1_epi16(255)), _mm256_srai_epi16(_mm256_slli_epi16(b, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(a, 8), _mm256_srai_epi16(b, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}
#define _mm256_dpbusd_avx_epi32 dot_bytes

#define HPAC_ISA_AVXVNNI
#include "vector.h"
#undef HPAC_UNIT
#undef HPAC_UNIT_NAME
#define HPAC_UNIT hpac_unit_avx2
#define HPAC_UNIT_NAME "avx2"
#include "unit.c"
