/*
 * One load of a key among threads and processes: `Leases` of src/cache/leases.ts, and those who wait in
 * src/cache/other-loads.ts and src/cache/loads.ts. One key, one group of slots. One step here is one store there, or a
 * few that no other thread and no death can tell apart.
 *
 *   here                 there
 *   slotsLock            `exclusively`; as in lock.pml, who is dead loses it
 *   shardLock            the lock of the key's shard
 *   member, named, word  the columns of the slots: the member, whether it has the key, turn and state
 *   group, hasBroad      the words that a change looks at first
 *   broad                the list of members with broad leases, as bits
 *   source               the newest version of what loaders read; 0 is no value
 *   cached               the version that the cache has
 *   gone, told           who died, and of whom somebody said so who was wrong (threadGone)
 *   changed              for what is checked only: the version of the last set or delete
 *   loading              for what is checked only: who loads, and was neither overtaken nor revoked
 *
 * Each thread asks for the key once, another one changes it CHANGES times; the Killer ends up to DEATHS of them between
 * any two steps. With -DOVERTAKING a load may be too slow for who waits, with -DFAILING it may come to nothing, with
 * -DCHANGER_DIES who changes the key may die as well, with -DWRONGLY_GONE who lives may be said to be gone, and with
 * -DTIER each loader renews its lease before it reads.
 *
 * Checked: what was read before a change is not stored after it, nor given to who asks after it; who finds no
 * load of another thread in its step under the lock begins while nobody else is loading; and no end but with everybody
 * through: nobody waits for ever.
 *
 * The macros PLANT_... each put a mistake in, which spin must find; models.test.ts names them.
 */
#ifndef THREADS
#define THREADS 3 /* who ask, 2 or 3; their members as bits: */
#endif
#define ALL ((1 << THREADS) - 1)
#define CHANGER 3
#ifndef WAYS
#define WAYS 2
#endif
#ifndef CHANGES
#define CHANGES 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

#define NOWHERE 9
#define BROAD 8
#define HELD 1
#define LOADING 2
#define REVOKED 3
#define ENDED 4
#define ONE_TURN 8
#define STATE(word) ((word) & 7)
#define TURN(word) ((word) & ~7)
#define IS_HELD(word) (STATE(word) == HELD || STATE(word) == LOADING)
#define BIT(i) (1 << (i))
#define IS_DEAD(thread) ((gone & BIT(thread)) != 0)
#define SEEMS_GONE(members) (((gone | told) & (members)) != 0)
#define CAN_TAKE(lock) (lock == 0 || IS_DEAD(lock - 1))

byte slotsLock; /* 1 + the thread that holds it, or 0 */
byte shardLock;
byte member[WAYS]; /* 1 + the thread, or 0 */
bool named[WAYS];
byte word[WAYS];
bool group;
bool hasBroad;
byte broad;
byte lastStamp;
byte keyStamp;
byte source = 1;
byte cached;
byte changed;
byte loading;
byte gone;
byte told;
byte begun; /* the threads are alike, so they begin in their order */
byte ended; /* and to end who has ended makes no difference */
hidden byte vacant; /* these only within one step */
hidden byte last;
hidden byte i;
hidden byte isEmpty;

/* Parts of the first and the last step under a lock, which nobody else can tell apart from it. */
#define ACQUIRED(lock) CAN_TAKE(lock) -> lock = me + 1
#define RELEASED(lock) lock = 0

inline noLongerLoads(which) {
  if
  :: member[which] != 0 && STATE(word[which]) == LOADING -> loading = loading & ~BIT(member[which] - 1)
  :: else
  fi
}

#ifdef PLANT_HELD_NOT_REVOKED /* What nobody waits for is not revoked. */
#define IS_TO_REVOKE(it) (STATE(it) == LOADING)
#else
#define IS_TO_REVOKE(it) IS_HELD(it)
#endif

/* #revoke, of one slot */
inline revoke(which) {
  if
  :: atomic { !named[which] || !IS_TO_REVOKE(word[which]) }
  :: atomic { named[which] && IS_TO_REVOKE(word[which]) -> found = word[which] };
    do
    :: atomic { found == 0 -> break }
    :: d_step {
        found != 0 ->
        if
        :: word[which] == found -> noLongerLoads(which); word[which] = TURN(found) | REVOKED; found = 0
        :: else -> found = (TURN(word[which]) == TURN(found) && IS_TO_REVOKE(word[which]) -> word[which] : 0)
        fi
      }
    od
  fi
}

