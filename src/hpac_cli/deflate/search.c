#include "search.h"

#include "candidates.h"

enum {
  FEW = 2500,
  SOME = 20000,
  MANY = 100000,   /* tokens that candidates are tried on, one number after the other */
  DESCENT = 6000,  /* the same while parameters are changed step by step */
  KEPT = 14,       /* candidates that are tried on more than FEW tokens */
  SLACK = 60,      /* wrong tokens that do not count against a candidate at first */
  TOKEN_SPAN = 40, /* a trial ends, too, after so many bytes for each of its tokens */
  CODED = 25000,   /* tokens of which corrections are compared */
  TREES_TRIED = 8,
  MOST_SAMPLE = 1 << 24, /* plain bytes of a sample */
  OPENING = 20000,       /* what beginning with a candidate takes, in candidates for matches */
  MOST_SPENT = 1 << 26,  /* candidates for matches, plain bytes and openings of all changes */
};

struct sample_block {
  uint32_t first; /* number of its first token */
  bool stored;    /* its bytes are literals that nobody predicts */
};

/* How a stream begins. */
struct sample {
  struct window window; /* all of its plain bytes */
  struct token *tokens;
  struct sample_block *blocks;
  uint32_t num_tokens, num_blocks, tree_hits[NUM_TREES];
  uint64_t spent;
  uint32_t num_seen; /* tokens that the latest trial predicted */
};

static void sample_close(struct sample *s) {
  window_close(&s->window);
  free(s->tokens);
  free(s->blocks);
}

static void try_trees(struct sample *s, const struct block *b, const struct token *tokens, uint32_t count) {
  uint32_t litlen_counts[USED_LITLEN] = {0}, dist_counts[USED_DIST] = {0};
  uint8_t litlen[USED_LITLEN], dist[USED_DIST];
  litlen_counts[END_OF_BLOCK] = 1;
  for (uint32_t k = 0; k < count; k++) {
    const struct token t = tokens[k];
    litlen_counts[is_literal(t) ? t.distance : 257 + length_symbol(t.length)]++;
    if (!is_literal(t)) dist_counts[distance_symbol(t.distance)]++;
  }
  for (int builder = 0; builder < NUM_TREES; builder++) {
    build_tree(builder, litlen_counts, USED_LITLEN, MAX_CODE_BITS, litlen);
    build_tree(builder, dist_counts, USED_DIST, MAX_CODE_BITS, dist);
    s->tree_hits[builder] += (uint32_t)(memcmp(litlen, b->lengths, smaller(b->num_litlen, USED_LITLEN)) == 0) +
                             (uint32_t)(memcmp(dist, b->lengths + b->num_litlen, smaller(b->num_dist, USED_DIST)) == 0);
  }
}

static void add_plain(struct sample *s, uint32_t count) {
  struct window *w = &s->window;
  uint8_t *to = w->bytes + (w->end - w->start);
  for (uint32_t k = 0; k < count; k++) {
    const struct token t = s->tokens[s->num_tokens + k];
    const uint8_t *from = to - t.distance;
    if (is_literal(t)) *to++ = (uint8_t)t.distance;
    else
      for (uint32_t left = span_of(t); left; left--) *to++ = *from++;
  }
  s->num_tokens += count;
  w->end = w->start + (uint32_t)(to - w->bytes);
}

/* Whether so many plain bytes may follow: a stream that is longer than the one that was surveyed has changed since. */
static bool is_as_surveyed(const struct sample *s, uint32_t span) { return span <= s->window.last - s->window.end; }

/* A stored block, or as many tokens of it as there may be; false if the stream is cut, or has changed. */
static bool add_stored(struct sample *s, struct parser *p) {
  const uint32_t count = smaller(p->block.stored_length, MANY - s->num_tokens);
  const uint8_t *bytes = parse_stored(p, p->block.stored_length);
  if (!bytes || !is_as_surveyed(s, count)) return false;
  for (uint32_t k = 0; k < count; k++) s->tokens[s->num_tokens + k] = literal(bytes[k]);
  add_plain(s, count);
  return true;
}

static bool has_room(const struct sample *s) {
  return s->num_tokens < MANY && s->num_blocks < MANY && s->window.end - s->window.start < MOST_SAMPLE;
}

