#include "hpac_deflate.h"

#include "search.h"

struct hpac_deflate {
  struct correction correction;
};

int hpac_deflate_survey(hpac_deflate_read *read, void *context, struct hpac_deflate_facts *facts) {
  struct survey s;
  const int result = survey_open(&s, (struct source){read, context});
  *facts = s.facts;
  survey_close(&s);
  return result;
}

int hpac_deflate_find(hpac_deflate_read *read, void *context, uint8_t *parameters) {
  const struct source source = {read, context};
  struct survey s;
  struct parameters q;
  memset(&q, 0, sizeof q);
  int result = survey_open(&s, source);
  if (!result) result = find_parameters(&s, source, &q);
  if (!result) write_parameters(&q, parameters);
  survey_close(&s);
  return result;
}

int hpac_deflate_correct(hpac_deflate_read *read, void *context, const uint8_t *parameters, uint8_t **correction,
                         size_t *correction_size) {
  const struct source source = {read, context};
  struct survey s;
  struct parameters q;
  *correction = NULL, *correction_size = 0;
  if (!read_parameters(&q, parameters)) return HPAC_DEFLATE_DAMAGED;
  struct correction *c = calloc(1, sizeof *c);
  if (!c) return HPAC_DEFLATE_NO_MEMORY;
  int result = survey_open(&s, source);
  if (!result) result = code_correction(c, &s, source, &q, 0);
  if (!result) {
    *correction = c->coder.written, *correction_size = c->coder.size;
    c->coder.written = NULL;
  }
  correction_close(c);
  survey_close(&s);
  free(c);
  return result;
}

void hpac_deflate_free_bytes(uint8_t *bytes) { free(bytes); }

struct hpac_deflate *hpac_deflate_open(const uint8_t *parameters, const uint8_t *correction, size_t correction_size,
                                       uint64_t plain_bytes, uint64_t most_bytes) {
  struct parameters q;
  if (!read_parameters(&q, parameters) || plain_bytes > MAX_PLAIN) return NULL;
  struct hpac_deflate *d = calloc(1, sizeof *d);
  if (!d) return NULL;
  if (!correction_open(&d->correction, &q, plain_bytes)) {
    hpac_deflate_close(d);
    return NULL;
  }
  coder_open_to_read(&d->correction.coder, correction, correction_size);
  emitter_open(&d->correction.emitter, most_bytes);
  return d;
}

int64_t hpac_deflate_push(struct hpac_deflate *d, const uint8_t *plain, size_t size) {
  struct correction *c = &d->correction;
  struct window *w = &c->window;
  c->emitter.size = 0;
  for (size_t done = 0;;) {
    const uint32_t room = window_room(w, c->at), count = size - done < room ? (uint32_t)(size - done) : room;
    if (count) memcpy(w->bytes + (w->end - w->start), plain + done, count);
    w->end += count;
    done += count;
    correction_walk(c);
    if (c->error) return c->error;
    if (done == size) break;
    if (w->end == w->last) return HPAC_DEFLATE_NO_ROOM;
  }
  return (int64_t)c->emitter.size;
}

const uint8_t *hpac_deflate_take(struct hpac_deflate *d) { return d->correction.emitter.bytes; }

int hpac_deflate_is_done(const struct hpac_deflate *d) { return d->correction.stage == DONE; }

void hpac_deflate_close(struct hpac_deflate *d) {
  if (!d) return;
  correction_close(&d->correction);
  free(d);
}
