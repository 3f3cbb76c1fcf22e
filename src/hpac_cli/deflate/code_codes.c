#include "correction.h"

/* A number that is expected to be `expected`, else written plainly. */
static uint32_t code_expected(struct coder *coder, uint32_t value, uint32_t expected, uint32_t least, uint32_t bits,
                              struct bit_model *m) {
  if (code_bit(coder, value == expected, m)) return expected;
  return least + code_plain(coder, value - least, bits);
}

static bool code_lengths(struct correction *c, const uint8_t *expected, uint32_t total) {
  struct block *b = &c->block;
  struct coder *coder = &c->coder;
  struct models *m = &c->models;
  const bool same = !coder->decodes && !memcmp(expected, b->lengths, total);
  if (code_bit(coder, same, &m->code[c->codes_first])) {
    memcpy(b->lengths, expected, total);
    return true;
  }
  uint32_t misses = 0; /* of the last two */
  for (uint32_t s = 0; s < total; s++) {
    const uint32_t wanted = expected[s], set = s < b->num_litlen ? 0 : 4;
    uint32_t length = b->lengths[s];
    const bool hit = code_bit(coder, length == wanted, &m->same_length[wanted][misses + set]);
    misses = (misses << 1 | !hit) & 3;
    if (hit) {
      length = wanted;
    } else {
      const bool up = code_bit(coder, length > wanted, &m->longer[wanted][set >> 2]);
      const uint32_t by = 1 + code_number(coder, (up ? length - wanted : wanted - length) - 1, &m->difference[wanted]);
      if (up ? by > MAX_CODE_BITS - wanted : by > wanted) return false;
      length = up ? wanted + by : wanted - by;
    }
    b->lengths[s] = (uint8_t)length;
  }
  return true;
}

/* The run that writers put at `at`: as long as it may be. */
static struct run expect_run(const struct correction *c, uint32_t at, uint32_t total) {
  const struct block *b = &c->block;
  const bool crosses = c->q.runs_cross, starts = at == 0 || (!crosses && at == b->num_litlen);
  const uint32_t end = !crosses && at < b->num_litlen ? b->num_litlen : total;
  const uint8_t length = b->lengths[at];
  uint32_t count = 1;
  while (at + count < end && b->lengths[at + count] == length) count++;
  if (length == 0 && count >= 11) return (struct run){18, (uint8_t)(smaller(count, 138) - 11)};
  if (length == 0 && count >= 3) return (struct run){17, (uint8_t)(count - 3)};
  if (length && !starts && b->lengths[at - 1] == length && count >= 3)
    return (struct run){16, (uint8_t)(smaller(count, 6) - 3)};
  return (struct run){length, 0};
}

static bool code_runs(struct correction *c, uint32_t total, uint32_t *counts) {
  struct block *b = &c->block;
  struct coder *coder = &c->coder;
  uint32_t num_runs = 0;
  for (uint32_t at = 0; at < total;) {
    const struct run expected = expect_run(c, at, total);
    struct run run = b->runs[num_runs];
    const uint32_t set = (expected.symbol < 16 ? 0 : expected.symbol - 15u) + 4u * c->q.runs_cross;
    if (code_bit(coder, run.symbol == expected.symbol && run.extra == expected.extra, &c->models.same_run[set])) {
      run = expected;
    } else {
      run.symbol = (uint8_t)code_plain(coder, run.symbol, 5);
      if (run.symbol >= NUM_PRE) return false;
      run.extra = (uint8_t)code_plain(coder, run.extra, run_bits(run.symbol));
    }
    const uint32_t count = run_count(run);
    if (count > total - at) return false;
    b->runs[num_runs++] = run;
    counts[run.symbol]++;
    at += count;
  }
  b->num_runs = num_runs;
  return true;
}

static void code_pre_lengths(struct correction *c, const uint32_t *counts) {
  struct block *b = &c->block;
  struct coder *coder = &c->coder;
  uint8_t expected[NUM_PRE];
  build_tree(c->q.tree, counts, NUM_PRE, MAX_PRE_BITS, expected);
  const bool same = !coder->decodes && !memcmp(expected, b->pre_lengths, NUM_PRE);
  if (code_bit(coder, same, &c->models.pre_code)) {
    memcpy(b->pre_lengths, expected, NUM_PRE);
  } else {
    for (uint32_t s = 0; s < NUM_PRE; s++)
      b->pre_lengths[s] =
          (uint8_t)code_expected(coder, b->pre_lengths[s], expected[s], 0, 3, &c->models.same_pre[expected[s]]);
  }
  uint32_t used = NUM_PRE;
  while (used > 4 && !b->pre_lengths[pre_order[used - 1]]) used--;
  b->num_pre = smaller(code_expected(coder, b->num_pre, used, 4, 4, &c->models.num_pre), NUM_PRE);
}

bool code_codes(struct correction *c, const uint8_t *litlen, const uint8_t *dist) {
  struct block *b = &c->block;
  struct coder *coder = &c->coder;
  uint32_t num_litlen = USED_LITLEN, num_dist = USED_DIST, counts[NUM_PRE] = {0};
  while (num_litlen > 257 && !litlen[num_litlen - 1]) num_litlen--;
  while (num_dist > 1 && !dist[num_dist - 1]) num_dist--;
  b->num_litlen = code_expected(coder, b->num_litlen, num_litlen, 257, 5, &c->models.num_litlen);
  b->num_dist = code_expected(coder, b->num_dist, num_dist, 1, 5, &c->models.num_dist);
  uint8_t expected[MAX_LITLEN + MAX_DIST] = {0};
  memcpy(expected, litlen, smaller(b->num_litlen, USED_LITLEN));
  memcpy(expected + b->num_litlen, dist, smaller(b->num_dist, USED_DIST));
  const uint32_t total = b->num_litlen + b->num_dist;
  if (!code_lengths(c, expected, total) || !code_runs(c, total, counts)) return false;
  code_pre_lengths(c, counts);
  return true;
}
