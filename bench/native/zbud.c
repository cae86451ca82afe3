/*
 * The zbud algorithm as a kernel would keep it: each page's header in the page itself, lists threaded through
 * the headers. Written from the project's own specification, for comparison with the TypeScript pool.
 *
 *     cc -O2 -o zbud zbud.c && ./zbud churn 1000 1000000 1
 *
 * With -DLOCKED each operation holds a spin lock, as a pool that threads share needs it.
 *
 * Prints "CHECKSUM NANOSECONDS": where every object lies at the end, and the time of the operations alone.
 * Random numbers, sizes and the order of operations are those of ../allocator.ts.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define PAGE_SIZE 4096u
#define CHUNKS 64u
#define CHUNK_SIZE (PAGE_SIZE / CHUNKS)
#define OBJECT_BYTES_MAX (PAGE_SIZE - 2 * CHUNK_SIZE)
/* Small pools are filled and reclaimed again until so many objects were evicted. */
#define RECLAIM_OBJECTS 200000u

struct link {
	struct link *next, *prev;
};

/* Chunk 0 of every page. */
struct page {
	struct link list;
	struct link lru;
	uint32_t first_chunks, last_chunks;
	bool under_reclaim;
};

typedef uintptr_t handle; /* the object's address; 0 is none */

struct pool {
#ifdef LOCKED
	atomic_flag lock;
#endif
	struct link unbuddied[CHUNKS];
	struct link buddied;
	struct link lru;
	char *memory;
	size_t pages_taken, pages_max;
	struct page *free_pages; /* threaded through list.next */
	size_t page_count;
	bool (*evict)(struct pool *, handle);
};

static void lock(struct pool *pool)
{
#ifdef LOCKED
	while (atomic_flag_test_and_set_explicit(&pool->lock, memory_order_acquire))
		;
#else
	(void)pool;
#endif
}

static void unlock(struct pool *pool)
{
#ifdef LOCKED
	atomic_flag_clear_explicit(&pool->lock, memory_order_release);
#else
	(void)pool;
#endif
}

static void link_init(struct link *head)
{
	head->next = head->prev = head;
}

static bool link_empty(const struct link *head)
{
	return head->next == head;
}

static void link_add(struct link *link, struct link *head)
{
	link->next = head->next;
	link->prev = head;
	head->next->prev = link;
	head->next = link;
}

static void link_remove(struct link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
}

#define page_of_list(link) ((struct page *)(void *)(link))
#define page_of_lru(link) ((struct page *)(void *)((char *)(link) - offsetof(struct page, lru)))
#define page_of_handle(h) ((struct page *)((h) & ~(handle)(PAGE_SIZE - 1)))

static unsigned free_chunks(const struct page *page)
{
	return CHUNKS - 1 - page->first_chunks - page->last_chunks;
}

static struct link *list_for(struct pool *pool, struct page *page)
{
	return page->first_chunks && page->last_chunks ? &pool->buddied : &pool->unbuddied[free_chunks(page)];
}

static struct page *take_page(struct pool *pool)
{
	struct page *page = pool->free_pages;

	if (page) {
		pool->free_pages = page_of_list(page->list.next);
	} else {
		if (pool->pages_taken == pool->pages_max)
			return NULL;
		page = (struct page *)(pool->memory + PAGE_SIZE * pool->pages_taken++);
	}
	page->first_chunks = page->last_chunks = 0;
	page->under_reclaim = false;
	link_init(&page->lru);
	pool->page_count++;
	return page;
}

static void release_page(struct pool *pool, struct page *page)
{
	page->list.next = (struct link *)pool->free_pages;
	pool->free_pages = page;
	pool->page_count--;
}

/* Out of line, as the entry points of a library are. */
__attribute__((noinline)) static handle pool_alloc(struct pool *pool, uint32_t size)
{
	struct page *page = NULL;
	uint32_t chunks;
	bool last = false;

	if (size == 0 || size > OBJECT_BYTES_MAX)
		return 0;
	chunks = (size + CHUNK_SIZE - 1) / CHUNK_SIZE;
	lock(pool);
	for (unsigned i = chunks; i < CHUNKS - 1; i++) {
		if (!link_empty(&pool->unbuddied[i])) {
			page = page_of_list(pool->unbuddied[i].next);
			break;
		}
	}
	if (page) {
		link_remove(&page->list);
		last = page->first_chunks != 0;
	} else {
		page = take_page(pool);
		if (!page) {
			unlock(pool);
			return 0;
		}
	}
	if (last)
		page->last_chunks = chunks;
	else
		page->first_chunks = chunks;
	link_add(&page->list, list_for(pool, page));
	link_remove(&page->lru);
	link_add(&page->lru, &pool->lru);
	unlock(pool);
	return (handle)page + (last ? PAGE_SIZE - chunks * CHUNK_SIZE : CHUNK_SIZE);
}

__attribute__((noinline)) static void pool_free(struct pool *pool, handle h)
{
	struct page *page = page_of_handle(h);

	lock(pool);
	if ((h & (PAGE_SIZE - 1)) == CHUNK_SIZE)
		page->first_chunks = 0;
	else
		page->last_chunks = 0;
	if (!page->under_reclaim) {
		link_remove(&page->list);
		if (page->first_chunks == 0 && page->last_chunks == 0) {
			link_remove(&page->lru);
			release_page(pool, page);
		} else {
			link_add(&page->list, list_for(pool, page));
		}
	}
	unlock(pool);
}

