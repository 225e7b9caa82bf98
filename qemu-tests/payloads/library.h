// SPDX-License-Identifier: BSD-2-Clause-Patent
// Payloads of an SEV-SNP guest that go on with the library, on the stub's page tables and GHCB
// page, at any VMPL: to accept memory themselves (`igvmtool build --accept payload`).
#pragma once

#include "boot/boot_info.h"
#include "include/vestibule/snp.h"
#include "qemu-tests/payloads/gates.h"

namespace vestibule::payloads {

inline volatile u64& word(u64 at) { return *reinterpret_cast<volatile u64*>(at); }

/// What such a payload leaves at an address, to find it again.
inline u64 mark_of(u64 at) { return at * 0x9E37'79B9'7F4A'7C15; }

inline void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

class Library {
  public:
    void start(const vestibule_boot_info& info) {
        must(vestibule_snp_open_cpuid_page(&table, reinterpret_cast<const void*>(info.cpuid_page),
                                           info.c_bit));
        must(vestibule_svsm_find(&svsm, reinterpret_cast<const void*>(info.secrets_page)));
        svsm.area = svsm.area_gpa;
        vestibule_setup setup{};
        setup.ghcb             = reinterpret_cast<void*>(info.ghcb_gpa);
        setup.ghcb_gpa         = info.ghcb_gpa;
        setup.c_bit            = info.c_bit;
        setup.kernel_code      = code;
        setup.protocol_version = info.ghcb_version;
        setup.cpuid_table      = &table;
        setup.svsm             = svsm.vmpl != 0 ? &svsm : nullptr;
        must(vestibule_cpu_start(cpu(), &setup));
        vestibule_boot_entry_serves(cpu());
        gates.load(x86::InterruptGate::to(reinterpret_cast<u64>(&vestibule_boot_entry), code));
        const auto* validated = reinterpret_cast<const vestibule_memory_range*>(info.validated);
        for (u64 n = 0; n < info.validated_count; ++n) {
            must(vestibule_snp_has_accepted(&record, validated[n].base,
                                            validated[n].base + validated[n].size));
        }
    }

    /// What is mapped from `linear` on.
    void accept(u64 linear, u64 gpa, u64 size) {
        must(vestibule_snp_accept(cpu(), &record, linear, gpa, size));
    }

  private:
    static constexpr u16 code = 0x08; // the stub's GDT
    static constexpr u32 most = 64;

    vestibule_cpu* cpu() { return reinterpret_cast<vestibule_cpu*>(cpu_memory); }

    alignas(VESTIBULE_CPU_SIZE) u8 cpu_memory[VESTIBULE_CPU_SIZE]{};
    vestibule_cpuid_table table{};
    vestibule_svsm svsm{};
    vestibule_snp_range ranges[most]{};
    vestibule_snp_record record{.ranges = ranges, .most = most, .count = 0};
    Gates gates;
};

} // namespace vestibule::payloads
