#include "survey.h"

enum { BATCH = 4096 };

static bool size_tokens(struct parser *p, struct token *tokens, struct block_size *size, uint32_t *farthest) {
  for (bool ends = false; !ends;) {
    uint32_t count, span;
    if (!parse_tokens(p, tokens, BATCH, UINT32_MAX, &count, &span, &ends) || p->num_plain > MAX_PLAIN) return false;
    size->count += count, size->span += span;
    for (uint32_t k = 0; k < count; k++)
      if (!is_literal(tokens[k]) && tokens[k].distance > *farthest) *farthest = tokens[k].distance;
  }
  return true;
}

static int survey_blocks(struct survey *s, struct parser *p, struct token *tokens) {
  do {
    struct block_size size = {0, 0};
    if (s->facts.num_blocks == MOST_SURVEYED_BLOCKS) return HPAC_DEFLATE_NOT_WORTH;
    if (!reserve(&s->sizes, &s->capacity, (size_t)s->facts.num_blocks + 1, sizeof *s->sizes))
      return HPAC_DEFLATE_NO_MEMORY;
    if (!parse_block(p)) return HPAC_DEFLATE_DAMAGED;
    if (p->block.type == STORED) {
      size.count = size.span = p->block.stored_length;
      if (!parse_stored(p, size.span)) return HPAC_DEFLATE_DAMAGED;
    } else if (!size_tokens(p, tokens, &size, &s->farthest)) {
      return p->num_plain > MAX_PLAIN ? HPAC_DEFLATE_NOT_WORTH : HPAC_DEFLATE_DAMAGED;
    } else {
      s->facts.num_tokens += size.count;
    }
    s->sizes[s->facts.num_blocks++] = size;
  } while (!p->block.final);
  return p->num_plain > MAX_PLAIN ? HPAC_DEFLATE_NOT_WORTH : HPAC_DEFLATE_OK;
}

int survey_open(struct survey *s, struct source source) {
  memset(s, 0, sizeof *s);
  struct parser *p = malloc(sizeof *p);
  struct token *tokens = malloc(BATCH * sizeof *tokens);
  int result = HPAC_DEFLATE_NO_MEMORY;
  if (p && tokens && parser_open(p, source)) {
    uint64_t used;
    uint8_t padding;
    result = survey_blocks(s, p, tokens);
    if (!result && !parse_end(p, &padding, &used)) result = HPAC_DEFLATE_DAMAGED;
    if (!result) s->facts.stream_bytes = used, s->facts.plain_bytes = p->num_plain;
    parser_close(p);
  }
  free(p);
  free(tokens);
  return result;
}

void survey_close(struct survey *s) { free(s->sizes); }
