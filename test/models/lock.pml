/*
 * The lock of a shared pool: `ThreadLock` of src/base/lock.ts with `ThreadRegistry` of src/base/thread-registry.ts, and what
 * `LockedAllocator` does with them. One step here is one atomic operation or one store there.
 *
 *   here                 there
 *   word                 the lock's word: 0, name << 1, name << 1 | SLEEPER
 *   taken[member]          word 0 of a place: 1 + the thread that has it, or 0
 *   name                 what a thread leaves in the word: its member, place and turn, so never used again
 *   IS_GONE              ThreadRegistry.isGone. One step, though it is several loads there: for a name that is never
 *                        used again, "gone" stays true once it is true
 *   half                 the page table is half changed: what alloc, free and repairTable do
 *   asleep               who is in Atomics.wait. The engine wakes the one that slept longest, this one any,
 *                        even one that is dead by now
 *   Killer               stops up to DEATHS threads for ever, each between any two steps
 *
 * Checked: at most one living thread inside; nobody alive inside while the table is half changed; no end but
 * with every thread through (spin's "invalid end states"), without timeouts where nobody dies and with them
 * where somebody does; and with -DLIVENESS that this end comes, if no thread is held up for ever.
 *
 * The macros PLANT_... each put a mistake in, which spin must find; models.test.ts names them.
 */
#ifndef THREADS
#define THREADS 3 /* there from the start; one newcomer more with -DNEWCOMER */
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* how often each thread takes the lock */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define SLEEPER 1
#define BIT(i) (1 << (i))
#define IS_DEAD(thread) ((gone & BIT(thread)) != 0)

byte word;
byte taken[THREADS + 1]; /* by member, from 1 on */
byte memberOf[THREADS + 1];
byte gone;   /* threads that stopped for ever, or ended */
byte asleep;
byte inside; /* threads between acquire and release */
bool half;
byte entered; /* these two only for what is checked at the end */
byte ended;

#ifdef PLANT_SEAT_REUSED /* The word names a member alone: a new thread may sit there when it is compared. */
#define NAME memberOf[me]
#define IS_GONE(name) (taken[name] == 0 || IS_DEAD(taken[name] - 1))
#else
#define NAME (me + 1)
#define IS_GONE(name) (taken[memberOf[(name) - 1]] != (name) || IS_DEAD((name) - 1))
#endif
#define MINE (NAME << 1)

/* Atomics.compareExchange and what follows if it succeeds; if not, the process goes on behind it. */
#define IF_EXCHANGED(from, to, then) atomic { if :: word == (from) -> word = (to); then :: else fi }

/* Atomics.notify(words, at, 1) */
inline wakeOne() {
  atomic {
    if
    :: asleep == 0
    :: asleep & BIT(0) -> asleep = asleep & ~BIT(0)
    :: asleep & BIT(1) -> asleep = asleep & ~BIT(1)
    :: asleep & BIT(2) -> asleep = asleep & ~BIT(2)
    :: asleep & BIT(3) -> asleep = asleep & ~BIT(3)
    fi
  }
}

/* LockedAllocator.#repair. One of the registry of dead threads is given back, or none: which is left open. */
inline repair() {
  d_step {
    assert((inside & ~gone & ~BIT(me)) == 0);
    inside = inside | BIT(me);
    half = true
  };
  if
  :: member = 1
  :: member = 2
  :: member = 3
  :: member = 0
  fi;
  was = taken[member]; /* taken[0] is 0: nobody's */
  if
  :: was != 0 && was != me + 1 && IS_DEAD(was - 1)
  :: else -> was = 0
  fi;
  half = false;
  if
  :: was == 0
#ifdef PLANT_LEAVE_UNSEEN /* The thread that was seen dead had given the member back, and a new one has it. */
  :: else -> taken[member] = 0
#else
  :: else -> atomic { if :: taken[member] == was -> taken[member] = 0 :: else fi }
#endif
  fi;
  d_step { was = 0; member = 0 }
}

