/* The walk over a tile: wavefront after wavefront, the same for writing, reading and measuring.

   Cache, then select: every layer runs once for every pixel; what later wavefronts need of it (samples, gates, sums
   of features) is kept in rings and selected from them. Source: docs/format.md, "Planes and order". */
#ifndef HPAC_WALK_H
#define HPAC_WALK_H

#include "collected.h"
#include "repetition.h"
#include "symbols.h"
#include "trace.h"

/* Everything that one tile needs, allocated before the walk. */
struct tile_room {
  const struct network *network;
  const struct tile *tile;
  struct memory memory;
  struct sample_ring samples, references;
  struct gate_ring gates[MAX_BLOCKS];
  size_t pixel_step; /* activations from pixel to pixel */
  /* of a whole wavefront */
  activation *first; /* of the first layer, and normalised residuals behind them */
  activation *trunk; /* the narrowed stream, and normalised residuals behind it */
  struct focus_rows focus;
  int32_t *residual[MAX_PLANES], *value[MAX_PLANES];
  struct mixture mixture;
  struct symbol_room symbols;
  struct repetition *repetition; /* or NULL */
  /* of a run of pixels */
  feature_words *features;
  activation *gated, *hidden;
  size_t hidden_step;
  int32_t *stream, *values, *parameters;
  size_t parameter_step;
  /* statistics of the tile so far */
  int64_t *sums, count;
  activation *means;
  int32_t *context[MAX_BLOCKS + 1];
  uint64_t *hashes;                 /* or NULL */
  int32_t *shifts[MAX_PLANES];      /* of edges of cells; NULL for a plane where no edge is shifted */
  struct hpac_component *collected; /* or NULL */
};

/* Take a plane's edges, if any of them is shifted. */
static int make_shifts(struct tile_room *t, int plane) {
  const int32_t values = 1 << t->tile->depth;
  const int32_t *edges = t->tile->edges + (size_t)plane * ((size_t)values + 1);
  int32_t *shifts = take(&t->memory, ((size_t)values + 1) * sizeof *shifts), any = 0;
  if (!shifts) return 0;
  for (int32_t v = 0; v <= values; v++) any |= shifts[v] = edges[v] - plain_edge(v);
  t->shifts[plane] = any ? shifts : NULL;
  return 1;
}

static int make_tile_room(struct tile_room *t, const struct network *n, const struct tile *tile) {
  const struct shape *s = &n->shape;
  struct memory *m = &t->memory;
  memset(t, 0, sizeof *t);
  t->network = n;
  t->tile = tile;
  const size_t longest = (size_t)smaller(tile->height, (tile->width + 1) / 2);
  const size_t lanes = (longest + CHUNK - 1) / CHUNK * CHUNK, width = (size_t)s->width;
  t->pixel_step = width + 64; /* heads and context read a few residuals behind the activations */
  t->hidden_step = (size_t)round_up(larger(s->expand * s->width, s->head), 64);
  t->parameter_step = (size_t)round_up(s->components * (2 + s->planes), 16);
  int ok = make_sample_ring(&t->samples, m, s->planes, tile->height);
  ok = ok && make_sample_ring(&t->references, m, tile->num_references, tile->height);
  for (int b = 0; b < s->blocks; b++) ok = ok && make_gate_ring(&t->gates[b], m, n->taps.slots, tile->height, s->width);
  ok = ok && (t->first = take(m, lanes * t->pixel_step * sizeof(activation)));
  ok = ok && (t->trunk = take(m, lanes * t->pixel_step * sizeof(activation)));
  for (int p = 0; p < s->planes; p++) {
    int32_t **rows[6] = {&t->focus.base[p],       &t->focus.level[p], &t->focus.limit[p],
                         &t->focus.reciprocal[p], &t->residual[p],    &t->value[p]};
    for (int k = 0; k < 6; k++) ok = ok && (*rows[k] = take(m, lanes * sizeof(int32_t)));
  }
  for (int p = 0; tile->edges && p < s->planes; p++) ok = ok && make_shifts(t, p);
  ok = ok && make_mixture_room(&t->mixture, m, s->components + tile->repeats, lanes) &&
       make_symbol_room(&t->symbols, m, lanes);
  if (tile->repeats) ok = ok && (t->repetition = make_repetition(m, tile, s->planes, lanes));
  ok = ok && (t->features = take(m, sizeof *t->features));
  if (ok) clear_references(s, tile->num_references, *t->features);
  ok = ok && (t->gated = take(m, CHUNK * t->pixel_step * sizeof(activation)));
  ok = ok && (t->hidden = take(m, CHUNK * t->hidden_step * sizeof(activation)));
  ok = ok && (t->stream = take(m, CHUNK * width * sizeof(int32_t)));
  ok = ok && (t->values = take(m, CHUNK * width * sizeof(int32_t)));
  ok = ok && (t->parameters = take(m, CHUNK * t->parameter_step * sizeof(int32_t)));
  if (s->context) {
    ok = ok && (t->sums = take(m, (size_t)s->context * sizeof(int64_t)));
    ok = ok && (t->means = take(m, (size_t)s->context * sizeof(activation)));
    for (int b = 0; b <= s->blocks; b++) ok = ok && (t->context[b] = take(m, width * sizeof(int32_t)));
  }
  return ok;
}

