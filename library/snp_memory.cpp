// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory and CPUID of an SEV-SNP guest (include/vestibule/snp.h), for kernels: what snp/ does, by a
// kernel's own mappings.
#include "include/vestibule/snp.h"
#include "library/cpu.h"
#include "library/cpuid_table.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/page_change.h"
#include "library/per_cpu.h"
#include "library/svsm.h"
#include "snp/acceptance.h"

using namespace vestibule;
using ghcb::Outcome;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

static_assert(sizeof(vestibule_snp_record) == sizeof(snp::AcceptanceRecord)
              && sizeof(vestibule_snp_range) == sizeof(snp::Range)
              && offsetof(vestibule_snp_range, end) == offsetof(snp::Range, end));

/// The same words; it is changed in place, before anything is validated.
snp::AcceptanceRecord& record_of(vestibule_snp_record& record) {
    return reinterpret_cast<snp::AcceptanceRecord&>(record);
}

/// Below VMPL 0: assigned in lists of small pages, then validated by the SVSM, which goes by what
/// the reverse map table has.
vestibule_reason accept_by_svsm(vestibule_cpu& cpu, snp::AcceptanceRecord& record,
                                snp::Range wanted, u64 direct_map) {
    const PerCpu& block = PerCpu::of(cpu);
    for (;;) {
        snp::Range gap = record.first_gap(wanted);
        if (gap.base == gap.end) {
            return 0;
        }
        constexpr u64 longest = snp::most_page_state_entries * page_size;
        gap.end               = gap.end - gap.base > longest ? gap.base + longest : gap.end;
        if (!record.add(gap)) {
            return library::public_reason(reason::snp_accepted_already);
        }
        vestibule_reason result = library::change_pages(
            cpu, gap.base, (gap.end - gap.base) / page_size, snp::PageOperation::make_private);
        if (result == 0) {
            const library::InterruptsOff off;
            result = library::as_reason(snp::set_validated_by_svsm<library::Cpu>(
                library::svsm_of(*block.setup.svsm), gap, true));
        }
        if (result != 0) {
            return result;
        }
        if (library::acceptance_of(block.context).evicts) {
            snp::evict<library::Cpu>(direct_map + gap.base, gap.end - gap.base);
        }
    }
}

bool is_pages(u64 address, u64 size) {
    return (address | size) % page_size == 0 && size != 0 && address + size - 1 >= address;
}

vestibule_reason set_validated(u64 linear, u64 size, bool validate) {
    if (!is_pages(linear, size)) {
        return library::public_reason(reason::call_argument);
    }
    const u64 end = linear + size;
    while (linear != end) {
        const snp::RmpPageSize page = snp::largest_at(linear, end);
        const Outcome outcome       = snp::set_validated<library::Cpu>(linear, page, validate);
        if (!outcome.is_done()) {
            return library::as_reason(outcome);
        }
        linear += snp::bytes_of(page);
    }
    return 0;
}

} // namespace

vestibule_reason vestibule_snp_open_cpuid_page(vestibule_cpuid_table* table, const void* page,
                                               uint64_t c_bit) {
    snp::CpuidTable& opened = library::table_of(*table);
    const auto* checked     = static_cast<const snp::CpuidPage*>(page);
    const Outcome outcome   = snp::open_cpuid_page(*checked, opened.index, c_bit);
    if (outcome.is_done()) {
        opened.page = checked;
    }
    return library::as_reason(outcome);
}

vestibule_reason vestibule_snp_share_early(uint64_t now_at, uint64_t gpa,
                                           const vestibule_svsm* svsm) {
    if ((now_at | gpa) % page_size != 0) {
        return library::public_reason(reason::call_argument);
    }
    library::flush_page(now_at);
    Outcome outcome = library::set_validated(svsm, now_at, gpa, false);
    if (outcome.is_done()) {
        outcome = snp::change_page_by_msr<library::Cpu>(gpa, snp::PageOperation::make_shared);
    }
    return library::as_reason(outcome);
}

vestibule_reason vestibule_snp_has_accepted(vestibule_snp_record* record, uint64_t base,
                                            uint64_t end) {
    return (base | end) % page_size == 0 && record_of(*record).add({base, end})
               ? vestibule_reason{0}
               : library::public_reason(reason::snp_accepted_already);
}

vestibule_reason vestibule_snp_accept(vestibule_cpu* cpu, vestibule_snp_record* record,
                                      uint64_t linear, uint64_t gpa, uint64_t size) {
    vc::Context& context = PerCpu::of(*cpu).context;
    if (!is_pages(gpa, size) || !is_pages(linear, size) || gpa + size > context.c_bit
        || context.cpuid_table == nullptr || (linear - gpa) % x86::large_page_size != 0) {
        return library::public_reason(reason::call_argument);
    }
    if (!context.ghcb.has_room()) {
        return library::public_reason(reason::ghcb_reentered);
    }
    if (PerCpu::of(*cpu).setup.svsm != nullptr) {
        return accept_by_svsm(*cpu, record_of(*record), {gpa, gpa + size}, linear - gpa);
    }
    return library::as_reason(snp::accept_rest<library::Cpu, library::InterruptsOff>(
        context.ghcb, record_of(*record), {gpa, gpa + size}, library::acceptance_of(context),
        [linear, gpa](u64 page) { return linear + (page - gpa); }));
}

vestibule_reason vestibule_snp_validate(uint64_t linear, uint64_t size) {
    return set_validated(linear, size, true);
}

vestibule_reason vestibule_snp_rescind(uint64_t linear, uint64_t size) {
    return set_validated(linear, size, false);
}

vestibule_reason vestibule_snp_change_pages(vestibule_cpu* cpu, uint64_t gpa, uint64_t pages,
                                            int is_shared) {
    const PerCpu& block = PerCpu::of(*cpu);
    if (gpa % page_size != 0 || pages == 0 || pages > (block.context.c_bit - gpa) / page_size
        || gpa >= block.context.c_bit) {
        return library::public_reason(reason::call_argument);
    }
    while (pages != 0) { // interrupts may come in between
        const u64 part =
            pages < snp::most_page_state_entries ? pages : snp::most_page_state_entries;
        const vestibule_reason reason = library::change_pages(
            *cpu, gpa, part,
            is_shared != 0 ? snp::PageOperation::make_shared : snp::PageOperation::make_private);
        if (reason != 0) {
            return reason;
        }
        gpa += part * page_size;
        pages -= part;
    }
    return 0;
}
