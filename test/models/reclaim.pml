/*
 * Free against reclaim: `ZbudAllocator`, `LockedAllocator` and `repairTable` of src/drivers/zbud. Two pages;
 * the first holds two objects and is reclaimed by one thread while another frees, allocates and reclaims.
 * One step is one store, or a few that no other thread and no death can tell apart.
 *
 *   here                 there
 *   lock                 the lock of lock.pml, which holds there: taken from a dead holder in one step
 *   mark[page]           LRU_PREV as far as it says what a page is: FREE, IN_USE, UNDER + member for -member
 *   holds[place]          the place's size is not 0. Places of page p: 2p and 2p + 1
 *   listed, onLru, onFree  on an unbuddied list, the LRU, the list of free pages
 *   intent               W_INTENT: 1 + place; intentGeneration: W_INTENT_GENERATION
 *   a handle             place + PLACES * generation
 *   the LRU's tail, the tightest gap   any page of the LRU, any listed one: which is left open
 *
 * Checked: a handle is issued once and freed once; nothing is placed into a page under reclaim or a full
 * place; a page is released once for each time it is taken; whenever the lock is free (`verify`), each page is
 * on exactly the lists that its sizes say, and exactly what was allocated and not freed is there. When
 * everybody ended or died, one recover() leaves no page under reclaim, and after freeing all is empty.
 *
 * The macros PLANT_... each put a mistake in, which spin must find; models.test.ts names them.
 */
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef OPERATIONS
#define OPERATIONS 2 /* of the thread that does not only reclaim */
#endif

#define RECLAIMER 0
#define WORKER 1
#define FOLLOWER 2
#define LAST 3

#define PLACES 4
#define FREE 0
#define IN_USE 1
#define UNDER 2
#define IS_UNDER_RECLAIM(page) (mark[page] >= UNDER)
#define BIT(i) (1 << (i))
#define IS_DEAD(thread) ((gone & BIT(thread)) != 0)

/* What is known of an object from outside. */
#define NONE 0
#define LIVE 1    /* its handle was returned */
#define LEAVING 2 /* a free of it is in flight: if its thread dies, it is gone */

byte lock; /* 1 + the thread that holds it, or 0 */
byte gone; /* threads that stopped for ever */
byte ended;
bool closed; /* nobody comes any more */
byte taken[4];  /* by member, from 1 on: 1 + the thread that sits there, or 0 */
byte memberOf[4];

byte mark[2];
bool holds[PLACES];
byte generation[PLACES];
bool listed[2];
bool onLru[2];
bool onFree[2];
byte pageCount;
byte intent;
byte intentGeneration;

byte object[PLACES];
byte issued[PLACES]; /* 1 + the last generation that was issued */

/* Of the thread that works: set where they are used. */
#define SCRATCH byte page; byte place; byte own; byte other; byte goneSeats; byte offered

inline verify() {
  assert(intent == 0);
  assert(pageCount == (mark[0] != FREE) + (mark[1] != FREE));
  page = 0;
  do
  :: page == 2 -> break
  :: else ->
    place = 2 * page;
    assert(onFree[page] == (mark[page] == FREE));
    assert(onLru[page] == (mark[page] == IN_USE));
    assert(listed[page] == (mark[page] == IN_USE && holds[place] != holds[place + 1]));
    assert(mark[page] != FREE || (!holds[place] && !holds[place + 1]));
    assert(mark[page] != IN_USE || holds[place] || holds[place + 1]);
    assert(holds[place] == (object[place] == LIVE));
    assert(holds[place + 1] == (object[place + 1] == LIVE));
    page++
  od;
  page = 0;
  place = 0
}

inline acquire() {
  if
  :: atomic { lock == 0 -> lock = me + 1 }
  :: atomic { lock != 0 && IS_DEAD(lock - 1) -> lock = me + 1 };
    repair()
  fi
}

inline release() {
  d_step { verify(); lock = 0 }
}

/* LockedAllocator.#repair, which others may also call who hold the lock */
inline repair() {
  d_step {
    goneSeats = 0;
    if :: taken[1] != 0 && IS_DEAD(taken[1] - 1) -> goneSeats = goneSeats | BIT(1) :: else fi;
    if :: taken[2] != 0 && IS_DEAD(taken[2] - 1) -> goneSeats = goneSeats | BIT(2) :: else fi;
    if :: taken[3] != 0 && IS_DEAD(taken[3] - 1) -> goneSeats = goneSeats | BIT(3) :: else fi
  };
#ifdef PLANT_SEATS_FIRST /* A member is given back before its pages are settled. */
  leaveSeats();
#endif
#ifdef PLANT_INTENT_CLEARED_EARLY
  place = intent;
  intent = 0;
#else
  place = intent;
#endif
  if /* finishIntent */
  :: place == 0
  :: else ->
    place--;
    holds[place] = false;
    d_step { generation[place] = intentGeneration + 1; object[place] = NONE }
  fi;
  d_step {
    place = 0;
    listed[0] = false; onLru[0] = false; onFree[0] = false;
    listed[1] = false; onLru[1] = false; onFree[1] = false
  };
  repairPage(0);
  repairPage(1);
  pageCount = (mark[0] != FREE) + (mark[1] != FREE);
  intent = 0;
#ifndef PLANT_SEATS_FIRST
  leaveSeats();
#endif
  goneSeats = 0
}

