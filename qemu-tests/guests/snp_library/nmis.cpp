// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a kernel asks of the hypervisor and of an SVSM while NMIs come, whose handler asks for
// something itself: of each request one that has begun, by page and by MSR. Run with --hostile
// nmi@N. Exit code 0 if every answer was right.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;

namespace {

constexpr u16 scratch = 0x81; // a DMA page register: keeps what is written
constexpr u8 kept     = 0x5A;

alignas(page_size) constinit u8 page[page_size]{};
constinit vestibule_snp_range ranges[4]{};
constinit vestibule_snp_record record{};
constinit volatile unsigned nmis         = 0;
constinit volatile bool is_kept          = false;
constinit volatile bool wrong_in_handler = false;

/// By a #VC and by a call.
void on_nmi(const vestibule_frame*, void*) {
    nmis                 = nmis + 1;
    const bool was_kept  = is_kept;
    const bool by_vc     = x86::Cpu::in8(scratch) == kept;
    const bool by_a_call = vestibule_in(cpu(), scratch, 1) == kept;
    if (was_kept && !(by_vc && by_a_call)) {
        wrong_in_handler = true;
    }
}

void by_page() {
    check(x86::Cpu::in8(scratch) == kept, "IN");
    u64 features = 0;
    check_reason(vestibule_hypervisor_features(cpu(), &features), 0, "features");
    check((features & 1) != 0, "SEV-SNP");
}

void memory() {
    const u64 at = address_of(page);
    check_reason(vestibule_share(cpu(), at, at, at, &mapper()), 0, "share");
    check_reason(vestibule_unshare(cpu(), at, at, at, &mapper()), 0, "unshare");
    record = {.ranges = ranges, .most = 4, .count = 0};
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory, small_memory, 2 * page_size), 0,
                 "accept");
}

void by_svsm() {
    u32 lowest  = 9;
    u32 highest = 9;
    check_reason(vestibule_svsm_versions(&own_svsm(), 0, &lowest, &highest), 0, "core protocol");
    check(lowest == 1 && highest == 1, "its version");
    u64 commands = 0;
    u64 features = 9;
    check_reason(vestibule_svsm_vtpm_query(&own_svsm(), &commands, &features), 0, "vTPM");
    check(commands == 1u << 8 && features == 0, "TPM commands");
}

} // namespace

void guest_main() {
    start(on_nmi);
    x86::Cpu::out8(scratch, kept);
    is_kept = true;
    by_page();
    memory();
    if (vmpl() != 0) {
        by_svsm();
    }
    check(!wrong_in_handler, "a wrong answer in an NMI's handler");
    say(nmis == 0 ? "no NMI" : nmis == 2 ? "two NMIs" : "another number of NMIs");
    end_run();
}