/* Means of the features so far, and what each place of the network is told of them. */
static void tell_context(struct tile_room *t) {
  const struct network *n = t->network;
  for (int e = 0; e < n->shape.context && t->count; e++) {
    const int64_t mean = ((t->sums[e] << (n->shape.context_places + 1)) + t->count) / (2 * t->count);
    t->means[e] = (activation)(mean > 127 ? 127 : mean);
  }
  const struct inputs in = {t->means, 0, WORD_BYTES};
  for (int b = 0; b <= n->shape.blocks; b++) {
    const struct outputs out = {.numbers = t->context[b]};
    set_stream(&n->context_out[b], &in, &out, 1);
  }
}

INLINE struct inputs activations_of(const activation *x, size_t step) {
  return (struct inputs){x, step * sizeof(activation), WORD_BYTES};
}

/* The network from the neighbours of a run of pixels to its narrowed stream; `at` is the run's place in the
   wavefront. */
static void run_trunk(struct tile_room *t, const struct run *run, size_t at) {
  const struct network *n = t->network;
  const struct shape *s = &n->shape;
  const size_t step = t->pixel_step, width = (size_t)s->width;
  const int pixels = run->pixels, wave = run->wave, slots = n->taps.slots;
  activation *first = t->first + at * step, *trunk = t->trunk + at * step;
  struct focus_rows focus;
  for (int p = 0; p < s->planes; p++) {
    focus.base[p] = t->focus.base[p] + at;
    focus.level[p] = t->focus.level[p] + at;
    focus.limit[p] = t->focus.limit[p] + at;
    focus.reciprocal[p] = t->focus.reciprocal[p] + at;
  }
  find_features(n, &t->samples, &t->references, t->tile, run, &focus, *t->features);

  const struct inputs features = {*t->features, WORD_BYTES, CHUNK * WORD_BYTES};
  run_relu(&n->input, &features, &(struct outputs){.y = first, .y_step = step}, pixels);
  const struct inputs from_first = activations_of(first, step), from_trunk = activations_of(trunk, step);
  struct outputs stream = {
      .y = trunk, .y_step = step, .numbers = t->stream, .number_step = width, .context = t->context[0]};
  set_stream(&n->input2, &from_first, &stream, pixels);
  uint64_t *hashes = t->hashes;
  if (hashes) {
    for (int i = 0; i < pixels; i++)
      for (int p = 0; p < s->planes; p++) {
        hash_number(&hashes[TRACE_FOCUS], focus.base[p][i]);
        hash_number(&hashes[TRACE_FOCUS], focus.level[p][i]);
      }
    hash_activations(&hashes[TRACE_INPUT], first, step, s->width, pixels, 0);
    hash_numbers(&hashes[TRACE_INPUT2], t->stream, width, s->width, pixels);
    hashes += TRACE_BLOCKS;
  }
  for (int b = 0; b < s->blocks; b++) {
    const struct block_layers *block = &n->blocks[b];
    struct outputs gate = {.words = gate_words(&t->gates[b], slots, wave, run->first),
                           .words_before = gate_words(&t->gates[b], slots, wave - 1, run->first),
                           .word_step = width};
    run_gate(&block->gate, &from_trunk, &gate, pixels);
    run_value(&block->value, &from_trunk, &(struct outputs){.numbers = t->values, .number_step = width}, pixels);
    struct gating_run gating = {
        .values = t->values, .value_step = width, .y = t->gated, .y_step = step, .pixels = pixels};
    run_gating(&block->gating, &n->taps, &t->gates[b], wave, run->first, &gating);
    const struct inputs from_gated = activations_of(t->gated, step);
    stream.context = NULL;
    add_to_stream(&block->out, &from_gated, &stream, pixels);
    if (hashes) {
      hash_gates(&hashes[TRACE_GATE], gate.words, width, s->width, pixels);
      hash_numbers(&hashes[TRACE_VALUE], t->values, width, s->width, pixels);
      hash_activations(&hashes[TRACE_GATED], t->gated, step, s->width, pixels, 1);
      hash_numbers(&hashes[TRACE_OUT], t->stream, width, s->width, pixels);
    }
    run_relu(&block->up, &from_trunk, &(struct outputs){.y = t->hidden, .y_step = t->hidden_step}, pixels);
    const struct inputs from_hidden = activations_of(t->hidden, t->hidden_step);
    stream.context = t->context[b + 1];
    add_to_stream(&block->down, &from_hidden, &stream, pixels);
    if (hashes) {
      hash_activations(&hashes[TRACE_UP], t->hidden, t->hidden_step, s->expand * s->width, pixels, 0);
      hash_numbers(&hashes[TRACE_DOWN], t->stream, width, s->width, pixels);
      hashes += TRACE_BLOCK;
    }
  }
}

