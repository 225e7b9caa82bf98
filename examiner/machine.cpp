// SPDX-License-Identifier: BSD-2-Clause-Patent
// See machine.h: what boot info tells, and ports.
#include "examiner/machine.h"

#include "examiner/conversation.h"
#include "examiner/port_access.h"

namespace vestibule::examiner {

namespace {

constinit const BootInfo* told = nullptr;
constinit u64 vcs_expected     = 0;
constinit u64 gps_expected     = 0;

} // namespace

const BootInfo& info() { return *told; }

void set_info(const BootInfo& info) { told = &info; }

bool has_second_vcpu() { return info().ap_mailbox != 0 && info().vcpus > 1; }

bool is_snp() { return info().platform == boot::Platform::sev_snp; }

u8 read_port(u16 port) {
    if (info().platform == boot::Platform::native) {
        return x86::Cpu::in8(port);
    }
    return static_cast<u8>(perform(call_of(ExitCode::ioio, port_in(port, 1))).rax);
}

void write_port(u16 port, u8 value) {
    if (info().platform == boot::Platform::native) {
        x86::Cpu::out8(port, value);
        return;
    }
    (void)perform(call_of(ExitCode::ioio, port_out(port, 1)).with_rax(value));
}

void expect_vcs(u64 count) { vcs_expected += count; }

u64 expected_vcs() { return vcs_expected; }

void expect_gps(u64 count) { gps_expected += count; }

u64 expected_gps() { return gps_expected; }

void wait_some(u64 rounds) {
    for (u64 n = 0; n < rounds; ++n) {
        x86::Cpu::pause();
    }
}

bool wait_for(const volatile u64& word, u64 value) {
    constexpr u64 patience = 50'000'000;
    for (u64 n = 0; n < patience && word != value; ++n) {
        x86::Cpu::pause();
    }
    return word == value;
}

} // namespace vestibule::examiner
