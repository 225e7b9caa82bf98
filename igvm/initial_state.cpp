// The page of page tables and the registers; see initial_state.h.
#include "igvm/initial_state.h"

#include "x86/descriptor.h"
#include "x86/registers.h"

namespace vestibule::igvm {

using x86::PageTableEntry;
using x86::Segment;
using x86::SegmentAttributes;
using x86::table_index;

bool is_loadable_base(u64 base) {
    if (base % x86::large_page_size != 0 || base < x86::large_page_size || base >= u64{1} << 32) {
        return false;
    }
    const unsigned directory = table_index(base, 2);
    return directory != 0 && directory != table_index(base, 3);
}

// Measuring a page at launch costs about a millisecond, so one page is PML4, PDPT and page
// directory at once. A walk for an address in base's 2 MiB takes, with k and j the address's
// indexes into PDPT and page directory (its PML4 index is 0, as everywhere below 512 GiB):
//
//     CR3 -> this page as PML4, entry[0] -> this page
//            this page as PDPT, entry[k] -> this page
//            this page as page directory, entry[j] -> the 2 MiB page at base
//
// Hence three entries, or two where k is 0: entry[0] and entry[k] point to the page itself and
// entry[j] is the large page. They collide where j is 0 or k, which is_loadable_base() refuses: the
// entry would have to be table and page at once.
//
// The same three entries read at another level also map a few addresses that nobody asked for (the
// page itself appears at k GiB, for one), all of them to within the image's 2 MiB; entry[j] as a
// 1 GiB page is no mapping at all, since its address is not on a GiB and so has reserved bits set.
// The stub replaces all this by tables of its own before it calls anything.
//
// Every entry carries the C-bit, since the stub's memory is private. CR3 does not need it: a guest
// always walks its tables as private memory. Accessed and dirty bits are set so that the walk
// writes nothing into a page that has been measured.
x86::PageTable initial_page_table(u64 base, u64 c_bit) {
    constexpr u64 used =
        PageTableEntry::present | PageTableEntry::writable | PageTableEntry::accessed;
    x86::PageTable page{};
    page.entry[0].value                    = base | c_bit | used;
    page.entry[table_index(base, 3)].value = base | c_bit | used;
    page.entry[table_index(base, 2)].value =
        base | c_bit | used | PageTableEntry::dirty | PageTableEntry::large;
    return page;
}

/// What both platforms have in common.
static constexpr u64 initial_cr0 =
    x86::cr0::pg | x86::cr0::wp | x86::cr0::ne | x86::cr0::et | x86::cr0::pe;
static constexpr u64 initial_cr4  = x86::cr4::pae | x86::cr4::mce;
static constexpr u64 initial_efer = x86::efer::nxe | x86::efer::lma | x86::efer::lme;

static constexpr u16 code_selector = 0x08;
static constexpr u16 data_selector = 0x10;
static constexpr u32 whole_limit   = ~u32{0};

static constexpr Segment segment(u16 selector, SegmentAttributes attributes, u32 limit) {
    return {.selector   = selector,
            .attributes = static_cast<u16>(attributes),
            .limit      = limit,
            .base       = 0};
}

// KVM changes some registers on their way into the VMSA: it sets EFER.SVME and CR4.MCE and clears
// CR0.CD and CR0.NW; QEMU sets CR0.ET and takes TR's base from LDTR. All of that is already so
// here, so that the launch digest is that of this very page.
x86::Vmsa initial_vmsa(u64 base, u64 entry) {
    const Segment data = segment(data_selector, SegmentAttributes::data, whole_limit);
    x86::Vmsa vmsa{};
    vmsa.es      = data;
    vmsa.cs      = segment(code_selector, SegmentAttributes::code64, whole_limit);
    vmsa.ss      = data;
    vmsa.ds      = data;
    vmsa.fs      = data;
    vmsa.gs      = data;
    vmsa.ldtr    = segment(0, SegmentAttributes::ldt, 0xFFFF);
    vmsa.tr      = segment(0, SegmentAttributes::busy_task, 0xFFFF);
    vmsa.efer    = initial_efer | x86::efer::svme;
    vmsa.cr4     = initial_cr4;
    vmsa.cr3     = base;
    vmsa.cr0     = initial_cr0;
    vmsa.dr7     = x86::dr7_reset;
    vmsa.dr6     = x86::dr6_reset;
    vmsa.rflags  = x86::rflags::reserved_one;
    vmsa.rip     = entry;
    vmsa.g_pat   = x86::pat_reset;
    vmsa.xcr0    = 1;      // x87, the least there is
    vmsa.mxcsr   = 0x1F80; // reset values of the FPU, which KVM_SEV_INIT2 guests get
    vmsa.x87_fcw = 0x037F;
    return vmsa;
}

NativeVpContext initial_native_context(u64 base, u64 entry) {
    NativeVpContext context{};
    context.rip    = entry;
    context.rflags = x86::rflags::reserved_one;
    context.code   = {.selector   = code_selector,
                      .attributes = x86::native_attributes(SegmentAttributes::code64),
                      .base       = 0,
                      .limit      = whole_limit};
    context.data   = {.selector   = data_selector,
                      .attributes = x86::native_attributes(SegmentAttributes::data),
                      .base       = 0,
                      .limit      = whole_limit};
    context.cr0    = initial_cr0;
    context.cr3    = base;
    context.cr4    = initial_cr4;
    context.efer   = initial_efer;
    return context;
}

} // namespace vestibule::igvm