/* Read up to MANY tokens; false without memory. The window has room for all plain bytes that were surveyed, or for
 * MOST_SAMPLE and what the last step adds: a stored block, or CHUNK_SPAN bytes and the rest of a match. */
static bool sample_read(struct sample *s, const struct survey *survey, struct parser *p) {
  const uint32_t plain = (uint32_t)survey->facts.plain_bytes;
  struct window *w = &s->window;
  w->bytes = malloc(smaller(plain, MOST_SAMPLE) + 65536u);
  s->tokens = malloc(MANY * sizeof *s->tokens);
  s->blocks = malloc(MANY * sizeof *s->blocks);
  w->start = w->end = ORIGIN;
  w->last = ORIGIN + plain;
  if (!w->bytes || !s->tokens || !s->blocks) return false;
  do {
    if (!parse_block(p)) break;
    const uint32_t first = s->num_tokens;
    const bool stored = p->block.type == STORED;
    s->blocks[s->num_blocks++] = (struct sample_block){first, stored};
    if (stored && !add_stored(s, p)) break;
    bool ends = stored;
    while (!ends && has_room(s)) {
      uint32_t count, span;
      if (!parse_tokens(p, s->tokens + s->num_tokens, smaller(MANY - s->num_tokens, 1024), CHUNK_SPAN, &count, &span,
                        &ends) ||
          !is_as_surveyed(s, span))
        return true;
      add_plain(s, count);
    }
    if (ends && p->block.type == DYNAMIC && s->num_blocks <= TREES_TRIED)
      try_trees(s, &p->block, s->tokens + first, s->num_tokens - first);
  } while (!p->block.final && has_room(s));
  return true;
}

/* How many of the first tokens a candidate predicts wrongly; more than `stop`: it was given up. */
static uint32_t count_misses(struct sample *s, const struct parameters *q, uint32_t most_tokens, uint32_t stop) {
  struct predictor m;
  const uint32_t count = smaller(most_tokens, s->num_tokens);
  const uint64_t most_work = (UINT64_C(1) << 22) + 1024 * (uint64_t)(s->window.end - s->window.start);
  uint32_t misses = 0, block = 0;
  bool stored = false;
  position p = ORIGIN;
  if (!predictor_open(&m, &s->window, q)) misses = UINT32_MAX;
  /* what lies ahead of the last tokens is not in the sample, unless the stream ends with it */
  const struct window *w = &s->window;
  const position safe = w->end == w->last ? w->last : w->end - smaller(w->end - ORIGIN, 8192);
  const position end = smaller(safe, ORIGIN + TOKEN_SPAN * most_tokens);
  uint32_t k = 0;
  for (; k < count && misses <= stop && p < end; k++) {
    const struct token t = s->tokens[k];
    for (; block < s->num_blocks && s->blocks[block].first <= k; block++) {
      stored = s->blocks[block].stored;
      if (!stored) predict_block(&m, p);
    }
    if (!stored) misses += !same_token(predict_token(&m, p), match_of(span_of(t), t.distance));
    note_token(&m, p, t);
    p += span_of(t);
    if (m.chains.work > most_work) misses = UINT32_MAX;
  }
  s->num_seen = k;
  s->spent += m.chains.work + (p - ORIGIN) + OPENING;
  predictor_close(&m);
  return misses;
}

struct trial {
  struct parameters q;
  uint32_t misses;
};

static int by_misses(const void *a, const void *b) {
  const struct trial *one = a, *other = b;
  return one->misses < other->misses ? -1 : one->misses > other->misses;
}

/* In ascending order of misses, equal ones as they were. */
static void sort_trials(struct trial *trials, uint32_t count) {
  for (uint32_t k = 1; k < count; k++) {
    const struct trial each = trials[k];
    uint32_t at = k;
    for (; at && by_misses(&trials[at - 1], &each) > 0; at--) trials[at] = trials[at - 1];
    trials[at] = each;
  }
}

