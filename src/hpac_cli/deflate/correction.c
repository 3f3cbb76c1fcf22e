#include "correction.h"

/* Limits that hold for streams of any writer: beyond them a correction is refused, by coder and decoder alike. */
#define MOST_BLOCKS(plain) (1024 + (plain) / 16)
#define MOST_WORK(plain) ((UINT64_C(1) << 24) + 1024 * (uint64_t)(plain))

bool correction_open(struct correction *c, const struct parameters *q, uint64_t plain_bytes) {
  c->q = *q;
  c->most_blocks = MOST_BLOCKS(plain_bytes), c->most_work = MOST_WORK(plain_bytes);
  c->at = ORIGIN;
  c->last_type = DYNAMIC;
  c->last_stored = 65535;
  set_fixed(&c->block);
  memcpy(c->last_litlen, c->block.lengths, USED_LITLEN);
  memcpy(c->last_dist, c->block.lengths + MAX_LITLEN, USED_DIST);
  reset_models(&c->models, sizeof c->models);
  c->chunk = malloc(CHUNK_TOKENS * sizeof *c->chunk);
  c->predicted = malloc(CHUNK_TOKENS * sizeof *c->predicted);
  if (q->trees_first) c->cheapest = malloc(sizeof *c->cheapest);
  return window_open(&c->window, (uint32_t)plain_bytes) && predictor_open(&c->predictor, &c->window, q) && c->chunk &&
         c->predicted && (c->cheapest || !q->trees_first);
}

void correction_close(struct correction *c) {
  window_close(&c->window);
  predictor_close(&c->predictor);
  nearby_close(&c->nearby);
  coder_close(&c->coder);
  emitter_close(&c->emitter);
  parser_close(&c->parser);
  parser_close(&c->ahead);
  free(c->mixers);
  free(c->cheapest);
  free(c->chunk);
  free(c->predicted);
  free(c->held);
}

static bool fail(struct correction *c, int error) {
  c->error = error;
  return false;
}

/* ---- blocks ---- */

static void code_type(struct correction *c) {
  struct models *m = &c->models;
  const uint32_t last = c->last_type;
  if (code_bit(&c->coder, c->block.type == last, &m->same_type[last])) {
    c->block.type = (uint8_t)last;
  } else { /* one of the other two, in ascending order */
    const uint32_t first = last == 0, second = last == 2 ? 1 : 2;
    c->block.type = (uint8_t)(code_bit(&c->coder, c->block.type == second, &m->which_type[last]) ? second : first);
  }
  c->last_type = c->block.type;
}

static void code_final(struct correction *c, bool expected) {
  const bool same = code_bit(&c->coder, c->block.final == expected, &c->models.final[expected]);
  c->block.final = same ? expected : !expected;
}

static uint8_t code_padding(struct correction *c, uint8_t padding, struct bit_model *m) {
  return code_bit(&c->coder, !padding, m) ? 0 : (uint8_t)code_plain(&c->coder, padding, 7);
}

static bool begin_stored(struct correction *c) {
  struct block *b = &c->block;
  const uint32_t left = c->window.last - c->at, expected = smaller(c->last_stored, left);
  b->padding = code_padding(c, b->padding, &c->models.no_padding[0]);
  if (code_bit(&c->coder, b->stored_length == expected, &c->models.same_stored)) b->stored_length = expected;
  else c->last_stored = b->stored_length = code_plain(&c->coder, b->stored_length, 16);
  if (b->stored_length > left) return fail(c, HPAC_DEFLATE_DAMAGED);
  code_final(c, b->stored_length == left);
  if (c->coder.decodes && !emit_block(&c->emitter, b)) return fail(c, HPAC_DEFLATE_NO_ROOM);
  c->stored_left = b->stored_length;
  c->stage = IN_STORED;
  return true;
}

/* How many tokens a block has: as many as those before, or as many as it takes to the end. */
static bool code_size(struct correction *c) {
  struct coder *coder = &c->coder;
  const uint32_t left = c->window.last - c->at, usual = c->q.block_tokens ? c->q.block_tokens : UINT32_MAX;
  const uint32_t count = c->size.count, span = c->size.span; /* 0 while decoding */
  c->block_end = c->window.last;
  if (c->q.trees_first) {
    const uint32_t coded = code_number(coder, span, &c->models.span);
    if (coded > left) return fail(c, HPAC_DEFLATE_DAMAGED);
    c->block_end = c->at + coded;
    c->tokens_left = coder->decodes ? UINT32_MAX : count;
    return true;
  }
  const bool expected = count == usual || (span == left && count < usual);
  if (code_bit(coder, expected, &c->models.expected_tokens)) c->tokens_left = coder->decodes ? usual : count;
  else c->tokens_left = code_number(coder, count, &c->models.tokens);
  return true;
}

