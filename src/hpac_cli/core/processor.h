/* What this processor, and its operating system, let us use. */
#ifndef HPAC_PROCESSOR_H
#define HPAC_PROCESSOR_H

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>

struct processor {
  int avx2, avxvnni, avx512vnni;
};

/* Register states that the operating system saves. */
static uint64_t saved_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

static struct processor find_processor(void) {
  struct processor found = {0};
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return found;
  const uint64_t states = saved_states();
  if ((states & 0x06) != 0x06) return found; /* xmm and ymm */
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return found;
  const uint32_t subleaves = a, ebx = b, ecx = c;
  const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
  const int bmi = (ebx >> 3 & 1) && (ebx >> 8 & 1);
  if (!__get_cpuid(0x80000001, &a, &b, &c, &d)) return found;
  const int lzcnt = c >> 5 & 1;
  found.avx2 = (ebx >> 5 & 1) && bmi && lzcnt;
  found.avx512vnni = found.avx2 && (ebx & avx512) == avx512 && (ecx >> 11 & 1) && (states & 0xe6) == 0xe6;
  if (found.avx2 && subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) found.avxvnni = a >> 4 & 1;
  return found;
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
static int has_dot_product(void) { return (int)(getauxval(AT_HWCAP) >> 20 & 1); }
#elif defined(__APPLE__)
#include <stddef.h>
#include <sys/sysctl.h>
static int has_dot_product(void) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &value, &size, NULL, 0) == 0 && value;
}
#elif defined(_WIN32)
#define WIN32_LEAN_AND_MEAN /* the rest defines INTERFACE */
#include <windows.h>
static int has_dot_product(void) { return IsProcessorFeaturePresent(43) != 0; } /* PF_ARM_V82_DP_INSTRUCTIONS */
#else
static int has_dot_product(void) { return 0; }
#endif

#endif

#endif
