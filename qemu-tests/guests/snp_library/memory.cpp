// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory and CPUID by the library: pages shared and taken back, memory accepted once and never
// again, what is refused; and CPUID without a VMGEXIT. Exit code 0 if all was as it should be.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

alignas(page_size) constinit u8 page[page_size]{};
alignas(page_size) constinit u8 alias[page_size]{}; // its addresses
constinit vestibule_snp_range ranges[4]{};
constinit vestibule_snp_record record{};

volatile u64& word_at(u64 linear) { return *reinterpret_cast<volatile u64*>(linear); }

bool is_zero(u64 linear) {
    u64 any = 0;
    for (u64 n = 0; n < page_size; n += sizeof(u64)) {
        any |= word_at(linear + n);
    }
    return any == 0;
}

/// The hypervisor writes the list of APIC IDs there, and into no page that is private (GHCB
/// specification, exit 0x80000017).
bool hypervisor_writes(u64 gpa) {
    static constinit vestibule_call call{}; // in memory that is zero
    call.exit_code = 0x8000'0017;
    call.exitinfo1 = gpa;
    call.reg[0]    = 1; // page
    call.shown = call.wanted = 1;
    return vestibule_ghcb_call(cpu(), &call) == 0 && word_at(gpa) == 1; // one ID, 0
}

void cpuid_from_the_page() {
    const x86::CpuidResult vendor = x86::Cpu::cpuid(0);
    check(vendor.ebx == 0x6874'7541 && vendor.ecx == 0x444D'4163 && vendor.edx == 0x6974'6E65,
          "CPUID 0");
    const x86::CpuidResult encryption = x86::Cpu::cpuid(0x8000'001F);
    check((encryption.eax & 0x1A) == 0x1A && bit(encryption.ebx & 0x3F) == c_bit(),
          "CPUID 0x8000001F");
    const x86::CpuidResult none = x86::Cpu::cpuid(0x4000'0055);
    check((none.eax | none.ebx | none.ecx | none.edx) == 0, "a function that is not there");
    const x86::CpuidResult state = x86::Cpu::cpuid(0xD, 0);
    check(state.ebx == 0x240, "the size of x87 and SSE");
}

void in_place() {
    const u64 at = address_of(page);
    word_at(at)  = 0x5EC2E7;
    check_reason(vestibule_share(cpu(), at, at, at, &mapper()), 0, "share");
    check(is_zero(at), "zeros when shared");
    check(hypervisor_writes(at), "the hypervisor writes there");
    word_at(at) = 0x5A5A;
    check_reason(vestibule_unshare(cpu(), at, at, at, &mapper()), 0, "unshare");
    check(is_zero(at), "zeros when private");
    check((entry_of(at).value & c_bit()) != 0, "the C-bit is back");
    check_reason(vestibule_unshare(cpu(), at, at, at, &mapper()), of(reason::share_address),
                 "a page that is private");
}

void by_an_alias() {
    const u64 at    = address_of(page);
    const u64 other = address_of(alias);
    check_reason(vestibule_share(cpu(), at, other, at, &mapper()), 0, "share by an alias");
    check((entry_of(at).value & c_bit()) != 0, "the direct map stays");
    check(is_zero(other), "zeros by the alias");
    check_reason(vestibule_unshare(cpu(), other, at, at, &mapper()), 0, "unshare from an alias");
    check(is_zero(at), "zeros in the direct map");
}

void accepted_once() {
    constexpr u64 size = 3 * page_size;
    record             = {.ranges = ranges, .most = 4, .count = 0};
    check_reason(vestibule_snp_has_accepted(&record, address_of(page) & ~(x86::large_page_size - 1),
                                            address_of(image_end) + 2 * page_size),
                 0, "what the launch has validated");
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory, small_memory, size), 0,
                 "pages of 4 KiB");
    word_at(small_memory + page_size) = 0x1234;
    check_reason(
        vestibule_snp_accept(cpu(), &record, small_memory, small_memory, 2 * x86::large_page_size),
        0, "the rest of 4 MiB");
    check(word_at(small_memory + page_size) == 0x1234,
          "a page that was accepted before is the same");
    check(record.count == 2 && record.ranges[1].base == small_memory
              && record.ranges[1].end == small_memory_end,
          "the record");
    // A service at VMPL 0 reaches as far as its page tables.
    const u64 large_pages = vmpl() == 0 ? 8 : 2;
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory_end, small_memory_end,
                                      large_pages * x86::large_page_size),
                 0, "pages of 2 MiB");
    word_at(small_memory_end + (large_pages - 1) * x86::large_page_size) = 0x5678;
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory, small_memory,
                                      small_memory_end - small_memory),
                 0, "all of it again");
    check(word_at(small_memory + page_size) == 0x1234, "nothing was validated again");
    check_reason(vestibule_snp_has_accepted(&record, small_memory, small_memory + page_size),
                 of(reason::snp_accepted_already), "in the record already");
    check_reason(
        vestibule_snp_accept(cpu(), &record, small_memory + 1, small_memory + 1, page_size),
        of(reason::call_argument), "no page's address");
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory, small_memory, ~u64{0xFFF}),
                 of(reason::call_argument), "beyond the C-bit");
}

/// Given back, and taken anew: the steps alone.
void given_back() {
    const u64 at = small_memory + 8 * page_size;
    check_reason(vestibule_snp_rescind(at, 2 * page_size), 0, "rescinded");
    check_reason(vestibule_snp_change_pages(cpu(), at, 2, 1), 0, "the hypervisor's");
    check_reason(vestibule_snp_change_pages(cpu(), at, 2, 0), 0, "the guest's");
    check_reason(vestibule_snp_validate(at, 2 * page_size), 0, "validated");
    check_reason(vestibule_snp_validate(at, page_size), of(reason::snp_validated_twice),
                 "validated twice");
    check_reason(vestibule_snp_validate(at + 1, page_size), of(reason::call_argument),
                 "no page's address");
    check_reason(vestibule_snp_change_pages(cpu(), at, 0, 0), of(reason::call_argument),
                 "no page at all");
    check_reason(vestibule_snp_change_pages(cpu(), c_bit(), 1, 0), of(reason::call_argument),
                 "beyond the C-bit");
}

} // namespace

void guest_main() {
    start();
    cpuid_from_the_page();
    in_place();
    by_an_alias();
    accepted_once();
    if (vmpl() == 0) {
        given_back();
    }
    say("memory");
    end_run();
}
