/* A stream read through once: is it whole, how large are its blocks, and how does it begin? */
#ifndef HPAC_DEFLATE_SURVEY_H
#define HPAC_DEFLATE_SURVEY_H

#include "correction.h"

enum { MOST_SURVEYED_BLOCKS = 1 << 22 };

struct survey {
  struct hpac_deflate_facts facts;
  struct block_size *sizes; /* of all blocks; those of stored ones count bytes */
  size_t capacity;
  uint32_t farthest; /* distance of a match */
};

/* HPAC_DEFLATE_OK, or what is wrong; survey_close frees what there is in any case. */
int survey_open(struct survey *s, struct source source);
void survey_close(struct survey *s);

#endif