/* Try all, then those left on more tokens, until one is left or all tokens were seen; the best one comes first. */
static void choose_writer(struct sample *s, struct trial *trials, uint32_t count) {
  static const uint32_t rounds[] = {FEW, SOME, MANY};
  for (uint32_t round = 0; round < 3; round++) {
    uint32_t best = UINT32_MAX;
    for (uint32_t k = 0; k < count; k++) {
      const uint32_t stop = best == UINT32_MAX ? UINT32_MAX - 1 : round ? best : best * 2 + SLACK;
      trials[k].misses = count_misses(s, &trials[k].q, rounds[round], stop);
      if (trials[k].misses < best) best = trials[k].misses;
    }
    sort_trials(trials, count);
    uint32_t left = 1;
    while (left < smaller(count, KEPT) && trials[left].misses <= (round ? best : best * 2 + SLACK)) left++;
    count = left;
    if (s->num_tokens <= rounds[round] || (round && count == 1)) break;
  }
}

/* ---- parameters of writers that nobody knows: the best ones changed, one number at a time ---- */

static const uint16_t nices[] = {8, 10, 14, 16, 20, 24, 30, 32, 64, 65, 66, 96, 128, 130, 150, 192, 200, 256, 258};
static const uint16_t chain_lengths[] = {1,   2,   3,   4,   5,   6,    8,    10,   12,   16,  20,
                                         24,  32,  35,  48,  64,  80,   96,   100,  128,  150, 200,
                                         256, 300, 500, 512, 600, 1000, 1024, 1500, 2048, 4096};
static const uint16_t lazies[] = {2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 64, 128, 258};
static const uint16_t goods[] = {2, 4, 8, 16, 32, 258};

struct descent {
  struct sample *sample;
  struct parameters best;
  uint32_t misses;
  bool better;
};

static void try_change(struct descent *d, const struct parameters *changed) {
  if (d->sample->spent > MOST_SPENT) return;
  const uint32_t misses = count_misses(d->sample, changed, DESCENT, d->misses);
  if (misses >= d->misses) return;
  d->misses = misses, d->best = *changed, d->better = true;
}

static void try_numbers(struct descent *d, size_t field, const uint16_t *numbers, size_t count) {
  for (size_t k = 0; k < count; k++) {
    struct parameters changed = d->best;
    memcpy((char *)&changed + field, &numbers[k], sizeof numbers[k]);
    try_change(d, &changed);
  }
}

#define TRY(d, change)                     \
  do {                                     \
    struct parameters changed = (d)->best; \
    change;                                \
    try_change(d, &changed);               \
  } while (0)

static void descend(struct descent *d) {
  d->sample->spent = 0;
  d->misses = count_misses(d->sample, &d->best, DESCENT, UINT32_MAX - 1);
  d->better = true;
  for (int round = 0; round < 3 && d->better; round++) {
    d->better = false;
    try_numbers(d, offsetof(struct parameters, nice), nices, sizeof nices / sizeof *nices);
    try_numbers(d, offsetof(struct parameters, chain), chain_lengths, sizeof chain_lengths / sizeof *chain_lengths);
    try_numbers(d, offsetof(struct parameters, lazy), lazies, sizeof lazies / sizeof *lazies);
    try_numbers(d, offsetof(struct parameters, good), goods, sizeof goods / sizeof *goods);
    for (uint8_t flag = 1; flag <= ALL_FLAGS; flag = (uint8_t)(flag << 1)) TRY(d, changed.flags ^= flag);
    for (uint8_t bits = 9; bits <= 15; bits++) TRY(d, changed.window_bits = bits);
    for (uint8_t hash = 0; hash < NUM_HASHES; hash++)
      for (uint8_t bits = 14; bits <= 17; bits++) TRY(d, (changed.hash = hash, changed.hash_bits = bits));
    TRY(d, changed.matcher = MATCH_ZLIB_FAST);
    TRY(d, changed.matcher = MATCH_ZLIB_LAZY);
  }
}

static bool can_descend(const struct parameters *q) {
  return q->matcher >= MATCH_ZLIB_FAST && q->matcher != MATCH_BUCKETS && q->matcher != MATCH_PAIRS;
}

/* ---- corrections compared ---- */

