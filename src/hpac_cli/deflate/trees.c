#include "trees.h"

enum { MOST_SYMBOLS = USED_LITLEN, MOST_NODES = 2 * MOST_SYMBOLS };

/* ---- with a heap, as zlib does: equal frequencies go by depth, lengths over the limit are mended at the end ---- */

struct heap {
  uint32_t frequency[MOST_NODES];
  uint32_t parent[MOST_NODES], bits[MOST_NODES];
  uint8_t depth[MOST_NODES];
  uint32_t nodes[MOST_NODES + 1], size; /* the least frequent first, from 1 */
  uint32_t sorted[MOST_NODES], first;   /* all taken from the heap, the last one first, from `first` */
};

static bool goes_first(const struct heap *h, uint32_t a, uint32_t b) {
  return h->frequency[a] < h->frequency[b] || (h->frequency[a] == h->frequency[b] && h->depth[a] <= h->depth[b]);
}

static void sift_down(struct heap *h, uint32_t at) {
  const uint32_t node = h->nodes[at];
  for (uint32_t child = 2 * at; child <= h->size; child *= 2) {
    if (child < h->size && goes_first(h, h->nodes[child + 1], h->nodes[child])) child++;
    if (goes_first(h, node, h->nodes[child])) break;
    h->nodes[at] = h->nodes[child];
    at = child;
  }
  h->nodes[at] = node;
}

static void shorten(struct heap *h, uint32_t *counts, uint32_t most_bits, int over, uint32_t num_leaves) {
  for (; over > 0; over -= 2) {
    uint32_t bits = most_bits - 1;
    while (!counts[bits]) bits--;
    counts[bits]--;
    counts[bits + 1] += 2;
    counts[most_bits]--;
  }
  uint32_t at = MOST_NODES;
  for (uint32_t bits = most_bits; bits; bits--)
    for (uint32_t k = counts[bits]; k;) {
      const uint32_t node = h->sorted[--at];
      if (node >= num_leaves) continue;
      h->bits[node] = bits;
      k--;
    }
}

static void build_by_heap(const uint32_t *frequencies, uint32_t count, uint32_t most_bits, uint8_t *lengths) {
  struct heap h;
  int last = -1;
  h.size = 0, h.first = MOST_NODES;
  for (uint32_t s = 0; s < count; s++) {
    h.frequency[s] = frequencies[s];
    h.depth[s] = 0;
    h.bits[s] = 0;
    if (frequencies[s]) h.nodes[++h.size] = s, last = (int)s;
  }
  while (h.size < 2) {
    const uint32_t added = last < 2 ? (uint32_t)++last : 0;
    h.nodes[++h.size] = added;
    h.frequency[added] = 1;
  }
  for (uint32_t at = h.size / 2; at; at--) sift_down(&h, at);
  uint32_t node = count;
  do {
    const uint32_t a = h.nodes[1];
    h.nodes[1] = h.nodes[h.size--];
    sift_down(&h, 1);
    const uint32_t b = h.nodes[1];
    h.sorted[--h.first] = a;
    h.sorted[--h.first] = b;
    h.frequency[node] = h.frequency[a] + h.frequency[b];
    h.depth[node] = (uint8_t)((h.depth[a] > h.depth[b] ? h.depth[a] : h.depth[b]) + 1);
    h.parent[a] = h.parent[b] = node;
    h.nodes[1] = node++;
    sift_down(&h, 1);
  } while (h.size >= 2);
  h.sorted[--h.first] = h.nodes[1];
  uint32_t counts[MAX_CODE_BITS + 1] = {0};
  int over = 0;
  h.bits[h.sorted[h.first]] = 0;
  for (uint32_t at = h.first + 1; at < MOST_NODES; at++) {
    const uint32_t each = h.sorted[at];
    uint32_t bits = h.bits[h.parent[each]] + 1;
    if (bits > most_bits) bits = most_bits, over++;
    h.bits[each] = bits;
    if (each < count) counts[bits]++;
  }
  if (over) shorten(&h, counts, most_bits, over, count);
  for (uint32_t s = 0; s < count; s++) lengths[s] = h.frequency[s] ? (uint8_t)h.bits[s] : 0;
}

/* ---- symbols sorted by frequency, then by number ---- */