/* Codes that come before their tokens are expected to be those of the block before. */
static bool code_codes_first(struct correction *c) {
  if (!code_codes(c, c->last_litlen, c->last_dist)) return fail(c, HPAC_DEFLATE_DAMAGED);
  memset(c->last_litlen, 0, sizeof c->last_litlen);
  memset(c->last_dist, 0, sizeof c->last_dist);
  memcpy(c->last_litlen, c->block.lengths, c->block.num_litlen);
  memcpy(c->last_dist, c->block.lengths + c->block.num_litlen, c->block.num_dist);
  return true;
}

/* Codes that come after their tokens are expected to be those that suit these best. */
static bool code_codes_last(struct correction *c) {
  uint8_t litlen[USED_LITLEN], dist[USED_DIST];
  c->litlen_counts[END_OF_BLOCK] = 1;
  build_tree(c->q.tree, c->litlen_counts, USED_LITLEN, MAX_CODE_BITS, litlen);
  build_tree(c->q.tree, c->dist_counts, USED_DIST, MAX_CODE_BITS, dist);
  return code_codes(c, litlen, dist);
}

static bool begin_block(struct correction *c) {
  struct block *b = &c->block;
  const bool decodes = c->coder.decodes;
  if (!c->most_blocks--) return fail(c, decodes ? HPAC_DEFLATE_DAMAGED : HPAC_DEFLATE_NOT_WORTH);
  if (!decodes) {
    if (c->num_begun == c->num_sizes || !parse_block(&c->parser)) return fail(c, HPAC_DEFLATE_DAMAGED);
    c->size = c->sizes[c->num_begun++];
    *b = c->parser.block;
  }
  code_type(c);
  if (b->type == STORED) return begin_stored(c);
  if (!code_size(c)) return false;
  c->codes_first = c->q.trees_first || !code_bit(&c->coder, c->tokens_left <= MOST_HELD, &c->models.held);
  if (b->type == FIXED) set_fixed(b);
  if (c->codes_first) {
    if (b->type == DYNAMIC && !code_codes_first(c)) return false;
    code_final(c, c->block_end == c->window.last);
    if (decodes && !emit_block(&c->emitter, b)) return fail(c, HPAC_DEFLATE_NO_ROOM);
  }
  memset(c->litlen_counts, 0, sizeof c->litlen_counts);
  memset(c->dist_counts, 0, sizeof c->dist_counts);
  c->num_held = 0;
  predict_block(&c->predictor, c->at);
  c->stage = IN_TOKENS;
  return true;
}

static bool end_block(struct correction *c) {
  struct block *b = &c->block;
  const bool decodes = c->coder.decodes;
  if (!decodes) {
    uint32_t count, span;
    bool ends;
    if (!parse_tokens(&c->parser, c->chunk, 1, 1, &count, &span, &ends) || !ends) return fail(c, HPAC_DEFLATE_DAMAGED);
  }
  if (!c->codes_first) {
    if (b->type == DYNAMIC && !code_codes_last(c)) return fail(c, HPAC_DEFLATE_DAMAGED);
    code_final(c, c->at == c->window.last);
    if (decodes) {
      if (!emit_block(&c->emitter, b)) return fail(c, HPAC_DEFLATE_NO_ROOM);
      emit_tokens(&c->emitter, b, c->held, c->num_held);
    }
  }
  if (decodes) emit_end_of_block(&c->emitter, b);
  c->stage = b->final ? AT_END : AT_BLOCK;
  return true;
}

static bool walk_stored(struct correction *c) {
  const uint32_t count = smaller(c->stored_left, CHUNK_SPAN);
  if (!c->coder.decodes && !parse_stored(&c->parser, count)) return fail(c, HPAC_DEFLATE_DAMAGED);
  if (c->coder.decodes) emit_stored(&c->emitter, bytes_at(&c->window, c->at), count);
  for (uint32_t k = 0; k < count; k++, c->at++) note_token(&c->predictor, c->at, literal(*bytes_at(&c->window, c->at)));
  c->stored_left -= count;
  if (c->stored_left) return true;
  c->stage = c->block.final ? AT_END : AT_BLOCK;
  return true;
}

