// One page through both views: what stands in one is not to be had through the other, reading
// through the wrong view destroys nothing, and writing through it destroys what was there (APM
// volume 2, section 15.34.4: the two see the same memory, encrypted and not).
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/page_table.h"

using namespace vestibule;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

constinit PageTable directory{};
constinit PageTable table{};
alignas(page_size) constinit u8 page[page_size]{};

constexpr u64 views          = u64{8} << 30; // a linear address that the stub does not map
constexpr unsigned last_word = page_size / sizeof(u64) - 1;

PageTable& table_behind(PageTableEntry entry, u64 c_bit) {
    return *reinterpret_cast<PageTable*>(entry.address(c_bit));
}

/// The page with the C-bit at `views`, without it in the page after.
void map_views(u64 c_bit) {
    constexpr u64 flags      = PageTableEntry::present | PageTableEntry::writable;
    const auto address       = [](const void* object) { return reinterpret_cast<u64>(object); };
    table.entry[0].value     = address(page) | flags | c_bit;
    table.entry[1].value     = address(page) | flags;
    directory.entry[0].value = address(&table) | flags | c_bit;
    PageTable& root =
        *reinterpret_cast<PageTable*>(x86::Cpu::cr3() & ~c_bit & PageTableEntry::address_mask);
    table_behind(root.entry[0], c_bit).entry[x86::table_index(views, 3)].value =
        address(&directory) | flags | c_bit;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
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

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    map_views(info.c_bit);
    const View private_view{reinterpret_cast<volatile u64*>(views)};
    const View shared_view{reinterpret_cast<volatile u64*>(views + page_size)};
    constexpr u64 first  = 0x0123'4567'89AB'CDEF;
    constexpr u64 second = 0x1111'2222'3333'4444;
    constexpr u64 third  = 0x5555'6666'7777'8888;
    guests::Checks checks;

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
    checks.end();
}