int code_correction(struct correction *c, const struct survey *s, struct source source, const struct parameters *q,
                    uint64_t most_tokens) {
  if (!correction_open(c, q, s->facts.plain_bytes)) return HPAC_DEFLATE_NO_MEMORY;
  coder_open_to_write(&c->coder);
  if (!parser_open(&c->parser, source) || !parser_open(&c->ahead, source)) return HPAC_DEFLATE_NO_MEMORY;
  c->sizes = s->sizes, c->num_sizes = s->facts.num_blocks;
  c->most_tokens = most_tokens;
  correction_walk(c);
  return c->error;
}

/* Bytes that the first tokens' correction takes for each token, in 1/65536. */
static uint64_t measure(const struct survey *s, struct source source, const struct parameters *q) {
  struct correction *c = calloc(1, sizeof *c);
  uint64_t cost = UINT64_MAX;
  if (c && !code_correction(c, s, source, q, CODED) && c->num_done_tokens)
    cost = (c->coder.size << 16) / c->num_done_tokens;
  if (c) correction_close(c);
  free(c);
  return cost;
}

/* Where tokens are predicted badly, codes before them, and the cheapest path under these, may tell more. */
static void choose_order(const struct survey *s, struct source source, struct parameters *q, bool badly) {
  static const uint16_t nices_of_optimal[] = {259, 75, 150, 258};
  struct parameters best = *q;
  uint64_t least = measure(s, source, q);
  for (int k = 0; k < (badly ? 5 : 1); k++) {
    struct parameters changed = *q;
    changed.trees_first = changed.runs_cross = 1;
    if (k) changed.matcher = MATCH_CHEAPEST, changed.nice = nices_of_optimal[k - 1];
    const uint64_t cost = measure(s, source, &changed);
    if (cost < least) least = cost, best = changed;
    if (k == 1 && best.matcher != MATCH_CHEAPEST) break; /* the others hardly differ from it */
  }
  *q = best;
}

/* Tokens of the blocks before the last one, if all have as many, as far as one knows. */
static uint32_t usual_tokens(const struct survey *s) {
  return s->facts.num_blocks > 1 && s->sizes[0].count ? s->sizes[0].count : 0;
}

static int find_in_sample(const struct survey *s, struct sample *sample, struct source source, struct parameters *q) {
  struct parameters writers[MOST_WRITERS];
  struct trial trials[MOST_WRITERS];
  const uint32_t usual = usual_tokens(s), lit_bits = log2_floor(usual + 1);
  const bool by_zlib = usual && 1u << lit_bits == usual + 1 && lit_bits >= 7 && lit_bits <= 15;
  uint32_t window_bits = 9;
  while (window_bits < 15 && s->farthest > (1u << window_bits) - 262) window_bits++;
  const uint32_t count = list_writers(writers, by_zlib ? lit_bits + 1 : 0, window_bits);
  for (uint32_t k = 0; k < count; k++) trials[k] = (struct trial){writers[k], 0};
  choose_writer(sample, trials, count);
  *q = trials[0].q;
  uint32_t misses = count_misses(sample, q, SOME, UINT32_MAX - 1);
  const uint32_t seen = sample->num_seen;
  if (misses > seen / 1000 + 3 && can_descend(q)) {
    struct descent d = {sample, *q, 0, false};
    descend(&d);
    *q = d.best;
    misses = count_misses(sample, q, SOME, UINT32_MAX - 1);
  }
  q->block_tokens = usual;
  for (int builder = 1; builder < NUM_TREES; builder++)
    if (sample->tree_hits[builder] > sample->tree_hits[q->tree]) q->tree = (uint8_t)builder;
  q->runs_cross = q->tree != TREE_HEAP;
  if (misses > seen / 100) choose_order(s, source, q, misses > seen / 25);
  return HPAC_DEFLATE_OK;
}

int find_parameters(const struct survey *s, struct source source, struct parameters *q) {
  struct sample sample;
  struct parser *p = malloc(sizeof *p);
  int result = HPAC_DEFLATE_NO_MEMORY;
  memset(&sample, 0, sizeof sample);
  if (p && parser_open(p, source)) {
    if (sample_read(&sample, s, p)) result = find_in_sample(s, &sample, source, q);
    parser_close(p);
  }
  free(p);
  sample_close(&sample);
  return result;
}