__attribute__((noinline)) static bool pool_reclaim_page(struct pool *pool, unsigned retries)
{
	if (!pool->evict || link_empty(&pool->lru) || retries == 0)
		return false;
	while (retries--) {
		struct page *page = page_of_lru(pool->lru.prev);
		bool evicted = true;

		lock(pool);
		link_remove(&page->lru);
		link_remove(&page->list);
		page->under_reclaim = true;
		unlock(pool);
		if (page->first_chunks)
			evicted = pool->evict(pool, (handle)page + CHUNK_SIZE);
		if (evicted && page->last_chunks)
			pool->evict(pool, (handle)page + PAGE_SIZE - page->last_chunks * CHUNK_SIZE);
		lock(pool);
		page->under_reclaim = false;
		if (page->first_chunks == 0 && page->last_chunks == 0) {
			release_page(pool, page);
			unlock(pool);
			return true;
		}
		link_add(&page->list, list_for(pool, page));
		link_add(&page->lru, &pool->lru);
		unlock(pool);
	}
	return false;
}

static bool evict_all(struct pool *pool, handle h)
{
	pool_free(pool, h);
	return true;
}

static bool pool_open(struct pool *pool, size_t pages_max)
{
	for (unsigned i = 0; i < CHUNKS; i++)
		link_init(&pool->unbuddied[i]);
	link_init(&pool->buddied);
	link_init(&pool->lru);
	pool->evict = evict_all;
	pool->pages_max = pages_max;
	pool->memory = mmap(NULL, pages_max * PAGE_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return pool->memory != MAP_FAILED;
}

static uint32_t seed;

static uint32_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed;
}

static uint32_t random_below(uint32_t bound)
{
	return (uint32_t)(((uint64_t)next_random() * bound) >> 32);
}

/* Sizes as LZ4 leaves 4 KiB pages of a Node heap: straight lines between p0, p10, p50, p90 and p100. */
static uint32_t random_size(void)
{
	static const uint32_t rank[] = {0, 100, 500, 900, 1000};
	static const uint32_t size[] = {64, 1027, 1420, 2605, 3968};
	uint32_t r = random_below(1000);
	int i = 0;

	while (r >= rank[i + 1])
		i++;
	return size[i] + (r - rank[i]) * (size[i + 1] - size[i]) / (rank[i + 1] - rank[i]);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static handle *live;
static uint32_t *places, *sizes, *fill_sizes;

static void fill(struct pool *pool, size_t count)
{
	for (size_t i = 0; i < count; i++)
		live[i] = pool_alloc(pool, fill_sizes[i]);
}

static void churn(struct pool *pool, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		uint32_t place = places[i];

		pool_free(pool, live[place]);
		live[place] = pool_alloc(pool, sizes[i]);
	}
}

int main(int argc, char **argv)
{
	static struct pool pool;
	size_t count, operations, pages = 0;
	uint32_t checksum = 0;
	uint64_t start, elapsed;

	if (argc != 5) {
		fprintf(stderr, "usage: zbud fill|churn|reclaim LIVE OPERATIONS SEED\n");
		return 2;
	}
	count = strtoul(argv[2], NULL, 10);
	operations = strtoul(argv[3], NULL, 10);
	seed = (uint32_t)strtoul(argv[4], NULL, 10);
	live = calloc(count, sizeof *live);
	places = calloc(2 * operations + 1, sizeof *places);
	sizes = calloc(2 * operations + 1, sizeof *sizes);
	fill_sizes = calloc(count, sizeof *fill_sizes);
	if (!pool_open(&pool, count) || !live || !places || !sizes || !fill_sizes) {
		perror("zbud");
		return 1;
	}
	for (size_t i = 0; i < count; i++)
		fill_sizes[i] = random_size();
	fill(&pool, count); /* untimed, so that the system has given the memory */

	if (strcmp(argv[1], "fill") == 0) {
		for (size_t i = 0; i < count; i++)
			pool_free(&pool, live[i]);
		start = now();
		fill(&pool, count);
		elapsed = now() - start;
	} else {
		for (size_t i = 0; i < 2 * operations; i++) {
			places[i] = random_below((uint32_t)count);
			sizes[i] = random_size();
		}
		churn(&pool, 0, operations); /* untimed: as many operations as are timed after them */
		if (strcmp(argv[1], "churn") == 0) {
			start = now();
			churn(&pool, operations, 2 * operations);
			elapsed = now() - start;
		} else {
			elapsed = 0;
			for (size_t cycle = 0; cycle == 0 || cycle * count < RECLAIM_OBJECTS; cycle++) {
				if (cycle > 0) {
					fill(&pool, count);
					churn(&pool, 0, count);
				}
				start = now();
				while (pool_reclaim_page(&pool, 8))
					pages++;
				elapsed += now() - start;
			}
		}
	}
	for (size_t i = 0; i < count && !pages; i++)
		checksum = checksum * 31 + (uint32_t)(live[i] & (PAGE_SIZE - 1));
	checksum = checksum * 31 + (uint32_t)(pages ? pages : pool.page_count);
	printf("%" PRIu32 " %" PRIu64 "\n", checksum, elapsed);
	return 0;
}
