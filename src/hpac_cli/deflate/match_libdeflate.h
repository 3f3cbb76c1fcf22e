/* libdeflate's search for matches. Source: libdeflate 1.2x, hc_matchfinder.h, ht_matchfinder.h, deflate_compress.c. */
#ifndef HPAC_DEFLATE_MATCH_LIBDEFLATE_H
#define HPAC_DEFLATE_MATCH_LIBDEFLATE_H

#include "predict.h"

enum { THIRD_BITS = 15, NEVER = 0 };

static inline uint32_t hash_third(const uint8_t *b) { return (load24(b) * 0x1E35A7BDu) >> (32 - THIRD_BITS); }
static inline uint32_t hash_two(const uint8_t *b) { return (load32(b) * 0x1E35A7BDu) >> (32 - THIRD_BITS); }

static inline void push_third(struct predictor *m, uint32_t hash, position p) {
  m->third_before[hash] = m->third[hash];
  m->third[hash] = p;
}

static inline void insert_lib(struct predictor *m, position p) {
  for (; m->inserted <= p; m->inserted++) {
    if (m->window->last - m->inserted < 4) continue;
    chains_insert(&m->chains, m->window, m->inserted);
    push_third(m, hash_third(bytes_at(m->window, m->inserted)), m->inserted);
  }
}

/* A match longer than `best`, else `best`: of three bytes only the latest position, of more a chain. */
static uint32_t search_lib(struct predictor *m, position p, uint32_t best, uint32_t depth, uint32_t *distance) {
  struct chains *chains = &m->chains;
  const uint32_t most = smaller(m->window->last - p, MAX_MATCH), whole_depth = depth;
  if (most < 5) return best;
  const uint8_t *here = bytes_at(m->window, p);
  const uint32_t nice = smaller(m->q.nice, most), begins = load32(here);
  insert_lib(m, p);
  const position cut = p - MAX_DISTANCE;
  position candidate = chains_next(chains, p);
  if (best < MIN_MATCH + 1) {
    const position third = m->inserted == p + 1 ? m->third_before[hash_third(here)] : NEVER;
    if (third <= cut) return best;
    if (best < MIN_MATCH && load24(here - (p - third)) == load24(here)) best = MIN_MATCH, *distance = p - third;
  }
  if (best >= nice && best > MIN_MATCH) return best;
  for (; candidate > cut; candidate = chains_next(chains, candidate)) {
    const uint8_t *there = here - (p - candidate);
    if (load32(there) == begins &&
        (best <= MIN_MATCH || best >= most || load32(there + best - 3) == load32(here + best - 3))) {
      const uint32_t length = common_length(there, here, most);
      if (length > best) {
        best = length;
        *distance = p - candidate;
        if (best >= nice) break;
      }
    }
    if (!--depth) break;
  }
  chains->work += whole_depth - depth + 1;
  return best;
}

static const uint8_t shortest_by_literals[80] = {9, 9, 9, 9, 9, 9, 8, 8, 7, 7, 6, 6, 6, 6, 6, 6, 5, 5, 5, 5,
                                                 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
                                                 5, 5, 5, 5, 5, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4,
                                                 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4};

static uint32_t choose_shortest(uint32_t num_literals, uint32_t depth) {
  const uint32_t shortest = num_literals < 80 ? shortest_by_literals[num_literals] : 3;
  return depth >= 16 ? shortest : smaller(shortest, depth < 5 ? 4 : depth < 10 ? 5 : 7);
}

static void start_lib_block(struct predictor *m, position p) {
  const uint32_t left = m->window->last - p, sample = smaller(left, 4096);
  m->block_start = p;
  m->next_count = p + smaller(left, 10000);
  memset(m->literal_counts, 0, sizeof m->literal_counts);
  m->shortest = 3;
  if (left < 512) return;
  bool seen[256] = {false};
  uint32_t count = 0;
  for (uint32_t k = 0; k < sample; k++) {
    const uint8_t byte = bytes_at(m->window, p)[k];
    count += !seen[byte];
    seen[byte] = true;
  }
  m->shortest = choose_shortest(count, m->q.chain);
}

/* Literals that come up in more than one of 1024 count. */
static void count_lib_literals(struct predictor *m, position p) {
  uint32_t sum = 0, count = 0;
  for (int k = 0; k < 256; k++) sum += m->literal_counts[k];
  for (int k = 0; k < 256; k++) count += m->literal_counts[k] > sum >> 10;
  m->shortest = choose_shortest(count, m->q.chain);
  m->next_count += smaller(p - m->block_start, m->window->last - m->next_count);
  if (m->next_count <= p) m->next_count = m->window->last;
}

static struct token predict_two(struct predictor *m, position p) {
  const uint8_t *here = bytes_at(m->window, p);
  const uint32_t left = m->window->last - p, most = smaller(left, MAX_MATCH), hash = left < 5 ? 0 : hash_two(here);
  const position cut = p - MAX_DISTANCE, candidates[2] = {m->third[hash], m->third_before[hash]};
  uint32_t best = 3, distance = 0;
  for (int k = 0; k < 2 && left >= 5 && candidates[k] > cut && best < m->q.nice; k++) {
    const uint8_t *there = here - (p - candidates[k]);
    const uint32_t length = common_length(there, here, most);
    if (length > best) best = length, distance = p - candidates[k];
  }
  return distance ? match_of(best, distance) : literal(*here);
}

static struct token predict_greedy(struct predictor *m, position p) {
  uint32_t distance = 0;
  const uint32_t length = search_lib(m, p, m->shortest - 1, m->q.chain, &distance);
  const bool taken = distance && length >= m->shortest && (length > 3 || distance <= 4096);
  return taken ? match_of(length, distance) : literal(*bytes_at(m->window, p));
}

/* Whether a match found `later` positions on is enough longer, or nearer; distance 0: there is none. */
static bool is_worth_waiting(uint32_t length, uint32_t distance, uint32_t next_length, uint32_t next_distance,
                             int least) {
  if (!next_distance || next_length < length) return false;
  return 4 * (int)(next_length - length) + (int)log2_floor(distance) - (int)log2_floor(next_distance) > least;
}

static struct token predict_lazy(struct predictor *m, position p, bool twice) {
  const struct window *w = m->window;
  const struct token here = literal(*bytes_at(w, p));
  uint32_t length = m->found_length, distance = m->found_distance;
  if (p < m->literals_until) return here;
  if (m->found_at != p) {
    if (m->next_count && p >= m->next_count) count_lib_literals(m, p);
    distance = 0;
    length = search_lib(m, p, m->shortest - 1, m->q.chain, &distance);
    if (!distance || length < m->shortest || (length == 3 && distance > 8192)) {
      m->found_at = NEVER;
      return here;
    }
  }
  m->found_at = NEVER;
  for (uint32_t later = 1; later <= (twice ? 2u : 1u) && length < m->q.nice && p + later < w->last; later++) {
    uint32_t next_distance = 0;
    const uint32_t depth = m->q.chain >> later;
    const uint32_t next = search_lib(m, p + later, length - 1, depth ? depth : 1, &next_distance);
    if (!is_worth_waiting(length, distance, next, next_distance, later == 1 ? 2 : 6)) continue;
    m->found_at = m->literals_until = p + later;
    m->found_length = next, m->found_distance = next_distance;
    return here;
  }
  return match_of(length, distance);
}

#endif
