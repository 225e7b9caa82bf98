// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload of an SEV-SNP guest that uses each page that boot info calls validated: writes to the
// first and the last word of every 4 KiB, and finds them again once all are written. What RAM is
// not among them is the rest of the stub's 2 MiB. Exit code: how many promises were not kept.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

constinit u8 wrong = 0;

void check(bool holds, const char* what) {
    write(holds ? "accepted: " : "accepted: NO ");
    write(what);
    write('\n');
    wrong = static_cast<u8>(wrong + (holds ? 0 : 1));
}

struct Span {
    u64 base;
    u64 end;

    bool holds(u64 at) const { return at >= base && at < end; }
};

/// Calls `use` for each page that is nobody's.
template <class Use>
u64 for_each_free_page(const vestibule_boot_info& info, Use use) {
    const auto* ranges = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    const u64 region   = info.image_base & ~(x86::large_page_size - 1);
    const Span stub{region, region + x86::large_page_size};
    const Span payload{info.payload_base, info.payload_base + info.payload_size};
    const Span initrd{info.initrd, info.initrd + info.initrd_size};
    u64 pages = 0;
    for (u64 n = 0; n < info.validated_count; ++n) {
        for (u64 at = ranges[n].base; at < ranges[n].base + ranges[n].size; at += page_size) {
            if (!stub.holds(at) && !payload.holds(at) && !initrd.holds(at)) {
                ++pages;
                use(at);
            }
        }
    }
    return pages;
}

volatile u64& word(u64 at) { return *reinterpret_cast<volatile u64*>(at); }

u64 mark_of(u64 at) { return at * 0x9E37'79B9'7F4A'7C15; }

bool is_validated(const vestibule_boot_info& info, u64 at) {
    const auto* ranges = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    for (u64 n = 0; n < info.validated_count; ++n) {
        if (Span{ranges[n].base, ranges[n].base + ranges[n].size}.holds(at)) {
            return true;
        }
    }
    return false;
}

/// RAM that is not validated, in pages.
u64 count_missing(const vestibule_boot_info& info) {
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    u64 missing     = 0;
    for (u64 n = 0; n < info.ram_count; ++n) {
        for (u64 at = ram[n].base; at < ram[n].base + ram[n].size; at += page_size) {
            missing += is_validated(info, at) ? 0 : 1;
        }
    }
    return missing;
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    if (info.platform == vestibule_boot_platform::sev_snp) {
        tell("accepted: SEV-SNP at VMPL ", info.vmpl);
    } else {
        check(false, "SEV-SNP");
    }
    check(info.cpuid_page != 0 && info.secrets_page != 0 && is_validated(info, info.cpuid_page)
              && is_validated(info, info.secrets_page),
          "CPUID and secrets page");
    bool ascending     = info.validated_count != 0;
    const auto* ranges = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    for (u64 n = 1; n < info.validated_count; ++n) {
        ascending = ascending && ranges[n - 1].base + ranges[n - 1].size < ranges[n].base;
    }
    check(ascending, "ranges ascend, apart");
    tell("accepted: RAM not validated, pages ", count_missing(info));
    const u64 pages = for_each_free_page(info, [](u64 at) {
        word(at)                           = mark_of(at);
        word(at + page_size - sizeof(u64)) = ~mark_of(at);
    });
    tell("accepted: free MiB ", pages >> 8);
    u64 lost = 0;
    for_each_free_page(info, [&lost](u64 at) {
        lost +=
            word(at) == mark_of(at) && word(at + page_size - sizeof(u64)) == ~mark_of(at) ? 0 : 1;
    });
    check(lost == 0, "every page keeps what is written");
    x86::Cpu::out8(0xF4, wrong);
    x86::Cpu::halt();
}
