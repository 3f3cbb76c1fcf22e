/* zlib's search for matches, which miniz and lodepng share, and zlib-ng's. Source: zlib 1.3, deflate.c. */
#ifndef HPAC_DEFLATE_MATCH_ZLIB_H
#define HPAC_DEFLATE_MATCH_ZLIB_H

#include "predict.h"

static inline void insert_through(struct predictor *m, position p) {
  for (; m->inserted <= p; m->inserted++) chains_insert(&m->chains, m->window, m->inserted);
}

static inline uint32_t farthest(const struct predictor *m) {
  return (1u << m->q.window_bits) - (m->q.flags & WHOLE_WINDOW ? 0u : 262u);
}

/* A match longer than `best`, which is at least 2; else `best`. Needs p in the chains. */
static inline uint32_t longest_match(struct predictor *m, position p, uint32_t best, uint32_t chain,
                                     uint32_t *distance) {
  struct chains *chains = &m->chains;
  const uint32_t left = m->window->last - p, most = smaller(left, MAX_MATCH), reach = farthest(m);
  if (left < chains->hash_bytes || best >= most) return best;
  position candidate = chains_next(chains, p);
  if (candidate <= ORIGIN || p - candidate > reach) return best; /* zlib takes the first position for none */
  const position limit = p - ORIGIN > reach ? p - reach : ORIGIN;
  const uint32_t nice = smaller(m->q.nice, most), whole_chain = chain;
  const uint8_t *here = bytes_at(m->window, p);
  const uint16_t *links = chains->links;
  uint16_t link = (uint16_t)candidate; /* the place in the ring, which has 65536 */
  uint32_t found = 0;
  /* a longer match has the last bytes of one that is a byte longer than the best: three at first, then four */
  uint32_t at = best < 3 ? 0 : best - 3, mask = best < 3 ? 0xffffff : UINT32_MAX;
  uint32_t wanted = load32(here + at) & mask; /* reads a byte that may lie behind the last, where there is room */
  do {
    const uint8_t *there = here - (p - candidate);
    link = links[link];
    if ((load32(there + at) & mask) == wanted) {
      const uint32_t length = common_length(there, here, most);
      if (length > best) {
        best = length, found = candidate;
        if (length >= nice || length >= most) break;
        at = best - 3, mask = UINT32_MAX;
        wanted = load32(here + at);
      }
    }
    candidate = follow(candidate, link);
  } while (candidate > limit && --chain);
  chains->work += whole_chain - chain + 1;
  if (found) *distance = p - found;
  return best;
}

static struct token predict_zlib_fast(struct predictor *m, position p) {
  uint32_t distance = 0;
  insert_through(m, p);
  const uint32_t length = longest_match(m, p, 2, m->q.chain, &distance);
  return length > 2 ? match_of(length, distance) : literal(*bytes_at(m->window, p));
}

/* A match longer than `before`, else 2. */
static inline uint32_t search_lazily(struct predictor *m, position p, uint32_t before, uint32_t *distance) {
  const uint32_t flags = m->q.flags, chain = m->q.chain;
  uint32_t length = longest_match(m, p, before, before >= m->q.good && chain >= 4 ? chain >> 2 : chain, distance);
  if (length <= before) return 2;
  const uint32_t near = flags & FAR_8191 ? 8191 : 4096;
  if (length == 3 && !(flags & ANY_FAR) && *distance > near) return 2;
  return length <= 5 && flags & ONLY_LONG ? 2 : length;
}

static struct token predict_zlib_lazy(struct predictor *m, position p) {
  uint32_t length = m->found_length, distance = m->found_distance;
  insert_through(m, p);
  if (m->found_at != p) length = search_lazily(m, p, 2, &distance);
  m->found_at = 0;
  if (length < 3) return literal(*bytes_at(m->window, p));
  if (length < m->q.lazy && p + 1 < m->window->last) {
    insert_through(m, p + 1);
    const uint32_t later = search_lazily(m, p + 1, length, &m->found_distance);
    if (later > length + (m->q.flags & LAZY_BY_TWO ? 1u : 0u)) {
      m->found_at = p + 1;
      m->found_length = later;
      return literal(*bytes_at(m->window, p));
    }
  }
  return match_of(length, distance);
}

