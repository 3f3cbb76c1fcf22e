/* Searches of ISA-L, stb_image_write and of writers that know distance 1 alone. */
#ifndef HPAC_DEFLATE_MATCH_OTHERS_H
#define HPAC_DEFLATE_MATCH_OTHERS_H

#include "predict.h"

static struct token predict_runs(struct predictor *m, position p) {
  const uint32_t left = m->window->last - p;
  const uint8_t *here = bytes_at(m->window, p);
  if (p > ORIGIN && left >= MIN_MATCH) {
    const uint32_t length = common_length(here - 1, here, smaller(left, MAX_MATCH));
    if (length >= MIN_MATCH) return match_of(length, 1);
  }
  return literal(*here);
}

/* ---- ISA-L, levels 0 to 2: the latest position of a hash, for two positions at once. Source: igzip_base.c ---- */

static uint32_t try_latest(struct predictor *m, position p, uint32_t *distance) {
  uint32_t *head = &m->chains.heads[hash_of(&m->chains, bytes_at(m->window, p))];
  *distance = ((p - 1 - (*head ? *head : ORIGIN)) & (MAX_DISTANCE - 1)) + 1;
  *head = p;
  if (*distance > p - ORIGIN) return 0;
  const uint8_t *here = bytes_at(m->window, p);
  return common_length(here - *distance, here, smaller(m->window->last - p, MAX_MATCH));
}

static struct token predict_pairs(struct predictor *m, position p) {
  const struct window *w = m->window;
  if (m->second_of_pair && m->found_at == p)
    return m->found_length > 1 ? match_of(m->found_length, m->found_distance) : literal(*bytes_at(w, p));
  m->second_of_pair = false;
  if (w->last - p < 12) return literal(*bytes_at(w, p));
  uint32_t distance, next_distance;
  const uint32_t length = try_latest(m, p, &distance);
  const uint32_t next_length = try_latest(m, p + 1, &next_distance);
  m->second_of_pair = true;
  m->found_at = p + 1;
  m->found_length = next_length >= 4 ? next_length : 1, m->found_distance = next_distance;
  return length >= 8 || (length >= 4 && next_length < 8) ? match_of(length, distance) : literal(*bytes_at(w, p));
}

static void note_pairs(struct predictor *m, position p, struct token t) {
  const bool second = m->second_of_pair && m->found_at == p;
  if (is_literal(t)) {
    if (second) m->second_of_pair = false;
    return;
  }
  m->second_of_pair = false;
  for (position each = p + (second ? 1 : 2); each <= p + 3; each++)
    if (m->window->last - p >= each - p + 4) m->chains.heads[hash_of(&m->chains, bytes_at(m->window, each))] = each;
}

/* ---- stb_image_write, quality = chain: for each hash a list of the latest positions ---- */

enum { BUCKET_BITS = 14 };

static uint32_t hash_bucket(const uint8_t *b) {
  uint32_t h = load24(b);
  h ^= h << 3, h += h >> 5, h ^= h << 4, h += h >> 17, h ^= h << 25, h += h >> 6;
  return h & ((1u << BUCKET_BITS) - 1);
}

static struct token predict_buckets(struct predictor *m, position p) {
  const struct window *w = m->window;
  const uint8_t *here = bytes_at(w, p);
  const uint32_t left = w->last - p, quality = m->q.chain;
  if (left <= 3) return literal(*here);
  const uint32_t hash = hash_bucket(here), next_hash = hash_bucket(here + 1);
  uint32_t *bucket = m->buckets + (size_t)hash * 2 * quality, best = 3, distance = 0;
  uint8_t *size = &m->bucket_sizes[hash];
  for (uint32_t k = 0; k < *size; k++) {
    const uint32_t far = p - bucket[k];
    if (far >= MAX_DISTANCE) continue;
    const uint32_t length = common_length(here - far, here, smaller(left, MAX_MATCH));
    if (length >= best) best = length, distance = far;
  }
  if (*size == 2 * quality) {
    memmove(bucket, bucket + quality, quality * sizeof *bucket);
    *size = (uint8_t)quality;
  }
  bucket[(*size)++] = p;
  if (!distance) return literal(*here);
  bucket = m->buckets + (size_t)next_hash * 2 * quality;
  for (uint32_t k = 0; k < m->bucket_sizes[next_hash]; k++) {
    const uint32_t far = p + 1 - bucket[k];
    if (far >= MAX_DISTANCE || !far) continue;
    if (common_length(here + 1 - far, here + 1, smaller(left - 1, MAX_MATCH)) > best) return literal(*here);
  }
  return match_of(best, distance);
}

#endif
