// SPDX-License-Identifier: BSD-2-Clause-Patent
// One page through both views, and where there is memory from 4 GiB on, the last one of it: what
// stands in one is not to be had through the other, reading through the wrong view destroys
// nothing, and writing through it destroys what was there (APM volume 2, section 15.34.4: the two
// see the same memory, encrypted and not).
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/page_table.h"

using namespace vestibule;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

constinit PageTable directory{};
constinit PageTable table{};
constinit PageTable early_table{};
constinit PageTable later_root{};
alignas(page_size) constinit u8 page[page_size]{};

constexpr u64 views          = u64{8} << 30; // a linear address that the stub does not map
constexpr unsigned last_word = page_size / sizeof(u64) - 1;

PageTable& table_behind(PageTableEntry entry, u64 c_bit) {
    return *reinterpret_cast<PageTable*>(entry.address(c_bit));
}

constexpr u64 flags = PageTableEntry::present | PageTableEntry::writable;

u64 address(const void* object) { return reinterpret_cast<u64>(object); }

PageTable& root(u64 c_bit) {
    return *reinterpret_cast<PageTable*>(x86::Cpu::cr3() & ~c_bit & PageTableEntry::address_mask);
}

/// The page with the C-bit at `views`, without it in the page after.
void map_views(u64 gpa, u64 c_bit) {
    table.entry[0].value     = gpa | flags | c_bit;
    table.entry[1].value     = gpa | flags;
    directory.entry[0].value = address(&table) | flags | c_bit;
    table_behind(root(c_bit).entry[0], c_bit).entry[x86::table_index(views, 3)].value =
        address(&directory) | flags | c_bit;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

/// Has the page walked through `early_table`, which the table above it names without the C-bit.
void walk_early_table(u64 c_bit) {
    early_table.entry[0].value = address(page) | flags | c_bit;
    directory.entry[1].value   = address(&early_table) | flags;
    (void)*reinterpret_cast<volatile u64*>(views + x86::large_page_size);
    directory.entry[1].value = 0;
}

/// Other tables, of which `early_table` is none: it is a page of shared memory at `views` + 8 KiB.
void leave_early_table(u64 c_bit) {
    later_root.entry[0]  = root(c_bit).entry[0]; // all that there is
    table.entry[2].value = address(&early_table) | flags;
    x86::Cpu::set_cr3(address(&later_root) | c_bit);
}

/// IN of a byte by a call whose GHCB page is the one at `gpa`, of which `view` is the shared view.
u8 read_port_by(volatile u64* view, u64 gpa, u16 port) {
    constexpr u64 in_byte_64 = 0x0211; // SW_EXITINFO1
    constexpr unsigned rax   = static_cast<unsigned>(guests::Field::rax) / sizeof(u64);
    const ghcb::Page& call = guests::prepare(x86::ExitCode::ioio, (u64{port} << 16) | in_byte_64, 0,
                                             guests::always_valid);
    const auto* const words = reinterpret_cast<const volatile u64*>(&call);
    for (unsigned n = 0; n <= last_word; ++n) {
        view[n] = words[n];
    }
    view[rax] = 0;
    x86::Cpu::wrmsr(x86::Msr::ghcb, gpa);
    x86::Cpu::vmgexit();
    return static_cast<u8>(view[rax]);
}

/// The first and the last word of the page through one of the views.
struct View {
    volatile u64* words;

    void write(u64 value) const {
        words[0]         = value;
        words[last_word] = ~value;
    }

    bool holds(u64 value) const { return words[0] == value && words[last_word] == ~value; }

    bool shows_any_of(u64 value) const { return words[0] == value || words[last_word] == ~value; }
};

/// How much memory there is from 4 GiB on, by the CMOS.
u64 high_memory() {
    u64 blocks = 0;
    for (u8 number = 0x5D; number >= 0x5B; --number) {
        x86::Cpu::out8(0x70, number);
        blocks = blocks << 8 | x86::Cpu::in8(0x71);
    }
    return blocks << 16;
}

void use_both_views(guests::Checks& checks) {
    const View private_view{reinterpret_cast<volatile u64*>(views)};
    const View shared_view{reinterpret_cast<volatile u64*>(views + page_size)};
    constexpr u64 first  = 0x0123'4567'89AB'CDEF;
    constexpr u64 second = 0x1111'2222'3333'4444;
    constexpr u64 third  = 0x5555'6666'7777'8888;

    private_view.write(first);
    checks.that(!shared_view.shows_any_of(first), "private data shows through the shared view");
    checks.that(private_view.holds(first), "a read through the shared view destroys private data");

    shared_view.write(second);
    checks.that(shared_view.holds(second), "shared data does not stay");
    checks.that(!private_view.shows_any_of(first), "private data outlives a shared write");
    checks.that(!private_view.shows_any_of(second), "shared data shows through the private view");
    checks.that(shared_view.holds(second), "a read through the private view destroys shared data");

    private_view.write(third);
    checks.that(private_view.holds(third), "private data does not stay");
    checks.that(!shared_view.shows_any_of(second), "shared data outlives a private write");
    checks.that(!shared_view.shows_any_of(third), "private data shows through the shared view");
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    guests::Checks checks;
    if (const u64 size = high_memory(); size != 0) {
        map_views((u64{4} << 30) + size - page_size, info.c_bit);
        use_both_views(checks);
        guests::raw_out(0x3F8, 'H');
    }
    map_views(address(page), info.c_bit);
    use_both_views(checks);

    // A table of the early boot, whose page is shared memory later, as Linux's are.
    constexpr u16 com1_scratch = 0x3FF;
    constexpr u8 letter        = 0x5A;
    walk_early_table(info.c_bit);
    leave_early_table(info.c_bit);
    guests::raw_out(com1_scratch, letter);
    auto* const shared_table = reinterpret_cast<volatile u64*>(views + 2 * page_size);
    checks.that(read_port_by(shared_table, address(&early_table), com1_scratch) == letter,
                "what was a page table shows no shared data");
    checks.end();
}
