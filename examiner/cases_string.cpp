// SPDX-License-Identifier: BSD-2-Clause-Patent
// INS and OUTS: the elements in the scratch area, to its last byte and beyond it (GHCB
// specification, sections 2.2 and 4.1.2, exit 0x7B).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/port_access.h"

namespace vestibule::examiner {

namespace {

using namespace port_bits;

constexpr u16 scratch_register = 0x3FF; // COM1's, which keeps a byte
constexpr u16 post_codes       = 0x80;
constexpr u16 word_port        = 0x82;  // page registers of a DMA controller, or nothing
constexpr u16 pci_address      = 0xCF8; // keeps 32 bits
constexpr u8 mark              = 0xCC;

constexpr Call outs(u64 count, u16 port = scratch_register, u64 size = 1) {
    return call_of(ExitCode::ioio, port_outs(port, size), count).with_scratch();
}

constexpr Call ins(u64 count, u16 port = scratch_register, u64 size = 1) {
    return call_of(ExitCode::ioio, port_ins(port, size), count).with_scratch();
}

constexpr Call single(Call call) {
    call.info_1 &= ~rep;
    return call;
}

void set_register(u8 value) { write_port(scratch_register, value); }

/// The elements go to the port in their order: the last one stays.
Verdict outs_leaves_the_last(u64 offset, u64 count) {
    set_register(0);
    for (u64 n = 0; n < count; ++n) {
        set_buffer_byte(offset + n, static_cast<u8>(0x11 + n % 64));
    }
    const Answer answer = perform(outs(count).with_scratch(buffer_begin + offset));
    return first_of(judge(answer, done()),
                    equal("the register, the last element", read_port(scratch_register),
                          0x11 + (count - 1) % 64));
}

Verdict outs_of_4() { return outs_leaves_the_last(0, 4); }

Verdict outs_of_all() { return outs_leaves_the_last(0, buffer_size); }

Verdict outs_at_the_end() { return outs_leaves_the_last(buffer_size - 1, 1); }

Verdict outs_in_the_middle() { return outs_leaves_the_last(1000, 3); }

/// Every element is what the port holds, and not a byte beyond them changes.
Verdict ins_fills(u64 offset, u64 count) {
    constexpr u8 value = 0x4B;
    set_register(value);
    fill_buffer(mark);
    const Answer answer = perform(ins(count).with_scratch(buffer_begin + offset));
    u64 wrong           = 0;
    for (u64 n = 0; n < count; ++n) {
        wrong += buffer_byte(offset + n) != value ? 1 : 0;
    }
    return first_of(
        judge(answer, done()), equal("elements that are not what the port holds", wrong, 0),
        holds("what lies around them is as it was", buffer_is_but(mark, offset, offset + count)));
}

Verdict ins_of_4() { return ins_fills(0, 4); }

Verdict ins_of_all() { return ins_fills(0, buffer_size); }

Verdict ins_at_the_end() { return ins_fills(buffer_size - 1, 1); }

Verdict ins_in_the_middle() { return ins_fills(777, 5); }

/// By a port of 32 bits that keeps them.
Verdict double_words() {
    constexpr u64 value  = 0x8000'0000;
    constexpr u64 before = 0xCCCC'CCCC'0000'0000;
    fill_buffer(mark);
    set_buffer_word(0, before | value);
    const Answer out = perform(outs(1, pci_address, 4));
    fill_buffer(mark);
    const Answer in = perform(ins(1, pci_address, 4));
    return first_of(
        judge(out, done()), judge(in, done()),
        equal("the element and 4 bytes behind it", buffer_word(0), 0xCCCC'CCCC'0000'0000 | value),
        holds("what lies around it is as it was", buffer_is_but(mark, 0, 4)));
}

/// A count of zero moves nothing.
Verdict nothing_moves(const Call& call) {
    set_register(0x77);
    fill_buffer(mark);
    const Answer answer = perform(call);
    return first_of(judge(answer, done()),
                    holds("the buffer is as it was", buffer_is_but(mark, 0, 0)),
                    equal("the register", read_port(scratch_register), 0x77));
}

Verdict outs_of_none() { return nothing_moves(outs(0)); }

Verdict ins_of_none() { return nothing_moves(ins(0)); }

/// A refused INS has written nothing, outside the buffer least of all.
Verdict refused_ins_writes_nothing() {
    set_register(0x21);
    fill_buffer(mark);
    const Answer answer = perform(ins(2).with_scratch(buffer_end - 1));
    return first_of(judge(answer, malformed(reason::scratch)),
                    holds("the buffer is as it was", buffer_is_but(mark, 0, 0)));
}

/// Private memory, named as scratch area of version 2: refused, and not looked at.
Verdict private_scratch() {
    constexpr u64 pattern = 0x1122'3344'5566'7788;
    arena_word(1)         = pattern;
    const Answer answer   = perform(ins(8).with_scratch_at(arena_gpa(1)));
    const Verdict kept    = equal("the private word", arena_word(1), pattern);
    clear_arena_page(1);
    return first_of(judge(answer, malformed(reason::scratch)), kept);
}

constexpr u64 beyond_all   = u64{1} << 40; // no memory
constexpr u64 outside      = 0x1000;       // memory, and not the GHCB page's
constexpr Wanted bad       = malformed(reason::scratch);
constexpr const char* area = "2.2";
constexpr const char* call = "4.1.2";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"string.outs.8",         call, "REP OUTSB is done",                             Level::must}, outs(2, post_codes), done_with_info_2(0)},
    {{"string.outs.16",        call, "REP OUTSW is done",                             Level::must}, outs(2, word_port, 2), done_with_info_2(0)},
    {{"string.outs.32",        call, "REP OUTSD is done",                             Level::must}, outs(2, pci_address, 4), done_with_info_2(0)},
    {{"string.ins.8",          call, "REP INSB is done",                              Level::must}, ins(2), done_with_info_2(0)},
    {{"string.ins.16",         call, "REP INSW is done",                              Level::must}, ins(2, word_port, 2), done_with_info_2(0)},
    {{"string.ins.32",         call, "REP INSD is done",                              Level::must}, ins(2, pci_address, 4), done_with_info_2(0)},
    {{"string.outs.single",    call, "OUTSB without REP is done",                     Level::must}, single(outs(1, post_codes)), done()},
    {{"string.ins.single",     call, "INSB without REP is done",                      Level::must}, single(ins(1)), done()},
    {{"string.outs.16.all",    call, "REP OUTSW of a whole buffer is done",           Level::must}, outs(buffer_size / 2, word_port, 2), done()},
    {{"string.outs.32.all",    call, "REP OUTSD of a whole buffer is done",           Level::must}, outs(buffer_size / 4, pci_address, 4), done()},
    {{"string.ins.16.all",     call, "REP INSW of a whole buffer is done",            Level::must}, ins(buffer_size / 2, word_port, 2), done()},
    {{"string.ins.32.all",     call, "REP INSD of a whole buffer is done",            Level::must}, ins(buffer_size / 4, pci_address, 4), done()},
    {{"string.outs.missing",   call, "OUTS without SW_SCRATCH: reason 4",             Level::must}, outs(1).without(fields::scratch), malformed(reason::missing)},
    {{"string.ins.missing",    call, "INS without SW_SCRATCH: reason 4",              Level::must}, ins(1).without(fields::scratch), malformed(reason::missing)},
    {{"string.scratch.outside", area, "OUTS from outside the GHCB page: reason 3",    Level::must, need::version_2}, outs(1).with_scratch_at(outside), bad},
    {{"string.scratch.ins-outside", area, "INS to outside the GHCB page: reason 3",   Level::must, need::version_2}, ins(1).with_scratch_at(outside), bad},
    {{"string.scratch.zero",   area, "a scratch area at address 0: reason 3",         Level::must, need::version_2}, outs(1).with_scratch_at(0), bad},
    {{"string.scratch.no-memory", area, "a scratch area where no memory is: reason 3", Level::must}, outs(1).with_scratch_at(beyond_all), bad},
    {{"string.scratch.fields", area, "a scratch area in the page's fields: reason 3", Level::must}, ins(8).with_scratch(0x1F8), bad},
    {{"string.scratch.bitmap", area, "a scratch area over the valid bitmap: reason 3", Level::must}, ins(16).with_scratch(0x3F0), bad},
    {{"string.scratch.before", area, "a scratch area that begins a byte too early: reason 3", Level::must}, outs(1).with_scratch(buffer_begin - 1), bad},
    {{"string.scratch.from-before", area, "a scratch area half before the buffer: reason 3", Level::must}, ins(8).with_scratch(buffer_begin - 4), bad},
    {{"string.scratch.behind", area, "a scratch area behind the buffer: reason 3",    Level::must}, outs(1).with_scratch(buffer_end), bad},
    {{"string.scratch.version", area, "a scratch area over version and usage: reason 3", Level::must}, ins(4).with_scratch(0xFFC), bad},
    {{"string.scratch.over-end", area, "OUTS of one byte more than there is: reason 3", Level::must}, outs(buffer_size + 1), bad},
    {{"string.scratch.ins-over-end", area, "INS of one byte more than there is: reason 3", Level::must}, ins(buffer_size + 1), bad},
    {{"string.scratch.words-over-end", area, "OUTS of one word more than there is: reason 3", Level::must}, outs(buffer_size / 2 + 1, word_port, 2), bad},
    {{"string.scratch.doubles-over-end", area, "INS of one double word more than there is: reason 3", Level::must}, ins(buffer_size / 4 + 1, pci_address, 4), bad},
    {{"string.scratch.tail",   area, "a word of which half lies in the buffer: reason 3", Level::must}, outs(1, word_port, 2).with_scratch(buffer_end - 1), bad},
    {{"string.scratch.page-end", area, "an area that leaves the page: reason 3",      Level::must}, ins(4096).with_scratch(), bad},
    {{"string.scratch.wraps",  area, "an area that wraps around address 0: reason 3", Level::must}, ins(8).with_scratch_at(~u64{3}), bad},
    {{"string.count.16-bit",   area, "a count of 65536 is refused",                   Level::must}, ins(0x1'0000), refused},
    {{"string.count.32-bit",   area, "a count of 2^32 and 1 is refused",              Level::must}, ins(0x1'0000'0001), refused},
    {{"string.count.wraps",    area, "a count whose size is 0 modulo 2^64 is refused", Level::must}, ins(u64{1} << 62, pci_address, 4), refused},
    {{"string.count.ones",     area, "a count of all ones is refused",                Level::must}, outs(~u64{0}), refused},
    {{"string.size.none",      call, "elements of no size are refused",               Level::should}, call_of(ExitCode::ioio, port_outs(post_codes, 0), 1).with_scratch(), refused},
    {{"string.size.two",       call, "elements of two sizes are refused",             Level::should}, outs(1, post_codes, 3), refused},
    {{"string.count.no-rep",   call, "two elements without REP are refused",          Level::may}, single(ins(2)), refused},
    {{"string.segment.none",   call, "a segment that is none is refused",             Level::may}, call_of(ExitCode::ioio, port_outs(post_codes, 1) | u64{7} << to_segment, 1).with_scratch(), refused},
};

constexpr CodeCase code_cases[] = {
    {{"string.outs.elements",  call, "OUTS takes its elements in their order",        Level::must}, outs_of_4},
    {{"string.outs.whole",     call, "OUTS takes a whole buffer",                     Level::must}, outs_of_all},
    {{"string.outs.last-byte", call, "OUTS takes the buffer's last byte",             Level::must}, outs_at_the_end},
    {{"string.outs.middle",    call, "OUTS takes elements from the middle",           Level::must}, outs_in_the_middle},
    {{"string.ins.elements",   call, "INS writes its elements and no more",           Level::must}, ins_of_4},
    {{"string.ins.whole",      call, "INS fills a whole buffer",                      Level::must}, ins_of_all},
    {{"string.ins.last-byte",  call, "INS writes the buffer's last byte",             Level::must}, ins_at_the_end},
    {{"string.ins.middle",     call, "INS writes elements in the middle",             Level::must}, ins_in_the_middle},
    {{"string.double-words",   call, "elements of 32 bits go and come",               Level::must}, double_words},
    {{"string.outs.none",      call, "OUTS of no element does nothing",               Level::should}, outs_of_none},
    {{"string.ins.none",       call, "INS of no element does nothing",                Level::should}, ins_of_none},
    {{"string.refused.clean",  area, "INS that is refused writes nothing",            Level::must}, refused_ins_writes_nothing},
    {{"string.scratch.private", area, "a scratch area in private memory: reason 3, and memory as it was", Level::must, need::version_2}, private_scratch},
};
// clang-format on

} // namespace

constinit const Group string_group = group_of("INS and OUTS", call_cases, code_cases);

} // namespace vestibule::examiner
