// SPDX-License-Identifier: BSD-2-Clause-Patent
// MMIO: each length, bytes and no byte more, the ends of page and buffer, lengths and areas that
// are none (GHCB specification, sections 2.2 and 4.1.5, exits 0x80000001 and 0x80000002).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

constexpr u64 apic             = 0xFEE0'0000; // the local APIC: the one device that every host has
constexpr u64 version_register = apic + 0x30;
constexpr u64 task_priority    = apic + 0x80;
constexpr u64 last_of_page     = apic + 0x1000;
constexpr u8 mark              = 0xCC;

constexpr Call read(u64 gpa, u64 length) {
    return call_of(ExitCode::mmio_read, gpa, length).with_scratch();
}

constexpr Call write(u64 gpa, u64 length) {
    return call_of(ExitCode::mmio_write, gpa, length).with_scratch();
}

/// Done, and the buffer changed in those bytes and nowhere else.
Verdict reads_exactly(u64 gpa, u64 length, u64 offset = 0) {
    fill_buffer(mark);
    const Answer answer = perform(read(gpa, length).with_scratch(buffer_begin + offset));
    return first_of(judge(answer, done_with_info_2(0)),
                    holds("what lies around the bytes is as it was",
                          buffer_is_but(mark, offset, offset + length)));
}

Verdict reads_1() { return reads_exactly(version_register, 1); }

Verdict reads_2() { return reads_exactly(version_register, 2); }

Verdict reads_4() { return reads_exactly(version_register, 4); }

Verdict reads_8() { return reads_exactly(version_register, 8); }

Verdict reads_1_at_the_end() { return reads_exactly(version_register, 1, buffer_size - 1); }

Verdict reads_4_at_the_end() { return reads_exactly(version_register, 4, buffer_size - 4); }

Verdict reads_8_at_the_end() { return reads_exactly(version_register, 8, buffer_size - 8); }

Verdict reads_4_unaligned() { return reads_exactly(version_register, 4, 13); }

Verdict reads_last_1() { return reads_exactly(last_of_page - 1, 1); }

Verdict reads_last_2() { return reads_exactly(last_of_page - 2, 2); }

Verdict reads_last_4() { return reads_exactly(last_of_page - 4, 4); }

Verdict reads_last_8() { return reads_exactly(last_of_page - 8, 8); }

/// Over the page's end: either way, and no byte more than was asked for.
Verdict crosses_the_page() {
    fill_buffer(mark);
    const Answer answer = perform(read(last_of_page - 2, 4));
    return first_of(judge(answer, done_or_malformed),
                    holds("what lies around the bytes is as it was", buffer_is_but(mark, 0, 4)));
}

u64 told_register(u64 gpa) {
    fill_buffer(0);
    (void)perform(read(gpa, 4));
    return low_half(buffer_word(0));
}