#if defined(PLANT_MARKS_KEPT) /* Pages that a dead thread had under reclaim are left alone. */
#define STAYS_UNDER_RECLAIM(page) IS_UNDER_RECLAIM(page)
#elif defined(PLANT_MARKS_OF_LIVING) /* A repair settles what living threads reclaim. */
#define STAYS_UNDER_RECLAIM(page) false
#else
#define STAYS_UNDER_RECLAIM(page) (IS_UNDER_RECLAIM(page) && !(goneSeats & BIT(mark[page] - UNDER)))
#endif

inline repairPage(which) {
  d_step {
    if
    :: STAYS_UNDER_RECLAIM(which)
    :: else ->
      if
      :: !holds[2 * which] && !holds[2 * which + 1] -> mark[which] = FREE; onFree[which] = true
      :: else ->
        mark[which] = IN_USE;
        onLru[which] = true;
        listed[which] = (holds[2 * which] != holds[2 * which + 1])
      fi
    fi
  }
}

inline leaveSeats() {
  d_step { if :: goneSeats & BIT(1) -> taken[1] = 0 :: else fi };
  d_step { if :: goneSeats & BIT(2) -> taken[2] = 0 :: else fi };
  d_step { if :: goneSeats & BIT(3) -> taken[3] = 0 :: else fi }
}

/* #intend. Without it, nobody knows what a dead thread was changing. */
inline intend(state) {
#ifndef PLANT_NO_INTENT
  intentGeneration = generation[place];
  d_step { intent = place + 1; object[place] = state }
#else
  object[place] = state
#endif
}

inline releasePage() {
  pageCount--;
  d_step { assert(mark[page] != FREE); mark[page] = FREE };
  onFree[page] = true
}

/* The object that this handle names; the lock is held. */
inline freeIt(which, ofGeneration) {
  if
#ifdef PLANT_NO_GENERATION /* A handle is known by its place alone. */
  :: holds[which] ->
#else
  :: holds[which] && generation[which] == ofGeneration ->
#endif
    d_step { place = which; page = place / 2; assert(issued[place] == ofGeneration + 1) };
    intend(LEAVING);
    holds[place] = false;
    generation[place] = generation[place] + 1;
    if
#ifndef PLANT_FREE_SETTLES /* The page is settled by free although a reclaim is at it. */
    :: IS_UNDER_RECLAIM(page)
#endif
    :: else ->
      if
      :: holds[place ^ 1] -> listed[page] = true
      :: else -> listed[page] = false; onLru[page] = false; releasePage()
      fi
    fi;
    d_step { intent = 0; object[place] = NONE }
  :: else
  fi
}

inline allocIt() {
  page = 2;
  if
  :: listed[0] -> page = 0
  :: listed[1] -> page = 1
  :: !listed[0] && !listed[1] && onFree[0] -> page = 0
  :: !listed[0] && !listed[1] && !onFree[0] && onFree[1] -> page = 1
  :: else
  fi;
  if
  :: page == 2 /* ENOMEM */
  :: else ->
    d_step { assert(!IS_UNDER_RECLAIM(page)); place = 2 * page };
    if
    :: listed[page] ->
      listed[page] = false;
      if :: holds[place] -> place++ :: else fi;
      onLru[page] = false
    :: else ->
      onFree[page] = false;
      pageCount++;
      listed[page] = true
    fi;
    assert(!holds[place]);
    intend(NONE);
    holds[place] = true;
    d_step { onLru[page] = true; mark[page] = IN_USE };
    d_step { /* The handle gets out. */
      intent = 0;
      assert(issued[place] <= generation[place]);
      issued[place] = generation[place] + 1;
      object[place] = LIVE
    }
  fi
}

/* startReclaim. Its page is in `own`; 2 for none. The lock is held. */
inline startReclaim() {
  if
  :: onLru[0] -> own = 0
  :: onLru[1] -> own = 1
  :: else -> own = 2
  fi;
  if
  :: own == 2
  :: else ->
#ifndef PLANT_PAGE_STAYS_LISTED
    listed[own] = false;
#endif
    onLru[own] = false;
    mark[own] = UNDER + memberOf[me]
  fi
}

