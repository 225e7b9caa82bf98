// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/lies.h"

#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/processor/vcpu.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/sev.h"

#include <iterator>

namespace vestibule::sevsim {

namespace {

/// By lies of the plan: the guest has come to the place of Lie::msr_within.
constinit bool stands_at_msr[most_lies]{};

} // namespace

void flip_register(x86::CpuidResult& result, const Hostility& lie) {
    u32* const registers[] = {&result.eax, &result.ebx, &result.ecx, &result.edx};
    *registers[(lie.within - 1) % std::size(registers)] ^= low_half(lie.code);
}

bool tells(const Options& options, Lie lie) {
    if (!options.hostile.has(lie)) {
        return false;
    }
    report_lie(lies[static_cast<unsigned>(lie) - 1].name, options.trace || options.timeline);
    return true;
}

const Hostility* told_now(const Options& options, Lie lie) {
    static constinit u64 moments[lie_count]{};
    if (!options.hostile.has(lie)) {
        return nullptr;
    }
    const u64 moment = ++moments[static_cast<size_t>(lie)];
    for (const Hostility& one : options.hostile) {
        if (one.lie == lie && one.at == moment) {
            (void)tells(options, lie);
            return &one;
        }
    }
    return nullptr;
}

unsigned told_c_bit_position(const Options& options) {
    return tells(options, Lie::cbit_position) || tells(options, Lie::cbit_information)
               ? options.wrong_c_bit_position()
               : options.c_bit_position;
}

x86::CpuidResult told_cpuid(const Options& options, u32 leaf, x86::CpuidResult honest) {
    if (leaf == x86::cpuid_leaf::memory_encryption && tells(options, Lie::no_sev)) {
        honest.eax = 0;
    }
    if (leaf == x86::cpuid_leaf::memory_encryption && tells(options, Lie::no_sev_es)) {
        honest.eax &= ~x86::cpuid_sev_es;
    }
    if (leaf == x86::cpuid_leaf::memory_encryption
        && (tells(options, Lie::cbit_cpuid) || tells(options, Lie::cbit_position))) {
        honest.ebx -= 1; // the position is its lowest field: wrong_c_bit_position()
    }
    for (const Hostility& one : options.hostile) {
        static constinit u64 questions[most_lies]{}; // by lies of the plan
        if (one.lie == Lie::cpuid_flip && high_half(one.code) == leaf
            && ++questions[&one - options.hostile.begin()] >= one.at) {
            (void)tells(options, Lie::cpuid_flip);
            flip_register(honest, one);
        }
    }
    return honest;
}

u64 told_cpuid_response(const Options& options, u64 honest) {
    if (tells(options, Lie::response_code)) {
        return honest ^ 0x002; // 0x007: an answer, but to another request
    }
    if (tells(options, Lie::cpuid_register)) {
        return honest ^ bit(30);
    }
    return honest;
}

u64 told_features(const Options& options) {
    return tells(options, Lie::features) ? options.hostile.find(Lie::features)->code
                                         : hypervisor_features(options);
}

bool takes_msr(const Options& options, u32 number) {
    for (const Hostility& one : options.hostile) {
        if (one.code == number
            && (one.lie == Lie::msr
                || (one.lie == Lie::msr_within && stands_at_msr[&one - options.hostile.begin()]))) {
            return true;
        }
    }
    return false;
}

void take_msr(const Options& options, const Hostility& lie) {
    stands_at_msr[&lie - options.hostile.begin()] = true;
    intercept_msr(static_cast<u32>(lie.code));
}

u32 told_port_value(const Options& options, u16 port, u32 honest) {
    constexpr u16 dma_page_first = 0x81;
    constexpr u16 dma_page_last  = 0x83;
    const bool is_dma_page       = port >= dma_page_first && port <= dma_page_last;
    return is_dma_page && tells(options, Lie::port_data) ? honest ^ 0x10 : honest;
}

} // namespace vestibule::sevsim