/// In x2APIC mode nothing answers at the page.
bool has_xapic() { return told_register(version_register) != 0xFFFF'FFFF; }

Verdict version_is_an_apics() {
    if (!has_xapic()) {
        return Verdict::skipped("the local APIC is in x2APIC mode");
    }
    return equal("the APIC's version, bits 7:4", (told_register(version_register) >> 4) & 0xF, 1);
}

Verdict comes_back() {
    if (!has_xapic()) {
        return Verdict::skipped("the local APIC is in x2APIC mode");
    }
    const u64 before = told_register(task_priority);
    fill_buffer(0);
    set_buffer_word(0, 0x20);
    const Answer answer = perform(write(task_priority, 4));
    const u64 after     = told_register(task_priority);
    fill_buffer(0);
    set_buffer_word(0, before);
    (void)perform(write(task_priority, 4));
    return first_of(judge(answer, done_with_info_2(0)),
                    equal("the task priority, as written", after, 0x20));
}

/// The bytes are taken from where SW_SCRATCH says.
Verdict writes_from_the_end() {
    if (!has_xapic()) {
        return Verdict::skipped("the local APIC is in x2APIC mode");
    }
    fill_buffer(0);
    set_buffer_byte(buffer_size - 4, 0x30);
    const Answer answer = perform(write(task_priority, 4).with_scratch(buffer_end - 4));
    const u64 after     = told_register(task_priority);
    fill_buffer(0);
    (void)perform(write(task_priority, 4));
    return first_of(judge(answer, done()), equal("the task priority, as written", after, 0x30));
}

/// What is written is not what the page is left with.
Verdict write_leaves_the_buffer() {
    fill_buffer(mark);
    set_buffer_word(0, 0);
    const Answer answer = perform(write(task_priority, 4));
    return first_of(judge(answer, done()),
                    holds("the buffer is as it was", buffer_is_but(mark, 0, 8)));
}

Verdict refused_read_writes_nothing() {
    fill_buffer(mark);
    const Answer answer = perform(read(version_register, 8).with_scratch(buffer_end - 7));
    return first_of(judge(answer, malformed(reason::scratch)),
                    holds("the buffer is as it was", buffer_is_but(mark, 0, 0)));
}

/// Memory is none of the hypervisor's to read for the guest.
Verdict memory_is_kept() {
    constexpr u64 pattern = 0x0102'0304'0506'0708;
    arena_word(1)         = pattern;
    fill_buffer(0);
    const Answer answer = perform(write(arena_gpa(1), 8));
    const Verdict kept  = equal("the private word", arena_word(1), pattern);
    clear_arena_page(1);
    return first_of(judge(answer, done_or_malformed), kept);
}

constexpr Wanted bad       = malformed(reason::scratch);
constexpr Wanted no_input  = malformed(reason::missing);
constexpr u64 beyond_all   = u64{1} << 40;
constexpr u64 outside      = 0x1000;
constexpr const char* mmio = "4.1.5";
constexpr const char* area = "2.2";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"mmio.write.1",           mmio, "a write of 1 byte is done",                  Level::must}, write(version_register, 1), done()},
    {{"mmio.write.2",           mmio, "a write of 2 bytes is done",                 Level::must}, write(version_register, 2), done()},
    {{"mmio.write.4",           mmio, "a write of 4 bytes is done",                 Level::must}, write(version_register, 4), done()},
    {{"mmio.write.8",           mmio, "a write of 8 bytes is done",                 Level::must}, write(version_register, 8), done()},
    {{"mmio.read.missing",      mmio, "a read without SW_SCRATCH: reason 4",        Level::must}, read(version_register, 4).without(fields::scratch), no_input},
    {{"mmio.write.missing",     mmio, "a write without SW_SCRATCH: reason 4",       Level::must}, write(version_register, 4).without(fields::scratch), no_input},
    {{"mmio.read.length.0",     mmio, "a read of no byte: reason 5",                Level::must}, read(version_register, 0), malformed(reason::input)},
    {{"mmio.write.length.0",    mmio, "a write of no byte: reason 5",               Level::must}, write(version_register, 0), malformed(reason::input)},
    {{"mmio.read.length.3",     mmio, "a read of 3 bytes is refused",               Level::should}, read(version_register, 3), refused},
    {{"mmio.read.length.5",     mmio, "a read of 5 bytes is refused",               Level::should}, read(version_register, 5), refused},
    {{"mmio.read.length.9",     mmio, "a read of 9 bytes: reason 5",                Level::must, need::version_2}, read(version_register, 9), malformed(reason::input)},
    {{"mmio.write.length.9",    mmio, "a write of 9 bytes: reason 5",               Level::must, need::version_2}, write(version_register, 9), malformed(reason::input)},
    {{"mmio.read.length.16",    mmio, "a read of 16 bytes: reason 5",               Level::must, need::version_2}, read(version_register, 16), malformed(reason::input)},
    {{"mmio.read.length.4096",  mmio, "a read of a page is refused",                Level::must}, read(version_register, 4096), refused},
    {{"mmio.read.length.2-32",  mmio, "a read of 2^32 and 4 bytes is refused",      Level::must}, read(version_register, 0x1'0000'0004), refused},
    {{"mmio.write.length.ones", mmio, "a write of 2^64 - 1 bytes is refused",       Level::must}, write(version_register, ~u64{0}), refused},
    {{"mmio.address.c-bit",     mmio, "an address above all that there is is refused", Level::may}, read(~u64{0xFFF}, 4), refused},
    {{"mmio.address.wraps",     mmio, "an access that wraps around address 0 is refused", Level::may}, read(~u64{3}, 8), refused},
    {{"mmio.scratch.outside",   area, "a scratch area outside the GHCB page: reason 3", Level::must, need::version_2}, read(version_register, 4).with_scratch_at(outside), bad},
    {{"mmio.scratch.write-outside", area, "so it is for a write",                   Level::must, need::version_2}, write(version_register, 4).with_scratch_at(outside), bad},
    {{"mmio.scratch.no-memory", area, "a scratch area where no memory is: reason 3", Level::must}, read(version_register, 4).with_scratch_at(beyond_all), bad},
    {{"mmio.scratch.fields",    area, "a scratch area in the page's fields: reason 3", Level::must}, read(version_register, 8).with_scratch(0x390), bad},
    {{"mmio.scratch.before",    area, "a scratch area half before the buffer: reason 3", Level::must}, read(version_register, 8).with_scratch(buffer_begin - 4), bad},
    {{"mmio.scratch.behind",    area, "a scratch area behind the buffer: reason 3", Level::must}, read(version_register, 4).with_scratch(buffer_end), bad},
    {{"mmio.scratch.version",   area, "a scratch area over version and usage: reason 3", Level::must}, read(version_register, 8).with_scratch(0xFF8), bad},
    {{"mmio.scratch.tail",      area, "4 bytes of which the last is outside: reason 3", Level::must}, write(version_register, 4).with_scratch(buffer_end - 3), bad},
    {{"mmio.scratch.wraps",     area, "an area that wraps around address 0: reason 3", Level::must}, read(version_register, 8).with_scratch_at(~u64{3}), bad},
};

