/* Which writer's parameters fit a stream? */
#ifndef HPAC_DEFLATE_SEARCH_H
#define HPAC_DEFLATE_SEARCH_H

#include "survey.h"

/* Find parameters by trying those of known writers, and by changing these step by step. */
int find_parameters(const struct survey *s, struct source source, struct parameters *q);

/* Code a stream's correction, or that of its first tokens if `most_tokens` is not 0; c is opened and filled. */
int code_correction(struct correction *c, const struct survey *s, struct source source, const struct parameters *q,
                    uint64_t most_tokens);

#endif
