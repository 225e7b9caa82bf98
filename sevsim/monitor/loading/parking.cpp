// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/loading/parking.h"

#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

using namespace vestibule;

extern "C" {
extern const u8 parking_page[]; // park.asm
extern const u8 parking_code[];
extern const u8 parking_page_end[];
}

namespace vestibule::sevsim {

namespace {

using linux_boot::E820Entry;

/// Below 1 MiB, where real mode reaches, and at the end of it, where firmware reserves some anyway.
constexpr u64 parking_gpa = 0x9'E000;

} // namespace

void reserve_parking(linux_boot::BootParameters& parameters) {
    for (unsigned n = 0; n < parameters.e820_entries; ++n) {
        E820Entry& range = parameters.e820_table[n];
        const u64 end    = range.address + range.size;
        if (range.type == E820Entry::usable && range.address <= parking_gpa && end > parking_gpa
            && end <= parking_gpa + 2 * page_size) {
            range.size                                       = parking_gpa - range.address;
            parameters.e820_table[parameters.e820_entries++] = {parking_gpa, page_size,
                                                                E820Entry::reserved};
            return;
        }
    }
    end_run_by_monitor_error("firmware's memory map leaves no room for the second vCPU (--smp)");
}

void park_processors(std::span<Vcpu> vcpus) {
    memcpy(private_memory(parking_gpa), parking_page,
           static_cast<size_t>(parking_page_end - parking_page));
    set_ap_jump_table(parking_gpa);
    for (Vcpu& vcpu : vcpus.subspan(1)) {
        reset(vcpu);
        vcpu.state().cs.selector = static_cast<u16>(parking_gpa >> 4);
        vcpu.state().cs.base     = parking_gpa;
        vcpu.state().rip         = static_cast<u64>(parking_code - parking_page);
        vcpu.ghcb_msr            = ghcb_msr_at_reset(vcpu.options);
        vcpu.activity            = Activity::running;
    }
}

} // namespace vestibule::sevsim
