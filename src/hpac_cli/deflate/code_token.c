#include "correction.h"

/* Lengths that behave alike, 0 to 8. */
static uint32_t length_class(uint32_t length) {
  return length < 2     ? 0
         : length < 4   ? 1
         : length < 5   ? 2
         : length < 7   ? 3
         : length < 11  ? 4
         : length < 21  ? 5
         : length < 58  ? 6
         : length < 258 ? 7
                        : 8;
}

static uint32_t distance_class(struct token t) { return is_literal(t) || !t.distance ? 0 : log2_floor(t.distance); }

/* What a token's coding depends on. */
struct surroundings {
  uint32_t length, class, distance, margin, second_margin, agrees, byte, next;
};

static struct surroundings look_around(const struct correction *c, position p, struct token predicted,
                                       const struct hint *hint) {
  const struct window *w = &c->window;
  struct surroundings s = {.length = predicted.length,
                           .class = length_class(predicted.length),
                           .distance = distance_class(predicted),
                           .byte = *bytes_at(w, p),
                           .next = p + 1 < w->last ? *bytes_at(w, p + 1) : 0u};
  if (hint) {
    s.margin = hint->margin + 1u, s.second_margin = hint->second_margin + 1u;
    const bool same_distance = !is_literal(predicted) && hint->match.distance == predicted.distance;
    s.agrees = (hint->match.length == predicted.length ? 1u : 0u) | (same_distance ? 2u : 0u) |
               (hint->prefers_literal ? 4u : 0u);
  }
  return s;
}

static bool code_flag(struct correction *c, bool as_predicted, const struct surroundings *s, const struct hint *hint) {
  const uint32_t misses = c->recent.misses, class = s->class;
  const uint32_t cheap_length = hint ? length_class(hint->match.length) : 0;
  const uint32_t cheap_distance = hint ? distance_class(hint->match) : 0;
  const uint32_t contexts[8] = {
      1 | class << 8 | (misses & 63) << 12,
      1u << 16 | class | s->distance << 4 | (misses & 7) << 8 | s->agrees << 12,
      2u << 16 | class | s->byte << 4,
      3u << 18 | class | s->margin << 4 | cheap_distance << 10 | s->agrees << 14,
      4u << 16 | c->recent.literals | class << 4 | (misses & 15) << 8,
      5u << 17 | s->length | s->distance << 9 | s->agrees << 13,
      (6u << 28) ^ (s->length | s->byte << 9 | (s->next >> 3) << 17),
      (7u << 21 | s->margin | cheap_length << 6 | class << 10 | (misses & 3) << 14 | s->agrees << 16) +
          s->second_margin * 0x9E3779u,
  };
  return code_mixed(&c->coder, as_predicted, &c->mixers->as_predicted, contexts, 8, class * 64 + s->margin);
}

static bool code_is_literal(struct correction *c, bool it_is, const struct surroundings *s) {
  const uint32_t contexts[5] = {
      s->class,
      1u << 12 | s->class | s->distance << 4,
      2u << 12 | s->class | (c->recent.misses & 15) << 4,
      3u << 12 | s->margin | s->class << 6,
      4u << 12 | s->byte,
  };
  return code_mixed(&c->coder, it_is, &c->mixers->is_literal, contexts, 5, s->class);
}

/* A match by its length, told from the longest one there is, and its rank among the matches of that length. */
static bool code_match(struct correction *c, position p, struct token predicted, const struct surroundings *s,
                       struct token *t) {
  struct coder *coder = &c->coder;
  struct models *m = &c->models;
  const struct window *w = &c->window;
  const uint32_t most = smaller(w->last - p, MAX_MATCH);
  if (most < MIN_MATCH || !nearby_reach(&c->nearby, w, p, p)) return false;
  const uint32_t longest = longest_nearby(&c->nearby, w, p), set = smaller(longest, 15);
  uint32_t length = span_of(*t);
  if (!is_literal(predicted) && code_bit(coder, length == predicted.length, &m->same_token_length[s->class])) {
    length = predicted.length;
  } else if (code_bit(coder, length == longest, &m->is_longest[set])) {
    length = longest;
  } else if (!code_bit(coder, length < longest, &m->is_longer)) {
    length = longest + 1 + code_number(coder, length - longest - 1, &m->longer_by);
  } else {
    const uint32_t shorter = code_number(coder, longest - 1 - length, &m->shorter_by[smaller(longest, 19)]);
    if (shorter >= longest) return false;
    length = longest - 1 - shorter;
  }
  if (length < MIN_MATCH || length > most) return false;
  uint32_t rank = coder->decodes ? 0 : rank_of(&c->nearby, w, p, length, t->distance), distance;
  rank = code_number(coder, rank, &m->rank[smaller(length, 12)]);
  if (rank < MOST_CANDIDATES) distance = distance_of(&c->nearby, w, p, length, rank);
  else distance = 1 + code_plain(coder, t->distance - 1u, 15);
  if (!distance || distance > p - ORIGIN) return false;
  if (coder->decodes) *t = match_of(length, distance);
  return true;
}

static bool code_other(struct correction *c, position p, struct token predicted, const struct hint *hint,
                       const struct surroundings *s, struct token *t) {
  struct coder *coder = &c->coder;
  struct models *m = &c->models;
  const struct token known = match_of(span_of(*t), t->distance);
  if (!is_literal(predicted) && code_is_literal(c, is_literal(*t), s)) {
    *t = literal(*bytes_at(&c->window, p));
    return true;
  }
  if (is_literal(predicted) && hint && hint->match.length &&
      code_bit(coder, same_token(known, hint->match), &m->takes_match[smaller(s->margin, 3)])) {
    if (coder->decodes) *t = hint->match;
    return true;
  }
  if (hint && hint->second.length &&
      code_bit(coder, same_token(known, hint->second), &m->takes_second[smaller(s->second_margin, 7)])) {
    if (coder->decodes) *t = hint->second;
    return true;
  }
  return code_match(c, p, predicted, s, t);
}

bool code_token(struct correction *c, position p, struct token predicted, const struct hint *hint, struct token *t) {
  const struct surroundings s = look_around(c, p, predicted, hint);
  struct recent *recent = &c->recent;
  const bool hit = code_flag(c, same_token(match_of(span_of(*t), t->distance), predicted), &s, hint);
  recent->misses = recent->misses << 1 | !hit;
  if (hit) {
    if (c->coder.decodes) *t = predicted;
  } else if (!code_other(c, p, predicted, hint, &s, t)) {
    return false;
  }
  if (span_of(*t) == MAX_MATCH)
    t->length = code_bit(&c->coder, t->length == MAX_MATCH, &c->models.not_long) ? MAX_MATCH : LONG_MATCH;
  recent->literals = is_literal(*t) ? smaller(recent->literals + 1, 15) : 0;
  return true;
}