inline endReclaim() {
  assert(mark[own] == UNDER + memberOf[me]);
  page = own;
  if
#ifdef PLANT_RELEASED_UNSEEN /* The page is released although an object stayed. */
  :: true -> releasePage()
#else
  :: !holds[2 * page] && !holds[2 * page + 1] -> releasePage()
  :: else ->
    listed[page] = (holds[2 * page] != holds[2 * page + 1]);
    d_step { onLru[page] = true; mark[page] = IN_USE }
#endif
  fi
}

/* The handler frees an object that is offered, or refuses. */
inline reclaimPage() {
  acquire();
  startReclaim();
#ifdef PLANT_MARK_REMOVED_EARLY /* before the handler was called */
  if :: own != 2 -> mark[own] = IN_USE :: else fi;
#endif
  release();
  other = 2 * own;
  do
  :: own == 2 || other == 2 * own + 2 -> break
  :: else -> /* evict(row, other & 1) */
    acquire();
    offered = (holds[other] -> generation[other] + 1 : 0); /* objectAt */
    release();
    if
    :: offered != 0 -> acquire(); freeIt(other, offered - 1); release()
    :: true
    fi;
    d_step { offered = 0; other++ }
  od;
  if
  :: own != 2 -> acquire(); endReclaim(); release()
  :: else
  fi;
  d_step { own = 0; other = 0 }
}

/*
 * Reclaims once: thread RECLAIMER at once, and FOLLOWER when it finds the member of a dead thread. WORKER frees the
 * first page's objects, perhaps again, allocates, reclaims and recovers, in any order.
 */
proctype Thread(byte me) {
  SCRATCH;
  byte operation;
  {
    if
    :: me != FOLLOWER
    :: else ->
end_newcomer: /* there may never be a free member */
      atomic {
        if
        :: taken[1] == 0 && !closed -> memberOf[me] = 1
        :: taken[2] == 0 && !closed -> memberOf[me] = 2
        fi;
        taken[memberOf[me]] = me + 1;
        ended = ended & ~BIT(me)
      }
    fi;
    do
    :: operation == OPERATIONS -> break
    :: operation < OPERATIONS && me == WORKER ->
      acquire();
      if
      :: other = 0; freeIt(other, 0)
      :: other = 1; freeIt(other, 0)
      :: allocIt()
      :: DEATHS > 0 -> repair() /* recover */
      fi;
      release();
      d_step { other = 0; operation++ }
    :: operation < OPERATIONS ->
      reclaimPage();
      operation = (me == WORKER -> operation + 1 : OPERATIONS)
    od
  } unless { IS_DEAD(me) };
  ended = ended | BIT(me)
}

/* When nobody is left: the pool must be whole, and can be emptied. */
proctype Last(byte me) {
  SCRATCH;
  atomic { ended == (BIT(RECLAIMER) | BIT(WORKER) | BIT(FOLLOWER)) -> closed = true };
  acquire();
  repair();
  release();
  assert(!IS_UNDER_RECLAIM(0) && !IS_UNDER_RECLAIM(1));
  do
  :: other == PLACES -> break
  :: else ->
    if
    :: object[other] == LIVE -> acquire(); freeIt(other, issued[other] - 1); release()
    :: else
    fi;
    other++
  od;
  assert(pageCount == 0 && onFree[0] && onFree[1]);
  assert(object[0] == NONE && object[1] == NONE && object[2] == NONE && object[3] == NONE)
}

proctype Killer() {
  byte deaths;
  do
  :: deaths == DEATHS -> break
  :: deaths < DEATHS -> atomic {
      deaths++;
      if
      :: gone = gone | BIT(RECLAIMER)
      :: gone = gone | BIT(WORKER)
      :: break
      fi
    }
  od
}

init {
  atomic {
    mark[0] = IN_USE;
    holds[0] = true;
    holds[1] = true;
    object[0] = LIVE;
    object[1] = LIVE;
    issued[0] = 1;
    issued[1] = 1;
    onLru[0] = true;
    onFree[1] = true;
    pageCount = 1;
    memberOf[0] = 1;
    memberOf[1] = 2;
    memberOf[3] = 3;
    taken[1] = 1;
    taken[2] = 2;
    taken[3] = 4;
    ended = BIT(FOLLOWER);
    run Thread(RECLAIMER);
    run Thread(WORKER);
    run Last(LAST);
#ifdef NEWCOMER
    run Thread(FOLLOWER);
#endif
    run Killer()
  }
}
