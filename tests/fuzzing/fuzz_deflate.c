/* A coverage-guided fuzzer of deflate streams: parsing, corrections both ways.
 *
 * An input's first byte chooses: a stream that is surveyed, searched and corrected, and must come back; two streams, of
 * which later readings give the other one, so that nothing but a result or an error may come; or parameters, a
 * correction and plain bytes, of which something or an error must come.
 */
#include "hpac_deflate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) fprintf(stderr, "%d: %s\n", __LINE__, #condition), abort(); \
  } while (0)

enum { WINDOW = 32768, MOST_PLAIN = 1 << 20, NUM_MATCHERS = 14 };

static void *need(size_t size) {
  void *memory = malloc(size ? size : 1);
  REQUIRE(memory);
  return memory;
}

/* Push plain bytes in pieces; returns the stream's length, or an error. */
static int64_t rebuild(const uint8_t *parameters, const uint8_t *correction, size_t correction_size,
                       const uint8_t *plain, size_t plain_size, size_t piece, uint8_t *out, size_t room) {
  struct hpac_deflate *d = hpac_deflate_open(parameters, correction, correction_size, plain_size, room);
  if (!d) return HPAC_DEFLATE_DAMAGED;
  size_t done = 0, size = 0;
  int64_t count = 0;
  do {
    const size_t step = plain_size - done < piece ? plain_size - done : piece;
    count = hpac_deflate_push(d, plain + done, step);
    if (count < 0) break;
    REQUIRE((size_t)count <= room - size);
    if (count) memcpy(out + size, hpac_deflate_take(d), (size_t)count);
    size += (size_t)count;
    done += step;
  } while (done < plain_size);
  const int whole = hpac_deflate_is_done(d);
  hpac_deflate_close(d);
  return count < 0 ? count : whole ? (int64_t)size : HPAC_DEFLATE_DAMAGED;
}

/* An inflater that knows nothing of the code that is tested. Source: RFC 1951. Returns what comes out. */
struct bits {
  const uint8_t *at;
  size_t size, position;
};

static uint32_t take(struct bits *b, uint32_t count) {
  uint32_t value = 0;
  for (uint32_t k = 0; k < count; k++, b->position++) {
    REQUIRE(b->position / 8 < b->size);
    value |= (uint32_t)(b->at[b->position / 8] >> (b->position % 8) & 1) << k;
  }
  return value;
}

static uint32_t symbol(struct bits *b, const uint8_t *lengths, uint32_t count) {
  uint32_t code = 0, first = 0;
  for (uint32_t bits = 1; bits < 16; bits++) {
    code = code << 1 | take(b, 1);
    first <<= 1;
    for (uint32_t s = 0; s < count; s++)
      if (lengths[s] == bits && code == first++) return s;
  }
  REQUIRE(0);
  return 0;
}

static size_t inflate(const uint8_t *stream, size_t size, uint8_t *plain) {
  static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  struct bits b = {stream, size, 0};
  size_t done = 0;
  for (uint32_t final = 0; !final;) {
    uint8_t lengths[320], pre[19] = {0};
    uint32_t litlen = 288, dist = 32;
    final = take(&b, 1);
    const uint32_t type = take(&b, 2);
    if (type == 0) {
      b.position = (b.position + 7) / 8 * 8;
      const uint32_t count = take(&b, 16);
      take(&b, 16);
      for (uint32_t k = 0; k < count; k++) plain[done++] = (uint8_t)take(&b, 8);
      continue;
    }
    for (uint32_t s = 0; s < 320; s++) lengths[s] = s < 144 ? 8 : s < 256 ? 9 : s < 280 ? 7 : s < 288 ? 8 : 5;
    if (type == 2) {
      litlen = take(&b, 5) + 257, dist = take(&b, 5) + 1;
      const uint32_t count = take(&b, 4) + 4;
      for (uint32_t k = 0; k < count; k++) pre[order[k]] = (uint8_t)take(&b, 3);
      for (uint32_t k = 0; k < litlen + dist;) {
        const uint32_t s = symbol(&b, pre, 19);
        uint32_t times = s == 16 ? 3 + take(&b, 2) : s == 17 ? 3 + take(&b, 3) : s == 18 ? 11 + take(&b, 7) : 1;
        const uint8_t length = s < 16 ? (uint8_t)s : s == 16 ? lengths[k - 1] : 0;
        while (times--) lengths[k++] = length;
      }
    }
    for (;;) {
      const uint32_t s = symbol(&b, lengths, litlen);
      if (s == 256) break;
      if (s < 256) {
        plain[done++] = (uint8_t)s;
        continue;
      }
      const uint32_t n = s - 257, extra = n < 8 || n == 28 ? 0 : (n - 4) / 4;
      const uint32_t length = n == 28 ? 258 : (n < 8 ? 3 + n : 3 + ((4 + n % 4) << extra)) + take(&b, extra);
      const uint32_t f = symbol(&b, lengths + litlen, dist), more = f < 4 ? 0 : f / 2 - 1;
      const uint32_t distance = 1 + (f < 4 ? f : (2 + f % 2) << more) + take(&b, more);
      for (uint32_t k = 0; k < length; k++, done++) plain[done] = plain[done - distance];
    }
  }
  return done;
}

/* Streams in memory, read in pieces of odd sizes. */
struct memory {
  const uint8_t *bytes[2];
  size_t size[2], piece;
  uint32_t later; /* a bit for each reading, the first one lowest: which of the streams it gives; the last one stays */
  bool begun;
};