/* ---- zlib-ng. Source: zlib-ng 2.2, match_tpl.h, deflate_quick.c, deflate_medium.c ---- */

static struct token predict_latest(struct predictor *m, position p) {
  insert_through(m, p);
  const uint32_t left = m->window->last - p;
  if (left >= 4) {
    const uint32_t distance = p - chains_next(&m->chains, p);
    if (distance <= farthest(m) && distance <= p - ORIGIN) {
      const uint8_t *here = bytes_at(m->window, p);
      const uint32_t length = common_length(here - distance, here, smaller(left, MAX_MATCH));
      if (length >= (m->q.flags & TAKES_THREE ? 3 : 4)) return match_of(length, distance);
    }
  }
  return literal(*bytes_at(m->window, p));
}

/* A match of at least 4 bytes, or 1. Needs p in the chains. */
static uint32_t search_ng(struct predictor *m, position p, uint32_t *distance) {
  struct chains *chains = &m->chains;
  const uint32_t left = m->window->last - p, most = smaller(left, MAX_MATCH), reach = farthest(m);
  if (left < 4) return 1;
  position candidate = chains_next(chains, p);
  if (candidate <= ORIGIN || p - candidate > reach) return 1;
  const position limit = p - ORIGIN > reach ? p - reach : ORIGIN;
  const uint8_t *here = bytes_at(m->window, p);
  uint32_t best = 2, chain = m->q.chain;
  do {
    if (best >= left) break;
    const uint8_t *there = here - (p - candidate);
    const uint32_t ends = best < 4 ? 2 : best < 8 ? 4 : 8; /* so many bytes are compared at both ends */
    if (memcmp(there, here, ends) || memcmp(there + best + 1 - ends, here + best + 1 - ends, ends)) continue;
    const uint32_t length = common_length(there, here, most);
    if (length > best) {
      best = length;
      *distance = p - candidate;
      if (best >= m->q.nice) break;
    } else if (m->q.flags & EARLY_EXIT) {
      break;
    }
  } while (--chain && (candidate = chains_next(chains, candidate)) > limit);
  chains->work += m->q.chain - chain + 1u;
  return best < 4 ? 1 : best;
}

static struct token predict_ng_fast(struct predictor *m, position p) {
  uint32_t distance = 0;
  insert_through(m, p);
  const uint32_t length = search_ng(m, p, &distance);
  return length >= 4 ? match_of(length, distance) : literal(*bytes_at(m->window, p));
}

/* Looks at the match that follows one, and moves their border to the left where both allow it. */
static struct token predict_ng_medium(struct predictor *m, position p) {
  const struct window *w = m->window;
  uint32_t length = m->found_length, distance = m->found_distance;
  insert_through(m, p);
  if (m->found_at != p) length = search_ng(m, p, &distance);
  m->found_at = 0;
  for (int turn = 0; turn < 4; turn++) {
    if (length < 4) return literal(*bytes_at(w, p));
    if (m->q.flags & EARLY_EXIT || w->last - p <= length + 262) break;
    uint32_t next_distance = 0;
    insert_through(m, p + length);
    uint32_t next_length = search_ng(m, p + length, &next_distance);
    if (next_length < 4) break;
    position next = p + length;
    const position source = next - next_distance;
    if (length > 1 + (source - ORIGIN) || *bytes_at(w, source - length + 1) != *bytes_at(w, next - length + 1)) break;
    const uint32_t reach = farthest(m);
    const position limit = next - ORIGIN > reach ? next - reach : ORIGIN;
    uint32_t rest = length;
    while (rest && next > limit && next_length < 256 && next - next_distance > ORIGIN + 1 &&
           *bytes_at(w, next - next_distance - 1) == *bytes_at(w, next - 1))
      next--, next_length++, rest--;
    if (rest == length || rest > 1) break;
    if (rest == 1) {
      m->found_at = p + 1;
      m->found_length = next_length, m->found_distance = next_distance;
      return literal(*bytes_at(w, p));
    }
    length = next_length, distance = next_distance;
  }
  return match_of(length, distance);
}

#endif