constexpr CodeCase code_cases[] = {
    {{"mmio.read.1",            mmio, "a read of 1 byte gives 1 byte",              Level::must}, reads_1},
    {{"mmio.read.2",            mmio, "a read of 2 bytes gives 2 bytes",            Level::must}, reads_2},
    {{"mmio.read.4",            mmio, "a read of 4 bytes gives 4 bytes",            Level::must}, reads_4},
    {{"mmio.read.8",            mmio, "a read of 8 bytes gives 8 bytes",            Level::must}, reads_8},
    {{"mmio.read.1.end",        mmio, "a byte goes to the buffer's last one",       Level::must}, reads_1_at_the_end},
    {{"mmio.read.4.end",        mmio, "4 bytes go to the buffer's last ones",       Level::must}, reads_4_at_the_end},
    {{"mmio.read.8.end",        mmio, "8 bytes go to the buffer's last ones",       Level::must}, reads_8_at_the_end},
    {{"mmio.read.4.odd",        mmio, "SW_SCRATCH need not be aligned",             Level::must}, reads_4_unaligned},
    {{"mmio.page-end.1",        mmio, "the last byte of a page",                    Level::must}, reads_last_1},
    {{"mmio.page-end.2",        mmio, "the last 2 bytes of a page",                 Level::must}, reads_last_2},
    {{"mmio.page-end.4",        mmio, "the last 4 bytes of a page",                 Level::must}, reads_last_4},
    {{"mmio.page-end.8",        mmio, "the last 8 bytes of a page",                 Level::must}, reads_last_8},
    {{"mmio.page-end.crosses",  mmio, "a read over a page's end is answered, with no byte more", Level::should}, crosses_the_page},
    {{"mmio.value",             mmio, "the local APIC says that it is one",         Level::must}, version_is_an_apics},
    {{"mmio.comes-back",        mmio, "a register is read as it was written",       Level::must}, comes_back},
    {{"mmio.write.end",         mmio, "a write takes the buffer's last bytes",      Level::must}, writes_from_the_end},
    {{"mmio.write.clean",       mmio, "a write leaves the buffer as it is",         Level::must}, write_leaves_the_buffer},
    {{"mmio.refused.clean",     area, "a read that is refused writes nothing",      Level::must}, refused_read_writes_nothing},
    {{"mmio.memory",            mmio, "a write to private memory leaves it as it is", Level::must}, memory_is_kept},
};
// clang-format on

} // namespace

constinit const Group mmio_group = group_of("MMIO", call_cases, code_cases);

} // namespace vestibule::examiner
