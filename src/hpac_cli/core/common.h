/* Small things that every file of a unit needs: numbers, and memory that is freed at once. */
#ifndef HPAC_COMMON_H
#define HPAC_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#define ALIGNED __attribute__((aligned(64)))

INLINE int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
INLINE int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }
INLINE int32_t clamp(int32_t v, int32_t low, int32_t high) { return smaller(larger(v, low), high); }
INLINE int64_t clamp64(int64_t v, int64_t limit) { return v > limit ? limit : v < -limit ? -limit : v; }
INLINE int32_t magnitude(int32_t v) { return v < 0 ? -v : v; }
INLINE int round_up(int v, int step) { return (v + step - 1) / step * step; }

/* Look numbers up one by one: on most processors that is faster than what gathers, or compilers' stand-ins for them,
   make of it. The empty statement keeps compilers from vectorising the loop. */
#define EACH_SCALAR(i, count) _Pragma("GCC unroll 8") for (int i = 0; i < (count); i++)
#define STAY_SCALAR __asm__ volatile("")

INLINE void look_up(const int32_t *table, const int32_t *index, int32_t *out, int count) {
  EACH_SCALAR(i, count) {
    STAY_SCALAR;
    out[i] = table[index[i]];
  }
}

/* Blocks of zeroed memory, aligned to 64 bytes, freed together. */
struct memory {
  struct block *last;
};

struct block {
  struct block *before;
  void *start;
};

/* Returns NULL if memory is short; callers hand that on. */
static void *take(struct memory *memory, size_t size) {
  const size_t extra = 64 + sizeof(struct block);
  if (size > SIZE_MAX - extra) return NULL;
  void *start = calloc(1, size + extra);
  if (!start) return NULL;
  uintptr_t at = ((uintptr_t)start + sizeof(struct block) + 63) & ~(uintptr_t)63;
  struct block *block = (struct block *)(at - sizeof(struct block));
  block->before = memory->last;
  block->start = start;
  memory->last = block;
  return (void *)at;
}

static void give_back(struct memory *memory) {
  while (memory->last) {
    struct block *block = memory->last;
    memory->last = block->before;
    free(block->start);
  }
}

#endif