static int64_t read_memory(void *context, uint64_t offset, uint8_t *into, size_t count) {
  struct memory *m = context;
  if (!offset && m->begun && m->later > 1) m->later >>= 1;
  m->begun = true;
  const uint32_t which = m->later & 1;
  if (offset >= m->size[which]) return 0;
  const size_t left = m->size[which] - (size_t)offset, most = count < m->piece ? count : m->piece;
  const size_t taken = left < most ? left : most;
  memcpy(into, m->bytes[which] + offset, taken);
  return (int64_t)taken;
}

#define PARAMETERS(matcher) {(uint8_t)(matcher), 15, 15, 0, (matcher) == 2, 8, 0, 16, 0, 128, 0, 16}

static void check_stream(const uint8_t *stream, size_t size, int matcher, size_t piece) {
  struct memory memory = {.bytes = {stream}, .size = {size}, .piece = piece};
  struct hpac_deflate_facts facts;
  uint8_t parameters[HPAC_DEFLATE_PARAMETER_BYTES] = PARAMETERS(matcher);
  if (hpac_deflate_survey(read_memory, &memory, &facts)) return;
  REQUIRE(facts.stream_bytes <= size);
  if (facts.plain_bytes > MOST_PLAIN) return;
  if (matcher == NUM_MATCHERS) REQUIRE(!hpac_deflate_find(read_memory, &memory, parameters));
  uint8_t *correction;
  size_t correction_size;
  const int result = hpac_deflate_correct(read_memory, &memory, parameters, &correction, &correction_size);
  REQUIRE(result == HPAC_DEFLATE_OK || result == HPAC_DEFLATE_NOT_WORTH);
  if (!result) {
    const size_t plain_size = (size_t)facts.plain_bytes, stream_size = (size_t)facts.stream_bytes;
    uint8_t *plain = need(plain_size), *again = need(stream_size);
    REQUIRE(inflate(stream, size, plain) == plain_size);
    REQUIRE(rebuild(parameters, correction, correction_size, plain, plain_size, piece, again, stream_size) ==
            (int64_t)stream_size);
    REQUIRE(!memcmp(again, stream, stream_size));
    free(plain);
    free(again);
  }
  hpac_deflate_free_bytes(correction);
}

static void require_result(int result) { REQUIRE(result <= HPAC_DEFLATE_OK && result >= HPAC_DEFLATE_NOT_WORTH); }

/* Which readings give which stream, the size of the first stream, and both. A stream fits the reader's buffer, so that
 * whoever reads it asks for its first byte once, and for the others before anybody else reads. */
static void check_changing(const uint8_t *data, size_t size, int matcher, size_t piece) {
  if (size < 3) return;
  const size_t left = size - 3, wanted = data[1] | (size_t)data[2] << 8, first = wanted < left ? wanted : left;
  const struct memory begin = {
      .bytes = {data + 3, data + 3 + first}, .size = {first, left - first}, .piece = piece, .later = data[0]};
  uint8_t parameters[HPAC_DEFLATE_PARAMETER_BYTES] = PARAMETERS(matcher);
  for (uint32_t which = 0; which < 2; which++) {
    struct memory memory = begin;
    struct hpac_deflate_facts facts;
    memory.later = which;
    if (!hpac_deflate_survey(read_memory, &memory, &facts) && facts.plain_bytes > MOST_PLAIN) return;
  }
  struct memory memory = begin;
  if (matcher == NUM_MATCHERS) {
    require_result(hpac_deflate_find(read_memory, &memory, parameters));
    return;
  }
  uint8_t *correction;
  size_t correction_size;
  require_result(hpac_deflate_correct(read_memory, &memory, parameters, &correction, &correction_size));
  hpac_deflate_free_bytes(correction);
}

/* Parameters, a byte that says how much of the rest is the correction, and plain bytes, several times over. */
static void check_correction(const uint8_t *data, size_t size, size_t piece) {
  if (size < HPAC_DEFLATE_PARAMETER_BYTES + 2) return;
  uint8_t parameters[HPAC_DEFLATE_PARAMETER_BYTES];
  memcpy(parameters, data, sizeof parameters);
  parameters[0] %= NUM_MATCHERS;
  parameters[1] = (uint8_t)(parameters[1] % 160);
  const size_t share = data[sizeof parameters], times = 1 + data[sizeof parameters + 1];
  const uint8_t *rest = data + sizeof parameters + 2;
  const size_t left = size - sizeof parameters - 2, correction_size = left * share / 256, own = left - correction_size;
  const size_t room = 64 + 2 * own * times;
  uint8_t *plain = need(own * times), *out = need(room);
  for (size_t k = 0; k < times; k++) memcpy(plain + k * own, rest + correction_size, own);
  const int64_t made = rebuild(parameters, rest, correction_size, plain, own * times, piece, out, room);
  REQUIRE(made >= HPAC_DEFLATE_NO_ROOM && made <= (int64_t)room);
  free(plain);
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  const size_t piece = data[1] & 1 ? WINDOW : 1 + data[1];
  const int matcher = data[0] / 3 % (NUM_MATCHERS + 1);
  switch (data[0] % 3) {
    case 0: check_correction(data + 2, size - 2, piece); break;
    case 1: check_stream(data + 2, size - 2, matcher, piece); break;
    default: check_changing(data + 2, size - 2, matcher, piece);
  }
  return 0;
}
