/*
 * Threads that free and allocate in the pools of zbud.c, each with a spin lock: the C side of bench/threads.ts.
 *
 *   cc -O2 -DLOCKED -o zbud-threads zbud-threads.c -pthread
 *   ./zbud-threads own|split LIVE OPERATIONS SEED THREADS POOLS
 *
 * Each thread keeps LIVE objects and does OPERATIONS steps a round: free one, allocate one. `own`: in a pool of
 * its own. `split`: in the one of POOLS common pools that the hash of the object's key says. Prints
 * "OPERATIONS NANOSECONDS": the steps of all threads in a round, and the fastest of ROUNDS rounds.
 */
#define main zbud_main
#include "zbud.c"
#undef main
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#define ROUNDS 11
#define THREADS_MAX 16
#define POOLS_MAX 64

/* On lines of their own, as our pools are. */
static struct {
	_Alignas(128) struct pool pool;
} pools[POOLS_MAX];

struct worker {
	pthread_t thread;
	size_t number, count, operations, first, mask;
	handle *live;
	uint32_t *places, *sizes, *fill_sizes;
	uint64_t begun, ended;
	int failed;
};

static pthread_barrier_t barrier;

static struct pool *pool_for(const struct worker *worker, uint32_t key)
{
	return &pools[worker->first + (((key * 0x9e3779b1u) >> 16) & worker->mask)].pool;
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	cpu_set_t core;

	/* Each on a core of its own from the start: rounds are too short for the system to find that out. */
	CPU_ZERO(&core);
	CPU_SET(worker->number % (size_t)sysconf(_SC_NPROCESSORS_ONLN), &core);
	pthread_setaffinity_np(pthread_self(), sizeof core, &core);
	for (size_t i = 0; i < worker->count; i++)
		worker->live[i] = pool_alloc(pool_for(worker, (uint32_t)i), worker->fill_sizes[i]);
	for (int round = 0; round < ROUNDS; round++) {
		pthread_barrier_wait(&barrier);
		worker->begun = now();
		for (size_t i = 0; i < worker->operations; i++) {
			const uint32_t place = worker->places[i];
			struct pool *pool = pool_for(worker, place);

			pool_free(pool, worker->live[place]);
			worker->live[place] = pool_alloc(pool, worker->sizes[i]);
			worker->failed |= worker->live[place] == 0;
		}
		worker->ended = now();
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory) {
		perror("zbud-threads");
		exit(1);
	}
	return memory;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS_MAX];
	const int own = argc == 7 && strcmp(argv[1], "own") == 0;
	const size_t threads = argc == 7 ? strtoul(argv[5], NULL, 10) : 0;
	const size_t split = argc == 7 ? strtoul(argv[6], NULL, 10) : 0;
	const size_t used = own ? threads : split;
	uint64_t best = UINT64_MAX;
	int failed = 0;

	if (!threads || threads > THREADS_MAX || !split || split > POOLS_MAX || (split & (split - 1))) {
		fprintf(stderr, "usage: zbud-threads own|split LIVE OPERATIONS SEED THREADS POOLS\n");
		return 2;
	}
	for (size_t i = 0; i < used; i++)
		if (!pool_open(&pools[i].pool, strtoul(argv[2], NULL, 10) * threads))
			exit(1);
	pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1);
	for (size_t t = 0; t < threads; t++) {
		struct worker *worker = &workers[t];

		seed = (uint32_t)(strtoul(argv[4], NULL, 10) + t);
		worker->number = t;
		worker->count = strtoul(argv[2], NULL, 10);
		worker->operations = strtoul(argv[3], NULL, 10);
		worker->first = own ? t : 0;
		worker->mask = own ? 0 : split - 1;
		worker->live = allocate(worker->count, sizeof(handle));
		worker->places = allocate(worker->operations, sizeof(uint32_t));
		worker->sizes = allocate(worker->operations, sizeof(uint32_t));
		worker->fill_sizes = allocate(worker->count, sizeof(uint32_t));
		for (size_t i = 0; i < worker->count; i++)
			worker->fill_sizes[i] = random_size();
		for (size_t i = 0; i < worker->operations; i++) {
			worker->places[i] = random_below((uint32_t)worker->count);
			worker->sizes[i] = random_size();
		}
		pthread_create(&worker->thread, NULL, work, worker);
	}
	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begun = UINT64_MAX, ended = 0;

		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		for (size_t t = 0; t < threads; t++) {
			begun = workers[t].begun < begun ? workers[t].begun : begun;
			ended = workers[t].ended > ended ? workers[t].ended : ended;
		}
		if (ended - begun < best)
			best = ended - begun;
	}
	for (size_t t = 0; t < threads; t++) {
		pthread_join(workers[t].thread, NULL);
		failed |= workers[t].failed;
	}
	if (failed) {
		fprintf(stderr, "zbud-threads: an allocation failed\n");
		return 1;
	}
	printf("%zu %" PRIu64 "\n", threads * workers[0].operations, best);
	return 0;
}
