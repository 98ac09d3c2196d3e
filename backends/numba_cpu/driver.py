"""The loop that runs a net: each thread goes through the table of stages, does its share of each, and meets the others.

`run(int64 *table, int64 stages, int64 thread, int64 threads, int64 *counter)`. A stage is four words: the kernel's
address, its arguments', how many items there are, and whether all must have finished what stands before. A thread's
share is a run of items. The counter only grows: at meeting number m everybody waits until it is m times the threads.
"""

from __future__ import annotations

from llvmlite import ir

from cnnlang.backends.numba_cpu.emitter import I32, I64, PTR, VOID

WORDS = 4
SPINS = 4000  # turns of waiting before the processor is offered to others


def write(module: ir.Module) -> None:
    function = ir.Function(module, ir.FunctionType(VOID, [PTR, I64, I64, I64, PTR]), "run")
    table, stages, thread, threads, counter = function.args
    offer = ir.Function(module, ir.FunctionType(I32, []), "sched_yield")
    kernel_type = ir.FunctionType(VOID, [PTR, I64, I64, I64])
    b = ir.IRBuilder(function.append_basic_block("entry"))
    blocks = {
        n: function.append_basic_block(n)
        for n in ("head", "body", "wait", "spin", "yield", "work", "call", "next", "done")
    }
    entry = b.block
    b.branch(blocks["head"])

    b.position_at_end(blocks["head"])
    i, meetings = b.phi(I64), b.phi(I64)
    i.add_incoming(I64(0), entry)
    meetings.add_incoming(I64(0), entry)
    b.cbranch(b.icmp_signed("<", i, stages), blocks["body"], blocks["done"])

    b.position_at_end(blocks["body"])
    row = b.gep(table, [b.mul(i, I64(WORDS))], source_etype=I64)
    words = [b.gep(row, [I64(w)], source_etype=I64) for w in range(WORDS)]
    kernel, args = (b.load(w, typ=PTR, align=8) for w in words[:2])
    items, must_meet = (b.load(w, typ=I64, align=8) for w in words[2:])
    meets = b.and_(b.icmp_signed("!=", must_meet, I64(0)), b.icmp_signed(">", threads, I64(1)))
    met = b.add(meetings, b.zext(meets, I64))
    b.cbranch(meets, blocks["wait"], blocks["work"])

    b.position_at_end(blocks["wait"])
    b.atomic_rmw("add", counter, I64(1), "acq_rel")
    wanted = b.mul(met, threads)
    b.branch(blocks["spin"])
    b.position_at_end(blocks["spin"])
    spins = b.phi(I64)
    spins.add_incoming(I64(0), blocks["wait"])
    now = b.load_atomic(counter, "acquire", 8, typ=I64)
    more = b.add(spins, I64(1))
    tired = b.icmp_signed(">", more, I64(SPINS))
    with b.if_then(b.icmp_signed(">=", now, wanted)):
        b.branch(blocks["work"])
    after = b.block
    b.cbranch(tired, blocks["yield"], blocks["spin"])
    spins.add_incoming(more, after)
    b.position_at_end(blocks["yield"])
    b.call(offer, [])
    b.branch(blocks["spin"])
    spins.add_incoming(I64(0), blocks["yield"])

    b.position_at_end(blocks["work"])
    begin = b.udiv(b.mul(items, thread), threads)
    end = b.udiv(b.mul(items, b.add(thread, I64(1))), threads)
    b.cbranch(b.icmp_signed("<", begin, end), blocks["call"], blocks["next"])
    b.position_at_end(blocks["call"])
    typed = b.inttoptr(b.ptrtoint(kernel, I64), ir.PointerType(kernel_type))
    b.call(typed, [args, begin, end, thread])
    b.branch(blocks["next"])
    b.position_at_end(blocks["next"])
    i.add_incoming(b.add(i, I64(1)), blocks["next"])
    meetings.add_incoming(met, blocks["next"])
    b.branch(blocks["head"])
    b.position_at_end(blocks["done"])
    # the others may still be at work when one is ready
    b.ret_void()
