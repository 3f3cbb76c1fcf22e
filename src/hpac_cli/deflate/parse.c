#include "parse.h"

/* Forget what was used, but for bytes that are in `bits` and may be read as they are, and read on. */
static void fetch(struct bit_reader *r) {
  const size_t kept = r->at < 8 ? r->at : 8, used = r->at - kept;
  memmove(r->bytes, r->bytes + used, r->size - used);
  r->start += used, r->size -= used, r->at = kept;
  while (!r->ended && r->size < INPUT_BYTES) {
    const size_t room = INPUT_BYTES - r->size;
    const int64_t count = r->source.read(r->source.context, r->start + r->size, r->bytes + r->size, room);
    if (count > 0 && (uint64_t)count <= room) r->size += (size_t)count;
    else r->ended = true;
  }
}

static inline bool is_short(const struct bit_reader *r) { return r->at + 8 > r->size && !r->ended; }

/* Needs 8 bytes, or the last ones. */
static inline void refill_quickly(struct bit_reader *r) {
  if (r->at + 8 <= r->size) {
    r->bits |= load64(r->bytes + r->at) << r->count;
    r->at += (63 - r->count) >> 3;
    r->count |= 56;
    return;
  }
  for (; r->count <= 56; r->count += 8, r->at++)
    if (r->at < r->size) r->bits |= (uint64_t)r->bytes[r->at] << r->count;
}

static inline void refill(struct bit_reader *r) {
  if (is_short(r)) fetch(r);
  refill_quickly(r);
}

static inline void skip_bits(struct bit_reader *r, uint32_t count) { r->bits >>= count, r->count -= count; }

static inline uint32_t read_bits(struct bit_reader *r, uint32_t count) {
  refill(r);
  const uint32_t value = (uint32_t)r->bits & ((1u << count) - 1);
  skip_bits(r, count);
  return value;
}

/* Whether bits behind the end were read. */
static inline bool overrun(const struct bit_reader *r) { return r->at - r->count / 8 > r->size; }

static bool make_decoding(struct decoding *d, const uint8_t *lengths, uint32_t count) {
  uint16_t codes[MAX_LITLEN], offsets[MAX_CODE_BITS + 2] = {0};
  if (!make_codes(lengths, count, codes)) return false;
  memset(d->fast, 0, sizeof d->fast);
  memset(d->count, 0, sizeof d->count);
  for (uint32_t s = 0; s < count; s++) d->count[lengths[s]]++;
  d->count[0] = 0;
  for (uint32_t bits = 1; bits <= MAX_CODE_BITS; bits++) offsets[bits + 1] = (uint16_t)(offsets[bits] + d->count[bits]);
  for (uint32_t s = 0; s < count; s++) {
    const uint32_t bits = lengths[s];
    if (!bits) continue;
    d->symbols[offsets[bits]++] = (uint16_t)s;
    if (bits <= FAST_BITS)
      for (uint32_t k = codes[s]; k < 1u << FAST_BITS; k += 1u << bits) d->fast[k] = (uint16_t)(s << 4 | bits);
  }
  return true;
}

/* A symbol whose code is longer than FAST_BITS; -1 if there is no such code. */
static int read_long_symbol(struct bit_reader *r, const struct decoding *d) {
  uint32_t code = 0, first = 0, index = 0;
  for (uint32_t bits = 1; bits <= MAX_CODE_BITS; bits++) {
    code |= (uint32_t)(r->bits >> (bits - 1)) & 1;
    if (code < first + d->count[bits]) {
      skip_bits(r, bits);
      return d->symbols[index + (code - first)];
    }
    index += d->count[bits];
    first = (first + d->count[bits]) << 1;
    code <<= 1;
  }
  return -1;
}

/* Needs MAX_CODE_BITS bits in the reader. */
static inline int read_symbol(struct bit_reader *r, const struct decoding *d) {
  const uint32_t entry = d->fast[r->bits & ((1u << FAST_BITS) - 1)];
  if (!entry) return read_long_symbol(r, d);
  skip_bits(r, entry & 15);
  return (int)(entry >> 4);
}

bool parser_open(struct parser *p, struct source source) {
  p->reader = (struct bit_reader){.source = source, .bytes = malloc(INPUT_BYTES)};
  p->num_plain = 0;
  return p->reader.bytes;
}

void parser_close(struct parser *p) { free(p->reader.bytes); }

