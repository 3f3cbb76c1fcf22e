#include "cheapest.h"

enum { NO_CODE = 8000, THREE_TRIES = 16, FOUR_TRIES = 1024 };

/* Matches at p, each longer and farther than the one before: the nearest of three bytes, then those of four or more.
 * Returns the length of the longest, or 2. */
static uint32_t list_matches(struct nearby *n, const struct window *w, position p, struct token *matches,
                             uint32_t *count) {
  const uint8_t *here = bytes_at(w, p);
  const uint32_t most = smaller(w->last - p, MAX_MATCH);
  uint32_t best = 2, tries = 0;
  *count = 0;
  if (most < MIN_MATCH) return best;
  for (position c = next_candidate(&n->three, p, p); c && tries < THREE_TRIES;
       c = next_candidate(&n->three, c, p), tries++) {
    const uint8_t *there = here - (p - c);
    if (load24(there) != load24(here)) continue;
    best = common_length(there, here, most);
    matches[(*count)++] = match_of(best, p - c);
    break;
  }
  if (most < 4 || best == 2 || best >= most) return best;
  tries = 0;
  for (position c = next_candidate(&n->four, p, p); c && tries < FOUR_TRIES;
       c = next_candidate(&n->four, c, p), tries++) {
    const uint8_t *there = here - (p - c);
    if (load16(there + best - 1) != load16(here + best - 1)) continue;
    const uint32_t length = common_length(there, here, most);
    if (length <= best) continue;
    best = length;
    if (*count == MOST_MATCHES) --*count;
    matches[(*count)++] = match_of(length, p - c);
    if (best >= most) break;
  }
  n->four.work += tries + 1;
  return best;
}

static void set_prices(const struct block *b, uint32_t *literals, uint32_t *lengths, uint32_t *distances) {
  const uint8_t *far = b->lengths + b->num_litlen;
  for (uint32_t s = 0; s < 256; s++) literals[s] = b->lengths[s] ? b->lengths[s] * 8u : NO_CODE;
  for (uint32_t length = MIN_MATCH; length <= MAX_MATCH; length++) {
    const uint32_t s = length_symbol(length), bits = 257 + s < b->num_litlen ? b->lengths[257 + s] : 0;
    lengths[length] = bits ? (bits + length_extra[s]) * 8 : NO_CODE;
  }
  for (uint32_t s = 0; s < USED_DIST; s++)
    distances[s] = s < b->num_dist && far[s] ? (far[s] + distance_extra[s]) * 8u : NO_CODE;
}

static uint8_t margin_of(uint32_t dear, uint32_t cheap) { return (uint8_t)smaller((dear - cheap) / 8, MOST_MARGIN); }

bool find_cheapest(struct cheapest *path, struct nearby *n, const struct window *w, position start, position end,
                   const struct block *b, uint32_t nice) {
  uint32_t literals[256], lengths[MAX_MATCH + 1], distances[USED_DIST], stored = 0, skip = 0;
  const uint32_t span = end - start;
  set_prices(b, literals, lengths, distances);
  if (span && !nearby_reach(n, w, start, end - 1)) return false;
  for (uint32_t at = 0; at < span; at++) {
    path->first_match[at] = stored;
    if (at < skip) continue;
    uint32_t count;
    const uint32_t longest = list_matches(n, w, start + at, path->matches + stored, &count);
    stored += count;
    if (longest >= nice) skip = at + longest;
  }
  path->first_match[span] = stored;
  path->costs[span] = 0;
  for (uint32_t at = span; at-- > 0;) {
    const uint32_t by_literal = path->costs[at + 1] + literals[*bytes_at(w, start + at)];
    uint32_t best = UINT32_MAX, second = UINT32_MAX, length = MIN_MATCH;
    struct token best_match = {0, 0}, second_match = {0, 0};
    for (uint32_t k = path->first_match[at]; k < path->first_match[at + 1]; k++) {
      const struct token match = path->matches[k];
      const uint32_t far = distances[distance_symbol(match.distance)], most = smaller(match.length, span - at);
      for (; length <= most; length++) {
        const uint32_t cost = path->costs[at + length] + lengths[length] + far;
        if (cost < best) {
          second = best, second_match = best_match;
          best = cost, best_match = match_of(length, match.distance);
        } else if (cost < second) {
          second = cost, second_match = match_of(length, match.distance);
        }
      }
    }
    const bool prefers_literal = by_literal <= best;
    const uint32_t cheap = prefers_literal ? by_literal : best;
    path->costs[at] = cheap;
    path->hints[at] = (struct hint){
        best_match,
        second_match,
        best == UINT32_MAX ? MOST_MARGIN
        : prefers_literal  ? margin_of(best, cheap)
                           : margin_of(by_literal, cheap),
        second == UINT32_MAX ? MOST_MARGIN : margin_of(second, cheap),
        prefers_literal,
    };
  }
  return true;
}