/* The residuals of plane q in units of the scale of plane p, as activations behind those of each pixel. */
static void tell_residuals(const struct tile_room *t, int q, int p, const struct run *run, size_t at, activation *y) {
  row_of_lanes place;
  find_residual_places(t->residual[q] + at, t->focus.limit[p] + at, t->focus.reciprocal[p] + at, place, run->lanes);
  look_up_asinh(t->network, place, y, t->pixel_step, run->pixels);
}

/* The mixtures of one plane for a run of pixels, whose earlier planes are known. */
static void run_head(struct tile_room *t, int plane, const struct run *run, size_t at) {
  const struct network *n = t->network;
  const struct head_layers *head = &n->heads[plane];
  const size_t step = t->pixel_step;
  activation *trunk = t->trunk + at * step, *behind = trunk + n->shape.width;
  for (int q = 0; q < plane; q++) {
    tell_residuals(t, q, q, run, at, behind++);
    tell_residuals(t, q, plane, run, at, behind++);
  }
  const struct inputs from_trunk = activations_of(trunk, step);
  run_relu(&head->hidden, &from_trunk, &(struct outputs){.y = t->hidden, .y_step = t->hidden_step}, run->pixels);
  const struct inputs from_hidden = activations_of(t->hidden, t->hidden_step);
  const struct outputs out = {.numbers = t->parameters, .number_step = t->parameter_step};
  run_parameters(&head->out, &from_hidden, &out, run->pixels);
  if (t->hashes) {
    uint64_t *hashes = t->hashes + TRACE_BLOCKS + TRACE_BLOCK * n->shape.blocks + TRACE_HEAD * plane;
    hash_activations(&hashes[TRACE_HIDDEN], t->hidden, t->hidden_step, n->shape.head, run->pixels, 0);
    for (int i = 0; i < run->pixels; i++)
      for (int k = 0; k < head->out.outputs; k++)
        hash_number(&hashes[TRACE_PARAMETERS], t->parameters[(size_t)i * t->parameter_step + (size_t)k]);
  }
  struct known known = {.plane = plane,
                        .base = t->focus.base[plane] + at,
                        .level = t->focus.level[plane] + at,
                        .green = t->value[0] + at};
  for (int q = 0; q < plane; q++) known.residual[q] = t->residual[q] + at;
  find_components(n, &known, t->parameters, t->parameter_step, t->tile->depth, (int)at, run->pixels, run->lanes,
                  &t->mixture);
  if (t->repetition) join_mixture(t->repetition, n, &t->mixture, plane, run, (int)at);
  place_windows(n, &t->mixture, (int)at, run->lanes);
}

/* Add the features of a run of pixels, whose samples are known now, to the tile's statistics. */
static void sum_features(struct tile_room *t, const struct run *run, size_t at) {
  const struct network *n = t->network;
  activation *first = t->first + at * t->pixel_step;
  for (int p = 0; p < n->shape.planes; p++) tell_residuals(t, p, p, run, at, first + n->shape.width + p);
  const struct inputs in = activations_of(first, t->pixel_step);
  sum_relu(&n->context_features, &in, &(struct outputs){.sums = t->sums}, run->pixels);
  t->count += run->pixels;
}