/* ---- chunks of tokens ---- */

/* Whether more candidates for matches were looked at than any stream may take. */
static bool is_tired(const struct correction *c) {
  return c->predictor.chains.work + c->nearby.three.work + c->nearby.four.work > c->most_work;
}

static bool prepare_cheapest(struct correction *c) {
  if (!c->q.trees_first) return true;
  const position end = c->at + smaller(c->block_end - c->at, PATH_SPAN);
  const uint32_t nice = c->q.matcher == MATCH_CHEAPEST ? c->q.nice : MAX_MATCH;
  return find_cheapest(c->cheapest, &c->nearby, &c->window, c->at, end, &c->block, nice);
}

static struct token predict(struct correction *c, position p) {
  if (c->q.matcher != MATCH_CHEAPEST) return predict_token(&c->predictor, p);
  const struct hint *hint = &c->cheapest->hints[p - c->at];
  return hint->prefers_literal ? literal(*bytes_at(&c->window, p)) : hint->match;
}

/* The next tokens of the stream, and whether all are as predicted. */
static bool read_chunk(struct correction *c, uint32_t *num_tokens, bool *clean) {
  uint32_t span;
  bool ends;
  if (!parse_tokens(&c->parser, c->chunk, smaller(c->tokens_left, CHUNK_TOKENS), CHUNK_SPAN, num_tokens, &span, &ends))
    return fail(c, HPAC_DEFLATE_DAMAGED);
  if (ends || span > c->block_end - c->at) return fail(c, HPAC_DEFLATE_DAMAGED); /* it has changed since the survey */
  position p = c->at;
  *clean = true;
  for (uint32_t k = 0; k < *num_tokens; k++) {
    c->predicted[k] = predict(c, p);
    *clean &= same_token(c->predicted[k], c->chunk[k]);
    note_token(&c->predictor, p, c->chunk[k]);
    p += span_of(c->chunk[k]);
  }
  return true;
}

static void count_token(struct correction *c, struct token t) {
  if (is_literal(t)) {
    c->litlen_counts[t.distance]++;
  } else {
    c->litlen_counts[257 + length_symbol(t.length)]++;
    c->dist_counts[distance_symbol(t.distance)]++;
  }
}

static bool keep_chunk(struct correction *c, uint32_t count) {
  if (c->codes_first) {
    emit_tokens(&c->emitter, &c->block, c->chunk, count);
    return true;
  }
  if (c->num_held + count > MOST_HELD) return fail(c, HPAC_DEFLATE_DAMAGED);
  if (!reserve(&c->held, &c->held_capacity, c->num_held + count, sizeof *c->held))
    return fail(c, HPAC_DEFLATE_NO_MEMORY);
  memcpy(c->held + c->num_held, c->chunk, count * sizeof *c->held);
  c->num_held += count;
  return true;
}

static bool open_mixers(struct correction *c) {
  if (c->mixers) return true;
  c->mixers = malloc(sizeof *c->mixers);
  if (!c->mixers) return fail(c, HPAC_DEFLATE_NO_MEMORY);
  reset_mixer(&c->mixers->as_predicted);
  reset_mixer(&c->mixers->is_literal);
  return true;
}

static bool walk_chunk(struct correction *c) {
  const bool decodes = c->coder.decodes;
  uint32_t num_tokens = c->tokens_left, count = 0;
  bool clean = false;
  if (!prepare_cheapest(c)) return fail(c, HPAC_DEFLATE_NO_MEMORY);
  if (!decodes && !read_chunk(c, &num_tokens, &clean)) return false;
  clean = code_bit(&c->coder, clean, &c->models.clean[c->recent.misses & 3]);
  if (!clean && !open_mixers(c)) return false;
  c->recent.misses = clean ? 0 : c->recent.misses;
  const position start = c->at, end = start + smaller(c->block_end - start, CHUNK_SPAN);
  position p = start;
  for (; p < end && count < num_tokens; count++) {
    struct token *t = &c->chunk[count];
    const struct token predicted = decodes ? predict(c, p) : c->predicted[count];
    const struct hint *hint = c->q.trees_first ? &c->cheapest->hints[p - start] : NULL;
    if (clean) *t = predicted;
    else if (!code_token(c, p, predicted, hint, t)) return fail(c, HPAC_DEFLATE_DAMAGED);
    if (decodes) note_token(&c->predictor, p, *t);
    count_token(c, *t);
    p += span_of(*t);
    if (decodes && is_tired(c)) return fail(c, HPAC_DEFLATE_DAMAGED);
  }
  if (p > c->block_end) return fail(c, HPAC_DEFLATE_DAMAGED);
  if (decodes && !keep_chunk(c, count)) return false;
  c->at = p;
  c->tokens_left -= count;
  c->num_done_tokens += count;
  if (!c->tokens_left || c->at == c->block_end) c->stage = AT_BLOCK_END;
  return true;
}

