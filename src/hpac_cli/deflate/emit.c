#include "emit.h"

void emitter_open(struct emitter *e, uint64_t most_bytes) {
  memset(e, 0, sizeof *e);
  e->left = most_bytes;
}

void emitter_close(struct emitter *e) { free(e->bytes); }

/* Room for `count` bytes, within what the stream may have. */
static bool make_room(struct emitter *e, size_t count) {
  if (count > e->left || !reserve(&e->bytes, &e->capacity, e->size + count, 1)) e->failed = true;
  return !e->failed;
}

/* At most 48 bits, and there are less than 8 in e->bits. */
static inline void put_bits(struct emitter *e, uint64_t value, uint32_t count) {
  e->bits |= value << e->count;
  e->count += count;
  while (e->count >= 8) {
    if (e->size == e->capacity || !e->left) {
      if (!make_room(e, 1)) {
        e->bits = 0, e->count = 0; /* else they would be more and more */
        return;
      }
    }
    e->bytes[e->size++] = (uint8_t)e->bits;
    e->left--;
    e->bits >>= 8, e->count -= 8;
  }
}

static bool emit_lengths(struct emitter *e, const struct block *b) {
  uint16_t codes[NUM_PRE];
  if (!make_codes(b->pre_lengths, NUM_PRE, codes)) return false;
  put_bits(e, b->num_litlen - 257, 5);
  put_bits(e, b->num_dist - 1, 5);
  put_bits(e, b->num_pre - 4, 4);
  for (uint32_t k = 0; k < b->num_pre; k++) put_bits(e, b->pre_lengths[pre_order[k]], 3);
  for (uint32_t k = 0; k < b->num_runs; k++) {
    const struct run run = b->runs[k];
    put_bits(e, codes[run.symbol], b->pre_lengths[run.symbol]);
    put_bits(e, run.extra, run_bits(run.symbol));
  }
  return true;
}

bool emit_block(struct emitter *e, const struct block *b) {
  if (e->failed) return false;
  put_bits(e, b->final, 1);
  put_bits(e, b->type, 2);
  if (b->type == STORED) {
    put_bits(e, b->padding & ((1u << (-e->count & 7)) - 1), -e->count & 7);
    put_bits(e, b->stored_length, 16);
    put_bits(e, b->stored_length ^ 0xffff, 16);
    return !e->failed;
  }
  if (b->type == DYNAMIC && !emit_lengths(e, b)) return false;
  return make_codes(b->lengths, b->num_litlen, e->codes) &&
         make_codes(b->lengths + b->num_litlen, b->num_dist, e->codes + MAX_LITLEN) && !e->failed;
}

void emit_tokens(struct emitter *e, const struct block *b, const struct token *tokens, size_t count) {
  const uint8_t *lengths = b->lengths, *far_lengths = b->lengths + b->num_litlen;
  const uint16_t *codes = e->codes, *far_codes = e->codes + MAX_LITLEN;
  for (size_t k = 0; k < count && !e->failed; k++) {
    const struct token t = tokens[k];
    if (is_literal(t)) {
      put_bits(e, codes[t.distance], lengths[t.distance]);
      continue;
    }
    const uint32_t s = length_symbol(t.length), d = distance_symbol(t.distance);
    if (257 + s >= b->num_litlen || d >= b->num_dist) {
      e->failed = true;
      return;
    }
    put_bits(e, codes[257 + s], lengths[257 + s]);
    put_bits(e, span_of(t) - length_base[s], length_extra[s]);
    put_bits(e, far_codes[d], far_lengths[d]);
    put_bits(e, (uint64_t)(t.distance - distance_base[d]), distance_extra[d]);
  }
}

void emit_stored(struct emitter *e, const uint8_t *bytes, uint32_t count) {
  if (e->failed || !make_room(e, count)) return;
  memcpy(e->bytes + e->size, bytes, count);
  e->size += count, e->left -= count;
}

void emit_end_of_block(struct emitter *e, const struct block *b) {
  put_bits(e, e->codes[END_OF_BLOCK], b->lengths[END_OF_BLOCK]);
}

void emit_end(struct emitter *e, uint8_t padding) {
  const uint32_t count = -e->count & 7;
  put_bits(e, padding & ((1u << count) - 1), count);
}