/* Coded values of a pixel are R, G, B; planes are G, R - G, B - G. */
static const int CHANNEL_OF_PLANE[MAX_PLANES] = {1, 0, 2};

INLINE int32_t *sample_of(const struct tile_room *t, int plane, int wave, int row) {
  const int planes = t->network->shape.planes;
  const size_t pixel = (size_t)row * (size_t)t->tile->width + (size_t)(wave - 2 * row);
  return t->tile->samples + pixel * (size_t)planes + (planes == 1 ? 0 : CHANNEL_OF_PLANE[plane]);
}

static void load_samples(struct tile_room *t, int wave, int first, int pixels) {
  for (int p = 0; p < t->network->shape.planes; p++)
    for (int i = 0; i < pixels; i++) {
      const int32_t sample = *sample_of(t, p, wave, first + i);
      t->value[p][i] = p ? sample - t->value[0][i] : sample;
    }
}

static void store_samples(const struct tile_room *t, int plane, int wave, int first, int pixels) {
  for (int i = 0; i < pixels; i++)
    *sample_of(t, plane, wave, first + i) = t->value[plane][i] + (plane ? t->value[0][i] : 0);
}

/* The next run of at most CHUNK pixels of a wavefront of `pixels`. */
INLINE struct run run_at(int wave, int first, int pixels, int at) {
  const int rest = smaller(pixels - at, CHUNK);
  return (struct run){wave, first + at, rest, round_up(rest, 16)};
}

/* Keep the mixtures of one plane on a wavefront. */
static void collect_plane(const struct tile_room *t, int plane, int wave, int first, int pixels) {
  const struct tile *tile = t->tile;
  for (int i = 0; i < pixels; i++) {
    const size_t row = (size_t)plane * (size_t)tile->height + (size_t)(first + i);
    const size_t pixel = row * (size_t)tile->width + (size_t)(wave - 2 * (first + i));
    collect_mixture(t->network, &t->mixture, i, t->collected + pixel * (size_t)t->network->shape.components);
  }
}

INLINE void walk_wavefront(const enum coder_mode mode, struct tile_room *t, struct coder *coder, uint32_t *lengths,
                           int wave, int first, int pixels) {
  const struct network *n = t->network;
  const int planes = n->shape.planes;
  if (n->shape.context) tell_context(t);
  if (t->repetition) find_places(t->repetition, wave, first, pixels);
  for (int at = 0; at < pixels; at += CHUNK) {
    const struct run run = run_at(wave, first, pixels, at);
    run_trunk(t, &run, (size_t)at);
  }
  if (mode != READ) {
    load_samples(t, wave, first, pixels);
    for (int p = 0; p < planes; p++)
      for (int i = 0; i < pixels; i++) t->residual[p][i] = t->value[p][i] - t->focus.base[p][i];
  }
  for (int p = 0; p < planes; p++) {
    t->mixture.shifts = t->shifts[p];
    t->mixture.last_shift = 1 << t->tile->depth;
    for (int at = 0; at < pixels; at += CHUNK) {
      const struct run run = run_at(wave, first, pixels, at);
      run_head(t, p, &run, (size_t)at);
    }
    if (mode == MEASURE && t->collected) collect_plane(t, p, wave, first, pixels);
    else code_plane(mode, n, &t->mixture, coder, &t->symbols, pixels, t->residual[p]);
    if (coder->damaged) return;
    if (t->repetition)
      learn_repetition(t->repetition, n, &t->mixture, &t->symbols, p, wave, first, pixels, t->residual[p]);
    if (mode == READ) {
      for (int i = 0; i < pixels; i++) t->value[p][i] = t->residual[p][i] + t->focus.base[p][i];
      store_samples(t, p, wave, first, pixels);
    }
    memcpy(ring_samples(&t->samples, p, wave, first), t->value[p], (size_t)pixels * sizeof(int32_t));
  }
  if (t->repetition) remember_places(t->repetition, wave, first, pixels);
  if (mode == MEASURE)
    for (int i = 0; i < pixels; i++) {
      lengths[(size_t)(first + i) * (size_t)t->tile->width + (size_t)(wave - 2 * (first + i))] = coder->lengths[i];
      coder->lengths[i] = 0;
    }
  if (!n->shape.context) return;
  for (int at = 0; at < pixels; at += CHUNK) {
    const struct run run = run_at(wave, first, pixels, at);
    sum_features(t, &run, (size_t)at);
  }
  if (t->hashes)
    for (int e = 0; e < n->shape.context; e++) hash_number(&t->hashes[TRACE_CONTEXT_SUMS], (int32_t)t->sums[e]);
}

