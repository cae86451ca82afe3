/*
 * Joining, leaving and dying where processes share memory: `ThreadRegistry` of src/base/thread-registry.ts with the kernel's
 * locks of `Segment` (src/memory/segment.ts), and `ThreadLock` of src/base/lock.ts, which asks who is gone. One step
 * here is one atomic operation there, or one call of the system.
 *
 *   here                 there
 *   kernel[place]        who has the byte of a place locked in the file: 1 + the process, or 0. `take`, `give` and
 *                        `isTaken`; who dies loses it in the same step
 *   state[place]         word 0 of the place: turn << 2 | state
 *   a member             turn * PLACES + place
 *   lock                 the lock's word, without SLEEPER: see lock.pml for who sleeps
 *   one, two             what is changed in two steps under the lock; equal when it is whole
 *   memberOf, inside     what only the checks know: who has which member, and who is between acquire and release
 *   Killer               ends DEATHS processes, each between any two steps
 *
 * Two places for three processes. Checked: never two living processes at one place, and no member comes back; isGone
 * says of nobody who lives that it is gone, and nobody loses its place while it lives; at most one process inside, and
 * never while the change is half done; and no end but with everybody through, idle, or without a free place.
 *
 * The macros PLANT_... each put a mistake in, which spin must find; models.test.ts names them.
 */
#define PROCESSES 3
#ifndef VISITS
#define VISITS 2 /* how often each joins; one that dies counts, and with -DNEWCOMERS another one comes for it */
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define LAST_PLACE 2
#define PLACES 4 /* a power of two, as there; place 0 is nobody's, and 3 is not used */
#define VACANT 0
#define TAKEN 2
#define BIT(i) (1 << (i))
#define PLACE(member) ((member) & 3)
#define TURN(member) ((member) >> 2)
#define STATE_OF(member) ((TURN(member) << 2) | TAKEN)
#define NEXT_TURN(turn) ((((turn) + 1) << 2) | VACANT)
#define IS_FREE_FOR(process, place) (kernel[place] == 0 || kernel[place] == (process) + 1)

byte kernel[LAST_PLACE + 1];
byte state[LAST_PLACE + 1];
byte lock;
bool one;
bool two;
byte memberOf[PROCESSES]; /* 0 for who is not there, or dead */
byte inside;
byte dying;
byte nextFree[LAST_PLACE + 1]; /* turns below it were used */

#define LIVES(member) (memberOf[0] == (member) || memberOf[1] == (member) || memberOf[2] == (member))
#define SITS(process, place) (memberOf[process] != 0 && PLACE(memberOf[process]) == (place))

/* isGone, in one step: what a process that waits would find now. */
#if defined(PLANT_TURN_UNSEEN) /* Whoever has the place now counts as the one that is asked about. */
#define WOULD_BE_GONE(process, member) (IS_FREE_FOR(process, PLACE(member)))
#elif defined(PLANT_PLACE_UNSEEN) /* Nobody asks the system. */
#define WOULD_BE_GONE(process, member) (state[PLACE(member)] != STATE_OF(member))
#else
#define WOULD_BE_GONE(process, member) \
  (state[PLACE(member)] != STATE_OF(member) || IS_FREE_FOR(process, PLACE(member)))
#endif

/* ThreadRegistry.isGone, of another member */
inline isGone(member) {
  isIt = false;
#ifndef PLANT_TURN_UNSEEN
  atomic {
    isIt = (state[PLACE(member)] != STATE_OF(member));
    assert(!isIt || !LIVES(member))
  };
#endif
#ifndef PLANT_PLACE_UNSEEN
  if
  :: isIt
  :: !isIt -> atomic {
      isIt = IS_FREE_FOR(me, PLACE(member));
      assert(!isIt || !LIVES(member))
    }
  fi
#endif
}

/* #enterLocked, for `place`. It is left at `none` if there is none. */
inline enter() {
  place = 1;
  do
  :: atomic { place > LAST_PLACE -> place = 0; goto none }
  :: place <= LAST_PLACE ->
#ifdef PLANT_WORDS_BEFORE_LOCK /* The words are written before the place is locked. */
    d_step { seen = state[place]; turn = (seen & 3 -> (seen >> 2) + 1 : seen >> 2) };
    state[place] = (turn << 2) | TAKEN;
#endif
#ifdef PLANT_LOOKED_AT /* It is seen that a place is free, and then locked: between them others can do the same. */
    if
    :: kernel[place] == 0 -> kernel[place] = me + 1; break
    :: kernel[place] != 0 -> place++
    fi
#else
    atomic {
      if
      :: kernel[place] == 0 -> kernel[place] = me + 1; break
      :: kernel[place] != 0 -> place++
      fi
    }
#endif
  od;
#ifndef PLANT_WORDS_BEFORE_LOCK
  atomic {
    seen = state[place];
#ifdef PLANT_TURN_STAYS /* Who takes the place of a dead one takes its member, too. */
    turn = seen >> 2
#else
    turn = (seen & 3 -> (seen >> 2) + 1 : seen >> 2)
#endif
  };
#endif
  atomic {
    inherits = ((seen & 3) != VACANT);
    assert(!SITS(0, place) && !SITS(1, place) && !SITS(2, place));
    assert(turn >= nextFree[place]);
    state[place] = (turn << 2) | TAKEN;
    nextFree[place] = turn + 1;
    memberOf[me] = turn * PLACES + place;
    turn = 0;
    seen = 0
  }
}