/* Leases.changed. The shard's lock is held. */
inline tellLeases() {
  if
  :: !group
  :: group ->
    revoke(0);
#if WAYS > 1
    revoke(1)
#endif
  fi;
#if WAYS < THREADS
  if /* #note */
  :: !hasBroad || (broad & ~BIT(me)) == 0
  :: d_step { hasBroad && (broad & ~BIT(me)) != 0 -> lastStamp++; found = lastStamp };
    d_step { if :: found > keyStamp -> keyStamp = found :: else fi; found = 0 }
  fi
#endif
}

inline freeSlot(which, members) {
  if
  :: atomic { member[which] == 0 || !(BIT(member[which] - 1) & members) }
  :: d_step {
      member[which] != 0 && (BIT(member[which] - 1) & members) ->
#ifndef PLANT_STAYS_LOADING /* The slots of who is gone stay as they are. */
      noLongerLoads(which);
      word[which] = TURN(word[which]) | REVOKED
#endif
    };
    member[which] = 0
  fi
}

/* #freeMembers, of a set of members, under the slots' lock */
inline freeMembers(members) {
  d_step { ACQUIRED(slotsLock); broad = broad & ~(members) };
  freeSlot(0, members);
#if WAYS > 1
  freeSlot(1, members);
#endif
  d_step { isGroupEmpty(); group = !isEmpty };
  d_step { if :: broad == 0 -> hasBroad = false :: else fi; RELEASED(slotsLock) }
}

inline isGroupEmpty() {
#if WAYS > 1
  isEmpty = (member[0] == 0 && member[1] == 0)
#else
  isEmpty = (member[0] == 0)
#endif
}

/* What #fill finds: the load to yield to, or a slot, or BROAD. */
inline look(isYielding) {
  vacant = NOWHERE;
  last = NOWHERE;
  i = 0;
  other = 0;
  do
  :: i == WAYS || other != 0 -> break
  :: else ->
    if
    :: member[i] == 0 && named[i] -> last = i
    :: member[i] == 0 && !named[i] -> if :: vacant == NOWHERE -> vacant = i :: else fi
    :: isYielding && member[i] != 0 && member[i] != me + 1 && named[i] && STATE(word[i]) == LOADING ->
      other = BIT(member[i] - 1);
      slot = i;
      turn = TURN(word[i])
    :: else
    fi;
    i++
  od;
  if
  :: other == 0 -> slot = (vacant != NOWHERE -> vacant : (last != NOWHERE -> last : BROAD))
  :: else
  fi
}

#ifdef PLANT_TURN_STAYS /* A slot that is taken anew has the turn that it had. */
#define NEXT_TURN(it) TURN(it)
#else
#define NEXT_TURN(it) (TURN(it) + ONE_TURN)
#endif

/* takeToLoad. Then `other` is who loads, or 0 and `slot` is this thread's. */
inline takeToLoad() {
#ifdef PLANT_LOOKED_BEFORE /* Another's load is looked for under the lock, and the own one noted the next time. */
  d_step { CAN_TAKE(slotsLock) -> look(yields) };
  if
  :: other != 0
  :: d_step { other == 0 && CAN_TAKE(slotsLock) -> look(false); slotsLock = me + 1 }
  fi;
#else
  d_step {
    CAN_TAKE(slotsLock) ->
    look(yields);
    if :: other == 0 -> slotsLock = me + 1 :: else fi
  };
#endif
  if
  :: other != 0
  :: other == 0 && slot == BROAD ->
    broad = broad | BIT(me);
    d_step { hasBroad = true; RELEASED(slotsLock) };
    stamp = lastStamp
  :: d_step { other == 0 && slot != BROAD -> named[slot] = true };
    d_step { turn = NEXT_TURN(word[slot]); word[slot] = turn | LOADING };
    d_step {
      member[slot] = me + 1;
      assert(!yields || (loading & ~BIT(me)) == 0);
      yields = false;
      if :: word[slot] == (turn | LOADING) -> loading = loading | BIT(me) :: else fi
#if DEATHS > 0
    };
    d_step {
#endif
      group = true;
      RELEASED(slotsLock)
    }
  fi
}