/* Make ready what is seen of references from a wavefront on. */
static void look_ahead(const struct tile_room *t, int wave) {
  for (int k = 0; k < t->tile->num_references; k++) fill_reference(&t->references, t->tile, k, wave + REFERENCE_AHEAD);
}

/* Returns 0 or an error. */
INLINE int64_t walk(const enum coder_mode mode, struct tile_room *t, struct coder *coder, uint32_t *lengths) {
  const int height = t->tile->height, width = t->tile->width;
  const struct shape *s = &t->network->shape;
  for (int wave = -2 * REFERENCE_AHEAD; wave < 0; wave++) look_ahead(t, wave);
  for (int wave = 0; wave < width + 2 * (height - 1); wave++) {
    look_ahead(t, wave);
    const int first = larger(0, (wave - width + 2) / 2), last = smaller(wave / 2, height - 1);
    const int pixels = last - first + 1;
    if (pixels > 0) {
      const int64_t most = (int64_t)pixels * s->planes * WORDS_PER_SAMPLE + 2;
      if (mode == WRITE && coder->room - coder->at < most) return HPAC_NO_ROOM;
      walk_wavefront(mode, t, coder, lengths, wave, first, pixels);
      if (coder->damaged) return HPAC_DAMAGED;
    }
    for (int b = 0; b < s->blocks; b++) append_outside(&t->gates[b], &t->network->taps, wave, first);
  }
  return 0;
}

static int64_t encode_tile(const struct network *n, const struct tile *tile, uint32_t *words, int64_t room) {
  struct tile_room t;
  int64_t result = HPAC_NO_MEMORY;
  if (make_tile_room(&t, n, tile)) {
    struct coder coder = start_writing(words, room);
    result = walk(WRITE, &t, &coder, NULL);
    if (!result) result = finish_writing(&coder);
  }
  give_back(&t.memory);
  return result;
}

static int64_t decode_tile(const struct network *n, const struct tile *tile, const uint32_t *words, int64_t num_words) {
  struct tile_room t;
  int64_t result = HPAC_NO_MEMORY;
  if (make_tile_room(&t, n, tile)) {
    struct coder coder = start_reading(words, num_words);
    result = walk(READ, &t, &coder, NULL);
    if (!result && !is_read_whole(&coder)) result = HPAC_DAMAGED;
  }
  give_back(&t.memory);
  return result;
}

/* Code lengths, and hashes if they are asked for; or, instead of both, mixtures. */
static int64_t measure_and_trace(const struct network *n, const struct tile *tile, uint32_t *lengths, uint64_t *hashes,
                                 struct hpac_component *collected) {
  struct tile_room t;
  int64_t result = HPAC_NO_MEMORY;
  int ok = make_tile_room(&t, n, tile);
  uint32_t *table = ok ? take(&t.memory, (sizeof *table) << LENGTH_TABLE_BITS) : NULL;
  const size_t pixels = (size_t)tile->height * (size_t)tile->width;
  uint32_t *present = ok ? take(&t.memory, (size_t)round_up(tile->height, CHUNK) * sizeof *present) : NULL;
  if (ok && !lengths) lengths = take(&t.memory, pixels * sizeof *lengths);
  if (table && present && lengths) {
    fill_log_table(table);
    struct coder coder = {.log_table = table, .lengths = present};
    t.hashes = hashes;
    t.collected = collected;
    for (int k = 0; hashes && k < num_hashes(&n->shape); k++) hashes[k] = UINT64_C(0xCBF29CE484222325);
    result = walk(MEASURE, &t, &coder, lengths);
  }
  give_back(&t.memory);
  return result;
}

static int64_t measure_tile(const struct network *n, const struct tile *tile, uint32_t *lengths) {
  return measure_and_trace(n, tile, lengths, NULL, NULL);
}

static int64_t trace_tile(const struct network *n, const struct tile *tile, uint64_t *hashes) {
  return measure_and_trace(n, tile, NULL, hashes, NULL);
}

static int64_t collect_tile(const struct network *n, const struct tile *tile, struct hpac_component *components) {
  return measure_and_trace(n, tile, NULL, NULL, components);
}

#endif