static uint32_t sort_used(const uint32_t *frequencies, uint32_t count, uint16_t *order) {
  uint32_t used = 0;
  for (uint32_t s = 0; s < count; s++) {
    if (!frequencies[s]) continue;
    uint32_t at = used++;
    for (; at && frequencies[order[at - 1]] > frequencies[s]; at--) order[at] = order[at - 1];
    order[at] = (uint16_t)s;
  }
  return used;
}

/* ---- with two queues, as libdeflate does: leaves and inner nodes, the limit kept while walking down ---- */

static void build_by_queues(const uint32_t *frequencies, uint32_t count, uint32_t most_bits, uint8_t *lengths) {
  uint16_t order[MOST_SYMBOLS];
  const uint32_t used = sort_used(frequencies, count, order);
  memset(lengths, 0, count);
  if (used < 2) {
    const uint32_t symbol = used && order[0] ? order[0] : 1;
    lengths[0] = lengths[symbol] = 1;
    return;
  }
  uint32_t inner[MOST_SYMBOLS], parent[MOST_SYMBOLS], depth[MOST_SYMBOLS], leaf = 0, taken = 0, made = 0;
  const uint32_t last = used - 1;
  do {
    const uint32_t this_leaf = leaf < used ? frequencies[order[leaf]] : 0;
    if (leaf < last && (taken == made || frequencies[order[leaf + 1]] <= inner[taken])) {
      inner[made] = this_leaf + frequencies[order[leaf + 1]];
      leaf += 2;
    } else if (taken + 2 <= made && (leaf > last || inner[taken + 1] < this_leaf)) {
      inner[made] = inner[taken] + inner[taken + 1];
      parent[taken] = parent[taken + 1] = made;
      taken += 2;
    } else {
      inner[made] = this_leaf + inner[taken];
      parent[taken++] = made;
      leaf++;
    }
  } while (++made < last);
  uint32_t counts[MAX_CODE_BITS + 2] = {0};
  counts[1] = 2;
  depth[last - 1] = 0;
  for (uint32_t node = last - 1; node-- > 0;) {
    uint32_t bits = depth[parent[node]] + 1;
    depth[node] = bits;
    if (bits >= most_bits) {
      bits = most_bits;
      do bits--;
      while (!counts[bits]);
    }
    counts[bits]--;
    counts[bits + 1] += 2;
  }
  uint32_t at = 0;
  for (uint32_t bits = most_bits; bits; bits--)
    for (uint32_t k = counts[bits]; k; k--) lengths[order[at++]] = (uint8_t)bits;
}

/* ---- by package-merge: the best lengths under the limit ---- */

static void build_by_packages(const uint32_t *frequencies, uint32_t count, uint32_t most_bits, uint8_t *lengths) {
  uint16_t order[MOST_SYMBOLS];
  const uint32_t used = sort_used(frequencies, count, order);
  memset(lengths, 0, count);
  if (used < 2) {
    if (used) lengths[order[0]] = 1;
    return;
  }
  uint64_t weights[2][MOST_NODES];
  uint8_t is_leaf[MAX_CODE_BITS][MOST_NODES];
  uint32_t num_packages = 0;
  for (uint32_t level = 0; level < most_bits; level++) {
    uint64_t *now = weights[level & 1], *below = weights[~level & 1];
    uint32_t leaf = 0, package = 0, size = 0;
    while (leaf < used || package < num_packages) {
      const uint64_t paired = package < num_packages ? below[2 * package] + below[2 * package + 1] : UINT64_MAX;
      const bool takes_leaf = leaf < used && frequencies[order[leaf]] <= paired;
      is_leaf[level][size] = takes_leaf;
      if (takes_leaf) now[size++] = frequencies[order[leaf++]];
      else now[size++] = paired, package++;
    }
    num_packages = size / 2;
  }
  uint32_t take = 2 * used - 2;
  for (uint32_t level = most_bits; level-- > 0;) {
    uint32_t leaves = 0;
    for (uint32_t k = 0; k < take; k++)
      if (is_leaf[level][k]) lengths[order[leaves++]]++;
    take = 2 * (take - leaves);
  }
}

void build_tree(int builder, const uint32_t *frequencies, uint32_t count, uint32_t most_bits, uint8_t *lengths) {
  if (builder == TREE_HEAP) build_by_heap(frequencies, count, most_bits, lengths);
  else if (builder == TREE_QUEUES) build_by_queues(frequencies, count, most_bits, lengths);
  else build_by_packages(frequencies, count, most_bits, lengths);
}