proctype Thread(byte me) {
  byte held;
  byte round;
  byte member;
  byte was;
  {
    if
    :: me < THREADS
    :: else ->
end_newcomer: /* there may never be a free member */
      atomic { /* ThreadRegistry.enter */
        if
        :: taken[1] == 0 -> memberOf[me] = 1
        :: taken[2] == 0 -> memberOf[me] = 2
        :: taken[3] == 0 -> memberOf[me] = 3
        fi;
        taken[memberOf[me]] = me + 1;
        entered = entered | BIT(me)
      }
    fi;
    do
    :: round == ROUNDS -> break
    :: else ->
      IF_EXCHANGED(0, MINE, goto got); /* acquire; a spin is the same step, taken later */
wait: held = word;
      if
      :: held == 0 ->
#ifdef PLANT_NO_SLEEPER_AFTER_WAKE
        IF_EXCHANGED(0, MINE, goto got);
#else
        IF_EXCHANGED(0, MINE | SLEEPER, goto got);
#endif
        goto wait
      :: else
      fi;
#ifndef PLANT_NO_SLEEPER_MARKED
      if
      :: held & SLEEPER
      :: else -> atomic {
          if
          :: word == held -> word = held | SLEEPER; held = held | SLEEPER
          :: else -> goto wait
          fi
        }
      fi;
#endif
#ifdef PLANT_SLEEP_UNSEEN /* Sleeps without a look at the word. */
      asleep = asleep | BIT(me);
#else
      atomic { if :: word == held -> asleep = asleep | BIT(me) :: else -> goto wait fi };
#endif
      if
      :: !(asleep & BIT(me)) -> goto wait /* "ok" */
#ifdef TIMEOUTS
      :: atomic { asleep & BIT(me) -> asleep = asleep & ~BIT(me) } /* "timed-out" */
#endif
      fi;
      /* #takesFromDead */
#if defined(PLANT_NEVER_TAKEN)
      goto wait;
#elif !defined(PLANT_TAKE_FROM_LIVING)
      if :: IS_GONE(held >> 1) :: else -> goto wait fi;
#endif
#if defined(PLANT_TAKE_UNSEEN) /* Two take it from the same dead thread. */
      word = MINE | SLEEPER;
#elif defined(PLANT_FREED_BEFORE_REPAIR)
      atomic { if :: word == held -> word = 0 :: else -> goto wait fi };
#else
      atomic { if :: word == held -> word = MINE | SLEEPER :: else -> goto wait fi };
#endif
#ifndef PLANT_NO_REPAIR
      repair();
#endif
#ifdef PLANT_FREED_BEFORE_REPAIR
      inside = inside & ~BIT(me);
      goto wait;
#endif

got:  assert(!half);
      d_step {
        assert((inside & ~gone & ~BIT(me)) == 0);
        assert(taken[memberOf[me]] == me + 1); /* a living thread keeps its member */
        inside = inside | BIT(me);
        half = true;
        held = 0
      };
      d_step {
        assert((inside & ~gone & ~BIT(me)) == 0);
        half = false;
        inside = inside & ~BIT(me)
      };
      /* release */
#ifdef PLANT_RELEASE_UNSEEN /* Frees the word without a look at SLEEPER. */
      word = 0;
#else
      atomic { held = word; word = 0 };
      if
      :: held == MINE
      :: else -> wakeOne()
      fi;
#endif
      d_step { held = 0; round++ }
    od;
    taken[memberOf[me]] = 0; /* LockedAllocator.close: ThreadRegistry.leave, without the lock */
    gone = gone | BIT(me)
  } unless { IS_DEAD(me) };
  ended = ended | BIT(me)
}

/* The threads are alike, so it does not matter which of them die. */
proctype Killer() {
  byte deaths;
  do
  :: deaths < DEATHS -> d_step { gone = gone | BIT(deaths); deaths++ }
  :: break
  od
}

init {
  byte i;
  atomic {
    for (i : 0 .. THREADS - 1) {
      memberOf[i] = i + 1;
      taken[i + 1] = i + 1;
      entered = entered | BIT(i);
      run Thread(i)
    }
    i = 0;
#ifdef NEWCOMER
    run Thread(THREADS);
#endif
    run Killer()
  }
}

#ifdef LIVENESS
ltl everybody_ends { <> [] ((entered & ~ended) == 0) }
#endif