/* leave, of a member that is gone */
inline leaveFor(member) {
#ifdef PLANT_LEAVE_UNSEEN /* Whoever has the place by now loses it. */
  state[PLACE(member)] = NEXT_TURN(TURN(member))
#else
  atomic {
    if
    :: state[PLACE(member)] == STATE_OF(member) -> state[PLACE(member)] = NEXT_TURN(TURN(member))
    :: else
    fi
  }
#endif
}

/* Of whoever has the lock: makes the change whole, and gives back the places of the dead. */
inline repair() {
#ifndef PLANT_NO_REPAIR
  two = one;
#endif
  /* taken(), and isGone of each */
  d_step {
    other = LAST_PLACE + 1 - place; /* of two */
    seen = state[other];
    seen = ((seen & 3) == TAKEN -> (seen >> 2) * PLACES + other : 0);
    other = 0
  };
  if
  :: seen == 0
  :: seen != 0 ->
    isGone(seen);
    if
    :: isIt -> leaveFor(seen)
    :: !isIt
    fi;
    d_step { isIt = false; seen = 0 }
  fi
}

#define MINE (memberOf[me])

/* ThreadLock.acquire */
inline acquire() {
  do
  :: atomic { lock == 0 -> lock = MINE; goInside(); break }
  :: atomic { lock != 0 -> held = lock };
    isGone(held);
    if
    :: isIt ->
      atomic {
        if
#ifdef PLANT_TAKE_UNSEEN /* Two take it from one dead process. */
        :: true -> lock = MINE; goInside()
#else
        :: lock == held -> lock = MINE; goInside()
        :: lock != held -> isIt = false
#endif
        fi;
        held = 0
      };
      if
      :: isIt -> isIt = false; repair(); break
      :: !isIt
      fi
    :: !isIt -> /* sleeps and looks again; nothing of what it would see has changed until then */
      atomic { lock != held || WOULD_BE_GONE(me, held) -> held = 0 }
    fi
  od
}

inline goInside() {
  assert(inside == 0);
  assert(state[place] == STATE_OF(MINE)); /* nobody takes a living process's place away */
  inside = BIT(me)
}

inline release() {
  atomic { lock = 0; inside = 0 }
}

proctype Process(byte me) {
  byte visits;
  byte place;
  byte turn;
  byte seen;
  byte held;
  byte other; /* only within a step */
  bool inherits;
  bool isIt;
  do
  :: visits == VISITS -> break
  :: visits < VISITS ->
    visits++;
    {
      goto join;
none: /* EBUSY; it may try again when a place is given back */
end_none:
      (kernel[1] == 0 || kernel[2] == 0);
join: enter();
#ifndef BUSY
      if
      :: true
      :: true -> /* has the place, and does nothing for ever */
end_idle:
        false
      fi;
#endif
      do
      :: acquire();
        if
        :: inherits -> repair(); inherits = false; release()
        :: !inherits -> break
        fi
      od;
      assert(one == two);
      one = !one;
      two = one;
      release();
      /* leave */
#ifdef PLANT_GIVE_FIRST /* The place is given back before its state is vacant. */
      kernel[place] = 0;
#endif
      atomic {
        if
        :: state[place] == STATE_OF(MINE) ->
#ifdef PLANT_LEFT_TURN_STAYS /* Who leaves does not raise the turn. */
          state[place] = (TURN(MINE) << 2) | VACANT
#else
          state[place] = NEXT_TURN(TURN(MINE))
#endif
        :: else
        fi;
        memberOf[me] = 0
      };
#ifndef PLANT_GIVE_FIRST
      kernel[place] = 0;
#endif
      place = 0
    } unless { dying & BIT(me) };
    d_step {
      if
      :: dying & BIT(me) ->
#ifdef NEWCOMERS
        visits--;
#endif
        dying = dying & ~BIT(me)
      :: else
      fi;
      place = 0; turn = 0; seen = 0; held = 0; inherits = false; isIt = false
    }
  od
}

#define DIES(process) \
  dying = dying | BIT(process); \
  inside = inside & ~BIT(process); \
  memberOf[process] = 0; \
  if :: kernel[1] == (process) + 1 -> kernel[1] = 0 :: else fi; \
  if :: kernel[2] == (process) + 1 -> kernel[2] = 0 :: else fi

/* The processes are alike, so it does not matter which of them die. */
proctype Killer() {
  byte deaths;
  do
  :: deaths == DEATHS -> break
  :: deaths < DEATHS -> d_step {
      if
      :: deaths == 0 -> DIES(0)
      :: deaths != 0 -> DIES(1)
      fi;
      deaths++
    }
  :: break
  od
}

init {
  byte i;
  atomic {
    for (i : 0 .. PROCESSES - 1) {
      run Process(i)
    }
    i = 0;
    run Killer()
  }
}