/* ---- the stream ---- */

/* While coding: inflate until a chunk can be worked on. */
static bool run_ahead(struct correction *c) {
  struct window *w = &c->window;
  while (!window_reaches(w, c->at)) {
    uint32_t room = window_room(w, c->at), count, span;
    if (!c->ahead_in_block) {
      if (c->num_begun_ahead++ == c->num_sizes || !parse_block(&c->ahead)) return false;
      c->ahead_in_block = true;
      c->ahead_stored_left = c->ahead.block.stored_length;
    }
    if (c->ahead.block.type == STORED) {
      span = smaller(room, c->ahead_stored_left);
      const uint8_t *bytes = parse_stored(&c->ahead, span);
      if (!bytes) return false;
      memcpy(w->bytes + (w->end - w->start), bytes, span);
      w->end += span;
      c->ahead_stored_left -= span;
      c->ahead_in_block = c->ahead_stored_left > 0;
      continue;
    }
    struct token tokens[1024];
    bool ends;
    if (!parse_tokens(&c->ahead, tokens, 1024, room, &count, &span, &ends)) return false;
    if (span > w->last - w->end) return false;
    uint8_t *to = w->bytes + (w->end - w->start);
    for (uint32_t k = 0; k < count; k++) {
      if (is_literal(tokens[k])) {
        *to++ = (uint8_t)tokens[k].distance;
        continue;
      }
      const uint8_t *from = to - tokens[k].distance;
      for (uint32_t left = span_of(tokens[k]); left; left--) *to++ = *from++;
    }
    w->end += span;
    c->ahead_in_block = !ends;
  }
  return true;
}

/* The correction takes more than half of the stream so far: the samples' code would have to be as small. */
static bool is_large(const struct correction *c) { return c->coder.size > 4096 + parser_position(&c->parser) / 2; }

static bool end_stream(struct correction *c) {
  uint64_t used;
  if (!c->coder.decodes && !parse_end(&c->parser, &c->padding, &used)) return fail(c, HPAC_DEFLATE_DAMAGED);
  if (c->at != c->window.last) return fail(c, HPAC_DEFLATE_DAMAGED);
  c->padding = code_padding(c, c->padding, &c->models.no_padding[1]);
  if (c->coder.decodes) emit_end(&c->emitter, c->padding);
  else coder_finish(&c->coder);
  c->stage = DONE;
  return true;
}

static bool step(struct correction *c) {
  switch (c->stage) {
    case AT_BLOCK: return begin_block(c);
    case IN_STORED: return walk_stored(c);
    case IN_TOKENS:
      if (c->tokens_left && c->at != c->block_end) return walk_chunk(c);
      c->stage = AT_BLOCK_END;
      return true;
    case AT_BLOCK_END: return end_block(c);
    default: return end_stream(c);
  }
}

/* Of a trial: so many tokens or 32 times as many bytes, and then to the end of the block if it comes soon. */
static bool is_enough(const struct correction *c) {
  const uint64_t most = (c->stage == AT_BLOCK ? 1 : 2) * c->most_tokens;
  return c->num_done_tokens >= most || c->at - ORIGIN >= 32 * most;
}

void correction_walk(struct correction *c) {
  const bool decodes = c->coder.decodes;
  while (!c->error && c->stage != DONE) {
    if (!decodes && !run_ahead(c)) c->error = HPAC_DEFLATE_DAMAGED;
    if (c->error || !window_reaches(&c->window, c->at)) return;
    if (!step(c)) return;
    if (decodes && c->emitter.failed) c->error = HPAC_DEFLATE_NO_ROOM;
    if (c->coder.failed) c->error = HPAC_DEFLATE_NO_MEMORY;
    if (is_tired(c)) c->error = decodes ? HPAC_DEFLATE_DAMAGED : HPAC_DEFLATE_NOT_WORTH;
    if (!decodes && is_large(c)) c->error = HPAC_DEFLATE_NOT_WORTH;
    if (c->most_tokens && is_enough(c)) return;
  }
}