static bool parse_lengths(struct parser *p) {
  struct bit_reader *r = &p->reader;
  struct block *b = &p->block;
  b->num_litlen = read_bits(r, 5) + 257;
  b->num_dist = read_bits(r, 5) + 1;
  b->num_pre = read_bits(r, 4) + 4;
  if (b->num_litlen > MAX_LITLEN) return false;
  memset(b->pre_lengths, 0, sizeof b->pre_lengths);
  for (uint32_t k = 0; k < b->num_pre; k++) b->pre_lengths[pre_order[k]] = (uint8_t)read_bits(r, 3);
  struct decoding *pre = &p->dist; /* lent until the code of distances is known */
  if (!make_decoding(pre, b->pre_lengths, NUM_PRE)) return false;
  const uint32_t total = b->num_litlen + b->num_dist;
  b->num_runs = 0;
  for (uint32_t at = 0; at < total;) {
    refill(r);
    const int symbol = read_symbol(r, pre);
    if (symbol < 0 || (symbol == 16 && !at)) return false;
    const struct run run = {(uint8_t)symbol, (uint8_t)read_bits(r, run_bits((uint32_t)symbol))};
    const uint32_t count = run_count(run);
    if (count > total - at) return false;
    b->runs[b->num_runs++] = run;
    memset(b->lengths + at, symbol < 16 ? symbol : symbol == 16 ? b->lengths[at - 1] : 0, count);
    at += count;
  }
  return true;
}

bool parse_block(struct parser *p) {
  struct bit_reader *r = &p->reader;
  struct block *b = &p->block;
  b->final = (uint8_t)read_bits(r, 1);
  b->type = (uint8_t)read_bits(r, 2);
  b->padding = 0, b->stored_length = 0;
  if (b->type >= NUM_TYPES) return false;
  if (b->type == STORED) {
    refill(r);
    b->padding = (uint8_t)read_bits(r, r->count & 7);
    b->stored_length = read_bits(r, 16);
    return (read_bits(r, 16) ^ b->stored_length) == 0xffff && !overrun(r);
  }
  if (b->type == FIXED) set_fixed(b);
  else if (!parse_lengths(p)) return false;
  return make_decoding(&p->litlen, b->lengths, b->num_litlen) &&
         make_decoding(&p->dist, b->lengths + b->num_litlen, b->num_dist) && !overrun(r);
}

bool parse_tokens(struct parser *p, struct token *tokens, uint32_t most, uint32_t most_span, uint32_t *num_tokens,
                  uint32_t *span, bool *block_ends) {
  struct bit_reader r = p->reader; /* a copy stays in registers */
  uint32_t count = 0, done = 0;
  bool ends = false;
  while (count < most && done < most_span) {
    if (is_short(&r)) {
      p->reader = r; /* whose address nobody has */
      fetch(&p->reader);
      r = p->reader;
    }
    refill_quickly(&r); /* 56 bits: a length takes 15 + 5, a distance 15 + 13 */
    const int symbol = read_symbol(&r, &p->litlen);
    if (symbol < END_OF_BLOCK) {
      if (symbol < 0) return false;
      tokens[count++] = literal((uint8_t)symbol);
      done++;
      if (r.at > r.size + 8) return false; /* zeros behind the end are no tokens */
      continue;
    }
    if (symbol == END_OF_BLOCK) {
      ends = true;
      break;
    }
    const uint32_t s = (uint32_t)symbol - 257;
    if (s > 28) return false;
    const uint32_t length = length_base[s] + ((uint32_t)r.bits & ((1u << length_extra[s]) - 1));
    skip_bits(&r, length_extra[s]);
    const int far = read_symbol(&r, &p->dist);
    if (far < 0 || far >= USED_DIST) return false;
    const uint32_t distance = distance_base[far] + ((uint32_t)r.bits & ((1u << distance_extra[far]) - 1));
    skip_bits(&r, distance_extra[far]);
    if (distance > p->num_plain + done || r.at > r.size + 8) return false;
    tokens[count++] = match_of(length == MAX_MATCH && s == 27 ? LONG_MATCH : length, distance);
    done += length;
  }
  p->reader = r;
  p->num_plain += done;
  *num_tokens = count, *span = done, *block_ends = ends;
  return !overrun(&r);
}

const uint8_t *parse_stored(struct parser *p, uint32_t count) {
  struct bit_reader *r = &p->reader;
  r->at -= r->count / 8; /* a stored block begins on a byte, so whole bytes are in the reader */
  r->bits = r->count = 0;
  if (r->at + count > r->size && !r->ended) fetch(r);
  if (r->at > r->size || count > r->size - r->at) return NULL;
  r->at += count;
  p->num_plain += count;
  return r->bytes + r->at - count;
}

bool parse_end(struct parser *p, uint8_t *padding, uint64_t *used) {
  struct bit_reader *r = &p->reader;
  refill(r);
  *padding = (uint8_t)read_bits(r, r->count & 7);
  *used = r->start + r->at - r->count / 8;
  return *used <= r->start + r->size;
}
