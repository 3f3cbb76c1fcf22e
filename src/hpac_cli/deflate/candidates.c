#include "candidates.h"

struct effort {
  uint16_t good, lazy, nice, chain;
};

static const struct effort zlib_efforts[10] = {
    {0, 0, 0, 1},    {4, 4, 8, 4},      {4, 5, 16, 8},     {4, 6, 32, 32},       {4, 4, 16, 16},
    {8, 16, 32, 32}, {8, 16, 128, 128}, {8, 32, 128, 256}, {32, 128, 258, 1024}, {32, 258, 258, 4096},
};
static const uint8_t zlib_order[9] = {6, 9, 1, 5, 8, 7, 4, 3, 2};

static struct parameters writer_of(int matcher, int hash, uint32_t hash_bits, int flags, struct effort e) {
  return (struct parameters){.matcher = (uint8_t)matcher,
                             .hash = (uint8_t)hash,
                             .hash_bits = (uint8_t)hash_bits,
                             .window_bits = 15,
                             .flags = (uint8_t)flags,
                             .good = e.good,
                             .lazy = e.lazy,
                             .nice = e.nice,
                             .chain = e.chain};
}

struct list {
  struct parameters *writers;
  uint32_t count;
};

static void add(struct list *l, int matcher, int hash, uint32_t hash_bits, int flags, struct effort e) {
  if (l->count < MOST_WRITERS) l->writers[l->count++] = writer_of(matcher, hash, hash_bits, flags, e);
}

static void add_zlib(struct list *l, int hash, uint32_t hash_bits, int flags) {
  for (int k = 0; k < 9; k++) {
    const int level = zlib_order[k];
    if (level >= 4) add(l, MATCH_ZLIB_LAZY, hash, hash_bits, flags, zlib_efforts[level]);
    else if (!flags) add(l, MATCH_ZLIB_FAST, hash, hash_bits, flags, zlib_efforts[level]);
  }
}

static void add_libdeflate(struct list *l) {
  static const struct effort greedy[] = {{0, 0, 10, 6}, {0, 0, 14, 12}, {0, 0, 30, 16}};
  static const struct effort lazy[] = {{0, 0, 30, 16}, {0, 0, 65, 35}, {0, 0, 130, 100}};
  static const struct effort twice[] = {{0, 0, 258, 300}, {0, 0, 258, 600}};
  for (int k = 0; k < 3; k++) add(l, MATCH_LAZY, HASH_LIB, 16, 0, lazy[k]);
  for (int k = 0; k < 2; k++) add(l, MATCH_LAZY_TWICE, HASH_LIB, 16, 0, twice[k]);
  for (int k = 0; k < 3; k++) add(l, MATCH_GREEDY, HASH_LIB, 16, 0, greedy[k]);
  add(l, MATCH_TWO, HASH_LIB, 16, 0, (struct effort){0, 0, 32, 1});
}

static void add_zlib_ng(struct list *l) {
  static const struct effort medium[] = {{4, 6, 16, 6}, {4, 12, 32, 24}, {8, 16, 32, 32}, {8, 16, 128, 128}};
  add(l, MATCH_LATEST, HASH_KNUTH, 16, 0, (struct effort){0, 0, 0, 1});
  add(l, MATCH_NG_FAST, HASH_KNUTH, 16, EARLY_EXIT, (struct effort){4, 4, 8, 4});
  add(l, MATCH_NG_FAST, HASH_KNUTH, 16, 0, (struct effort){4, 4, 8, 4});
  for (int k = 0; k < 4; k++) add(l, MATCH_NG_MEDIUM, HASH_KNUTH, 16, k < 2 ? EARLY_EXIT : 0, medium[k]);
  add(l, MATCH_ZLIB_LAZY, HASH_KNUTH, 16, 0, (struct effort){8, 32, 128, 256});
  add(l, MATCH_ZLIB_LAZY, HASH_KNUTH, 16, 0, (struct effort){32, 128, 258, 1024});
  add(l, MATCH_ZLIB_LAZY, HASH_SHIFTS, 15, 0, (struct effort){32, 258, 258, 4096});
}