#define HOLDS \
  (slot == BROAD -> keyStamp <= stamp : IS_HELD(word[slot]) && TURN(word[slot]) == turn)

#ifdef PLANT_OWN_UNSEEN /* The slot may be somebody else's, where this thread was said to be gone. */
#define IS_OWN true
#else
#define IS_OWN (TURN(word[slot]) == turn && member[slot] == me + 1)
#endif

/* end, with what becomes of the lease */
inline end(becomes) {
  if
  :: slot == BROAD ->
    d_step { ACQUIRED(slotsLock); broad = broad & ~BIT(me) };
    d_step { if :: broad == 0 -> hasBroad = false :: else fi; RELEASED(slotsLock) }
  :: slot != BROAD ->
#ifdef PLANT_END_UNLOCKED /* A slot is given back while others may take slots of its group. */
    d_step {
      isOwn = IS_OWN;
#else
    d_step {
      CAN_TAKE(slotsLock) ->
      isOwn = IS_OWN;
      slotsLock = (isOwn -> me + 1 : 0);
#endif
      if
      :: isOwn ->
        loading = loading & ~BIT(me);
        word[slot] = turn | becomes;
#if DEATHS == 0
        member[slot] = 0
#endif
      :: else
      fi
    };
    if
    :: !isOwn
    :: isOwn ->
#if DEATHS > 0
      member[slot] = 0;
#endif
#ifdef PLANT_END_UNLOCKED
      d_step { isGroupEmpty(); isOwn = isEmpty };
      if
      :: isOwn -> group = false
      :: !isOwn
      fi
#elif defined(PLANT_GROUP_UNSEEN) /* Others may have slots in the group. */
      d_step { group = false; RELEASED(slotsLock) }
#else
      d_step { isGroupEmpty(); if :: isEmpty -> group = false :: else fi; RELEASED(slotsLock) }
#endif
    fi
  fi;
  d_step { slot = NOWHERE; turn = 0; stamp = 0; isOwn = false }
}

#ifdef PLANT_TURN_UNSEEN /* The load of whoever has the slot now is taken for the one that was found. */
#define IS_LOADING (STATE(word[slot]) == LOADING)
#else
#define IS_LOADING (word[slot] == (turn | LOADING))
#endif

/* OtherLoads.hasEnded: if so, this thread does not yield again. */
inline waitForOther() {
  if
  :: d_step { !IS_LOADING -> yields = !(word[slot] == (turn | ENDED) || TURN(word[slot]) != turn) }
#ifndef PLANT_DEAD_NOT_SEEN /* Nobody asks whether who loads lives. */
  :: SEEMS_GONE(other) -> freeMembers(other); yields = true /* freeIfGone */
#endif
#ifdef OVERTAKING
  :: d_step {
      true ->
      if
#ifdef PLANT_OVERTAKE_UNSEEN /* It may have been revoked meanwhile. */
      :: true -> noLongerLoads(slot); word[slot] = turn | HELD
#else
      :: word[slot] == (turn | LOADING) -> noLongerLoads(slot); word[slot] = turn | HELD
      :: else
#endif
      fi;
      yields = true
    }
#endif
  fi;
  d_step { other = 0; slot = NOWHERE; turn = 0 }
}

/* getOrSet */
proctype Thread(byte me) {
  byte slot = NOWHERE;
  byte turn;
  byte stamp;
  byte other; /* who loads, as a bit */
  byte value;
  byte since;
  byte found;
  bool yields;
  bool isOwn;
  bool holds;
  {
    d_step { begun == me && CAN_TAKE(shardLock) -> begun++; value = cached; since = changed; yields = true };
    if
    :: value != 0 -> goto got
    :: value == 0
    fi;
    do
    :: takeToLoad();
      if
      :: other == 0 -> break
      :: other != 0 -> waitForOther()
      fi
    od;
#if WAYS < THREADS
    if
    :: slot == BROAD && SEEMS_GONE(ALL) -> /* sweep, and once more */
      found = (gone | told) & ALL & ~BIT(me);
      freeMembers(found);
      found = 0;
      end(ENDED);
      takeToLoad();
      if
      :: other == 0
      :: other != 0 -> goto got /* as above; not followed further */
      fi
    :: true
    fi;
#endif
    atomic { CAN_TAKE(shardLock) -> value = cached }; /* storedSince */
    if
    :: value != 0 -> end(ENDED); goto got
    :: value == 0 ->
#ifdef TIER /* renew, after a second tier had nothing. Under the lock: who is wrongly said to be gone loses its slot. */
#ifdef PLANT_UNLOCKED_RENEW
      holds = (slot != BROAD && IS_OWN);
#endif
      d_step {
#ifndef PLANT_UNLOCKED_RENEW
        ACQUIRED(slotsLock);
        slotsLock = 0;
        holds = (slot != BROAD && IS_OWN);
#endif
        if
        :: holds && word[slot] == (turn | REVOKED) -> word[slot] = turn | LOADING
        :: else
        fi;
        stamp = lastStamp;
        holds = false
      };
#endif
      value = source
#ifdef FAILING
    :: value == 0 -> end(ENDED); goto got /* the loader threw, or gave undefined */
#endif
    fi;
#ifdef PLANT_HOLDS_UNLOCKED /* It is looked whether the lease holds, and then the lock taken. */
    holds = HOLDS;
    atomic { ACQUIRED(shardLock) };
#else
    d_step { ACQUIRED(shardLock); holds = HOLDS };
#endif
    if
    :: holds ->
      holds = false;
      tellLeases();
      atomic { assert(value >= changed); cached = value; RELEASED(shardLock) };
      end(ENDED)
    :: !holds -> shardLock = 0; end(REVOKED)
    fi;
got: assert(value == 0 || value >= since)
  } unless { IS_DEAD(me) };
  d_step {
    ended = ended | BIT(me); /* the rest is to have fewer states */
    slot = NOWHERE; turn = 0; stamp = 0; other = 0; value = 0; since = 0; found = 0;
    yields = false; isOwn = false; holds = false
  }
}

/* Each set or delete comes after the change of what loaders read. */
proctype Changer(byte me) {
  byte changes;
  byte found;
  {
    do
    :: changes == CHANGES -> break
    :: changes < CHANGES ->
      source++;
#if defined(PLANT_TOLD_AFTER) || defined(PLANT_TOLD_UNLOCKED)
      atomic { ACQUIRED(shardLock) };
#else
      atomic { ACQUIRED(shardLock) };
      tellLeases();
#endif
      if
      :: atomic { true -> cached = 0; changed = source }
#ifndef DELETING
      :: atomic { true -> cached = source; changed = source }
#endif
      fi;
#ifdef PLANT_TOLD_AFTER /* Leases are told after the change. */
      tellLeases();
#endif
      shardLock = 0;
#ifdef PLANT_TOLD_UNLOCKED /* Leases are told when the lock is given back. */
      tellLeases();
#endif
      changes++
    od
  } unless { IS_DEAD(me) };
  atomic { ended = ended | BIT(me); changes = 0; found = 0 }
}

#define DIES(thread) \
  d_step { \
    deaths < DEATHS && begun > thread && !(ended & BIT(thread)) -> \
    gone = gone | BIT(thread); \
    loading = loading & ~BIT(thread); \
    deaths++ \
  }

proctype Killer() {
  byte deaths;
end_idle:
  do
  :: DIES(0)
  :: DIES(1)
#if THREADS > 2
  :: DIES(2)
#endif
#ifdef CHANGER_DIES
  :: d_step { deaths < DEATHS && !(ended & BIT(CHANGER)) -> gone = gone | BIT(CHANGER); deaths++ }
#endif
#ifdef WRONGLY_GONE
  :: d_step { told == 0 && begun > 0 && !(ended & BIT(0)) -> told = BIT(0) }
  :: d_step { told == 0 && begun > 1 && !(ended & BIT(1)) -> told = BIT(1) }
#endif
  :: false
  od
}

init {
  atomic {
    run Thread(0);
    run Thread(1);
#if THREADS > 2
    run Thread(2);
#endif
    run Changer(CHANGER);
    run Killer()
  }
}
