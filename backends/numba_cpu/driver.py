"""The loop that runs a net: threads go through the table of stages together, and share the items of each.

One function, `run(int64 *words, int64 role, int64 patience, int64)`, is everything that threads do outside of kernels.
As `LEAD` it puts a job into its helpers' mailboxes and then does as with `GO`: it goes through the table and comes back
when every item is done. If a helper is asleep it comes back at once, for somebody to wake him and call it with `GO`. As
`HELP` it waits at a mailbox for jobs, for so many turns, before it falls asleep and comes back.

Each thread has a share of a stage's items, a run of them, and takes some at a time; who has done his own takes of the
others'. A stage that reads what others write waits until their items are done, whoever does them. So nobody waits for a
thread that is not awake yet, or that has lost its processor to something else between two items.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from cnnlang.backends.numba_cpu.emitter import I32, I64, PTR, VOID, Kernel, Value

# a row of the table: the kernel and its arguments' words, how many items there are, how many of the rows before must be
# done first, and how many a thread takes at a time
ROW = ("kernel", "args", "items", "before", "grain")
# a job: `done` counts items, `taken` [stages, threads] how often somebody took of a share; `asleep` is an answer
JOB = ("table", "stages", "threads", "items", "done", "taken", "mailboxes", "asleep")
MAILBOX = 16  # words, so that two mailboxes share no line of cache: the state, the job, the thread's number, if asleep
LEAD, GO, HELP = range(3)
FREE, POSTED, TAKEN, ASLEEP = range(4)
SPINS = 1000  # turns of waiting before the processor is offered to others
PAUSES = {"x86_64": "llvm.x86.sse2.pause", "i386": "llvm.x86.sse2.pause", "i686": "llvm.x86.sse2.pause"}


def write(module: ir.Module, name: str, triple: str) -> None:
    _Driver(Kernel(module, name, 4), triple).write()


class _Driver:
    def __init__(self, k: Kernel, triple: str) -> None:
        self.k, self.b = k, k.b
        self.offer = "SwitchToThread" if "windows" in triple else "sched_yield"
        self.pause = PAUSES.get(triple.partition("-")[0])

    def write(self) -> None:
        k, b = self.k, self.b
        is_helper = b.icmp_signed("==", k.begin, I64(HELP))
        with b.if_else(is_helper) as (helps, leads):
            with helps:
                self.help(k.words, k.end)
            with leads:
                self.lead(k.words)
        k.finish()

    # --- the leader ---------------------------------------------------------------------------------------------------

    def lead(self, job: Value) -> None:
        k, b = self.k, self.b
        done, taken, mailboxes = (self.field(job, n, PTR) for n in ("done", "taken", "mailboxes"))
        threads, stages = self.field(job, "threads"), self.field(job, "stages")
        helpers = k.sub(threads, 1)
        asleep = self.place(job, "asleep")
        with b.if_then(b.icmp_signed("==", k.begin, I64(LEAD))):
            with b.if_then(b.icmp_signed(">", helpers, I64(0))):
                b.store(I64(0), done, align=8)
                with k.loop(0, k.mul(stages, threads)) as (i, _):
                    b.store(I64(0), k.at(taken, i, I64), align=8)
            b.store(I64(0), asleep, align=8)
            with k.loop(0, helpers) as (i, _):
                mailbox = k.at(mailboxes, k.mul(i, MAILBOX), I64)
                b.store(b.ptrtoint(job, I64), k.at(mailbox, 1, I64), align=8)
                b.store(k.add(i, 1), k.at(mailbox, 2, I64), align=8)
                was_asleep = b.zext(b.icmp_signed("==", self.swap(mailbox, POSTED), I64(ASLEEP)), I64)
                b.store(was_asleep, k.at(mailbox, 3, I64), align=8)
                b.store(b.or_(self.load(asleep), was_asleep), asleep, align=8)
        everybody = b.icmp_signed("==", self.load(asleep), I64(0))
        with b.if_then(b.or_(everybody, b.icmp_signed("==", k.begin, I64(GO)))):
            self.go(job, I64(0))
            with k.loop(0, helpers) as (i, _):
                mailbox = k.at(mailboxes, k.mul(i, MAILBOX), I64)
                with self.waiting() as (_turn, over):
                    # a job that nobody took is none any more; who took it must have left it
                    self.leave_if(self.changed(mailbox, POSTED, FREE), over)
                    state = self.now(mailbox)
                    gone = b.and_(b.icmp_signed("!=", state, I64(TAKEN)), b.icmp_signed("!=", state, I64(POSTED)))
                    self.leave_if(gone, over)

    # --- helpers ------------------------------------------------------------------------------------------------------

    def help(self, mailbox: Value, patience: Value) -> None:
        k, b = self.k, self.b
        asleep = b.append_basic_block("asleep")
        with self.forever():
            with self.waiting() as (turn, over):
                self.leave_if(self.changed(mailbox, POSTED, TAKEN), over)
                tired = b.icmp_signed(">=", turn, patience)
                with b.if_then(tired):
                    self.leave_if(self.changed(mailbox, FREE, ASLEEP), asleep)
            job = b.inttoptr(self.load(k.at(mailbox, 1, I64)), PTR)
            self.go(job, self.load(k.at(mailbox, 2, I64)))
            self.swap(mailbox, FREE)
        b.position_at_end(asleep)

    # --- everybody ----------------------------------------------------------------------------------------------------

    def go(self, job: Value, thread: Value) -> None:
        """Through the table; the leader also waits for what others have taken."""
        k, b = self.k, self.b
        table, done, taken = (self.field(job, n, PTR) for n in ("table", "done", "taken"))
        stages, threads, all_items = (self.field(job, n) for n in ("stages", "threads", "items"))
        alone = b.icmp_signed("==", threads, I64(1))
        with b.if_else(alone) as (one, several):
            with one, k.loop(0, stages) as (i, _):
                row = k.at(table, k.mul(i, len(ROW)), I64)
                self.call(row, I64(0), self.load(k.at(row, ROW.index("items"), I64)), thread)
            with several:
                with k.loop(0, stages) as (i, _):
                    row = k.at(table, k.mul(i, len(ROW)), I64)
                    items, before, grain = (self.load(k.at(row, ROW.index(n), I64)) for n in ROW[2:])
                    self.wait(done, before)
                    with k.loop(0, threads, carry=[I64(0)]) as (turn, mine):
                        whose = b.urem(k.add(thread, turn), threads)
                        begin, end = (b.udiv(k.mul(items, w), threads) for w in (whose, k.add(whose, 1)))
                        shelf = k.at(taken, k.add(k.mul(i, threads), whose), I64)
                        mine.values = [k.add(mine.values[0], self.share(row, shelf, begin, end, grain, thread))]
                    with b.if_then(b.icmp_signed(">", mine.final[0], I64(0))):
                        b.atomic_rmw("add", done, mine.final[0], "acq_rel")
                with b.if_then(b.icmp_signed("==", thread, I64(0))):
                    self.wait(done, all_items)

    def share(self, row: Value, shelf: Value, begin: Value, end: Value, grain: Value, thread: Value) -> Value:
        """Items of a share, some at a time, while there are any; answers how many this thread did."""
        k, b = self.k, self.b
        before, body, over = b.block, b.append_basic_block("take"), b.append_basic_block("taken")
        b.branch(body)
        b.position_at_end(body)
        did = b.phi(I64)
        did.add_incoming(I64(0), before)
        turn = b.atomic_rmw("add", shelf, I64(1), "acq_rel")
        first = k.add(begin, k.mul(turn, grain))
        self.leave_if(b.icmp_signed(">=", first, end), over)
        last = k.least(k.add(first, grain), end)
        self.call(row, first, last, thread)
        did.add_incoming(k.add(did, k.sub(last, first)), b.block)
        b.branch(body)
        b.position_at_end(over)
        return did

    def call(self, row: Value, first: Value, last: Value, thread: Value) -> None:
        k, b = self.k, self.b
        kernel = b.inttoptr(self.load(row), ir.PointerType(ir.FunctionType(VOID, [PTR, I64, I64, I64])))
        b.call(kernel, [b.inttoptr(self.load(k.at(row, 1, I64)), PTR), first, last, thread])

    def wait(self, place: Value, least: Value) -> None:
        with self.waiting() as (_turn, over):
            self.leave_if(self.b.icmp_signed(">=", self.now(place), least), over)

    # --- memory, waiting ----------------------------------------------------------------------------------------------

    def place(self, job: Value, name: str) -> Value:
        return self.k.at(job, JOB.index(name), I64)

    def field(self, job: Value, name: str, type: ir.Type = I64) -> Value:
        return self.b.load(self.place(job, name), typ=type, align=8)

    def load(self, place: Value) -> Value:
        return self.b.load(place, typ=I64, align=8)

    def now(self, place: Value) -> Value:
        """A word that other threads change."""
        return self.b.load_atomic(place, "acquire", 8, typ=I64)

    def swap(self, place: Value, new: int) -> Value:
        """What a word was, which is `new` now."""
        return self.b.atomic_rmw("xchg", place, I64(new), "seq_cst")

    def changed(self, place: Value, old: int, new: int) -> Value:
        """Whether a word was `old`, and is `new` now."""
        return self.b.extract_value(self.b.cmpxchg(place, I64(old), I64(new), "seq_cst", "seq_cst"), 1)

    @contextmanager
    def forever(self) -> Iterator[None]:
        body = self.b.append_basic_block("forever")
        self.b.branch(body)
        self.b.position_at_end(body)
        yield
        self.b.branch(body)

    @contextmanager
    def waiting(self) -> Iterator[tuple[Value, ir.Block]]:
        """A loop of which others decide how long it is: the number of its turn, and the block behind it."""
        b = self.b
        before, body, over = (b.block, *(b.append_basic_block(n) for n in ("waiting", "over")))
        b.branch(body)
        b.position_at_end(body)
        turn = b.phi(I64)
        turn.add_incoming(I64(0), before)
        yield turn, over
        if self.pause:
            self.k.call(self.pause, VOID)
        with b.if_then(b.icmp_signed("==", b.urem(turn, I64(SPINS)), I64(SPINS - 1))):
            self.k.call(self.offer, I32)
        turn.add_incoming(b.add(turn, I64(1)), b.block)
        b.branch(body)
        b.position_at_end(over)

    def leave_if(self, condition: Value, over: ir.Block) -> None:
        """Go on behind a loop."""
        on = self.b.append_basic_block("on")
        self.b.cbranch(condition, over, on)
        self.b.position_at_end(on)