/* miniz, lodepng, stb_image_write, ISA-L, fpng, fdeflate. */
static void add_others(struct list *l) {
  static const uint16_t miniz_chains[] = {128, 32, 16, 256, 512, 768, 1500}, stb_qualities[] = {8, 5, 10, 20, 9};
  static const uint8_t isal_bits[] = {13, 15, 12};
  for (int k = 0; k < 5; k++) add(l, MATCH_BUCKETS, 0, 15, 0, (struct effort){0, 0, 0, stb_qualities[k]});
  add(l, MATCH_ZLIB_LAZY, HASH_SHIFTS, 16, WHOLE_WINDOW | LAZY_BY_TWO, (struct effort){512, 64, 128, 256});
  l->writers[l->count - 1].window_bits = 11;
  add(l, MATCH_ZLIB_LAZY, HASH_SHIFTS, 16, WHOLE_WINDOW | LAZY_BY_TWO, (struct effort){512, 258, 258, 4096});
  for (int k = 0; k < 7; k++)
    add(l, MATCH_ZLIB_LAZY, HASH_GOLDEN, 15, WHOLE_WINDOW | FAR_8191, (struct effort){258, 128, 258, miniz_chains[k]});
  for (int k = 0; k < 3; k++) add(l, MATCH_PAIRS, HASH_CRC, isal_bits[k], 0, (struct effort){0, 0, 0, 1});
  for (uint16_t inserts = 0; inserts < 3; inserts++)
    for (uint32_t bits = 12; bits <= 16; bits++)
      add(l, MATCH_LATEST, HASH_CRC, bits, WHOLE_WINDOW, (struct effort){0, inserts, 0, 1});
  add(l, MATCH_LATEST, HASH_GOLDEN, 16, WHOLE_WINDOW | TAKES_THREE, (struct effort){0, 1, 0, 1});
  add(l, MATCH_LATEST, HASH_KNUTH, 16, WHOLE_WINDOW, (struct effort){0, 1, 0, 1});
}

/* With a window of less than 32 KiB, which hardly any writer has. */
static void add_small_windows(struct list *l, uint32_t hash_bits, uint32_t window_bits) {
  const uint32_t first = l->count;
  add_zlib(l, HASH_SHIFTS, hash_bits ? hash_bits : 15, 0);
  add_zlib(l, HASH_SHIFTS, hash_bits ? hash_bits : 15, ONLY_LONG);
  if (!hash_bits) add_zlib(l, HASH_SHIFTS, 16, 0);
  for (uint32_t k = first; k < l->count; k++) l->writers[k].window_bits = (uint8_t)window_bits;
}

uint32_t list_writers(struct parameters *writers, uint32_t hash_bits, uint32_t window_bits) {
  struct list l = {writers, 0};
  const uint32_t zlib_bits = hash_bits ? hash_bits : 15;
  add_zlib(&l, HASH_SHIFTS, zlib_bits, 0);
  add_libdeflate(&l);
  add_zlib(&l, HASH_SHIFTS, zlib_bits, ANY_FAR);
  add_zlib(&l, HASH_SHIFTS, zlib_bits, ONLY_LONG);
  if (!hash_bits) {
    add_zlib(&l, HASH_SHIFTS, 16, 0);
    add_zlib(&l, HASH_SHIFTS, 16, ONLY_LONG);
  }
  add(&l, MATCH_NONE, 0, 15, 0, (struct effort){0, 0, 0, 1});
  add(&l, MATCH_RUNS, 0, 15, 0, (struct effort){0, 0, 0, 1});
  add_zlib(&l, HASH_CRC, 15, 0); /* zlib with processors' instructions for hashing: Chromium's, and Cloudflare's */
  add_zlib(&l, HASH_KNUTH, 15, 0);
  add_zlib_ng(&l);
  add_others(&l);
  if (window_bits < 15) add_small_windows(&l, hash_bits, window_bits);
  return l.count;
}
