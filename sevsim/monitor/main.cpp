// SPDX-License-Identifier: BSD-2-Clause-Patent
// The monitor: boots under plain QEMU as the first-level hypervisor and turns the machine into an
// SEV-ES one for its guest (the method: docs/architecture.md).
#include "sevsim/monitor/batch.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/loading/loader.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/own_tables.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/multiboot.h"
#include "sevsim/monitor/options.h"
#include "sevsim/monitor/processor/own_exceptions.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/processor/tsc_frequency.h"
#include "sevsim/monitor/processor/vcpu.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/profile.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/monitor/recording/show_debugger.h"
#include "sevsim/monitor/recording/timeline.h"
#include "sevsim/monitor/secure_processor/launch.h"
#include "sevsim/monitor/secure_processor/secure_tsc.h"
#include "x86/cpu.h"

#include <iterator>

using namespace vestibule;
using namespace vestibule::sevsim;

extern "C" [[noreturn]] void monitor_main(u32 multiboot_information, u64 physical);

namespace {

/// The legacy timer would interrupt the guest from its first instruction on (QEMU's SVM passes IRQ
/// 0 through).
void mask_legacy_interrupts() {
    constexpr u16 masters = 0x21;
    constexpr u16 slaves  = 0xA1;
    x86::Cpu::out8(masters, 0xFF);
    x86::Cpu::out8(slaves, 0xFF);
}

/// What SeaBIOS and QEMU have handed over.
constinit const MultibootInformation* information = nullptr;
constinit GuestFiles files{};

/// The files, moved out of low memory, which is to be the guest's, each at a page boundary. What
/// the secure processor is given comes first: for a launch for SEV-SNP, or an owner's secret. Plans
/// come last.
std::span<const u8> take_files(const Options& options) {
    std::span<u8> all[7];
    if ((information->flags & MultibootInformation::has_modules) == 0
        || information->module_count == 0 || information->module_count > std::size(all)) {
        end_run_by_monitor_error("started without the guest's files");
    }
    u8* to = layout::at_physical(layout::private_base + options.map().end());
    for (u32 n = 0; n < information->module_count; ++n) {
        const auto& module = layout::at_physical<const MultibootModule>(information->modules)[n];
        const u64 size     = module.end - module.begin;
        sevsim::memcpy(to, layout::at_physical(module.begin), size);
        all[n] = {to, size};
        to += (size + page_size - 1) & ~(page_size - 1);
    }
    set_hidden_end(reinterpret_cast<u64>(to));
    std::span<std::span<u8>> guests = std::span{all}.first(information->module_count);
    if (options.is_snp()) {
        take_launch_module(all[0]);
        guests = guests.subspan(1);
    } else if (options.secret) {
        take_launch_secret(all[0]);
        guests = guests.subspan(1);
    }
    std::span<const u8> plans;
    if (options.batch && !guests.empty()) {
        plans  = guests.back();
        guests = guests.first(guests.size() - 1);
    }
    const auto file = [guests](size_t n) {
        return n < guests.size() ? guests[n] : std::span<u8>{};
    };
    if (options.guest != GuestKind::kernel) {
        files = {.guest        = file(0),
                 .command_line = file(3),
                 .initrd       = file(4),
                 .hashes       = file(1),
                 .kernel       = file(2)};
    } else {
        files = {.guest        = file(0),
                 .command_line = file(1),
                 .initrd       = file(2),
                 .hashes       = {},
                 .kernel       = {}};
    }
    return plans;
}

void load_guest() {
    const Options& options = vcpus()[0].options;
    // Firmware takes away the timer that it is measured by.
    u64 khz = secure_tsc::is_on(options) ? tsc_frequency_khz() : 0;
    if (options.guest == GuestKind::igvm && !options.is_native()) {
        encrypt_shared_memory(options); // in which a file may have pages of its own
    }
    switch (options.guest) {
    case GuestKind::igvm: load_igvm(vcpus(), files); break;
    case GuestKind::kernel: load_kernel(vcpus(), files, *information); break;
    case GuestKind::firmware: load_firmware(vcpus(), files); break;
    }
    if (options.guest != GuestKind::igvm && !options.is_native()) {
        encrypt_shared_memory(options);
    }
    if (options.secret) {
        put_launch_secret();
    }
    if (options.is_snp()) {
        if (khz == 0 && secure_tsc::is_on(options)) { // an IGVM file's VMSA wants it
            khz = tsc_frequency_khz();
        }
        secure_tsc::launch(vcpus(), khz);
        nested::end_launch(options.map().end());
    }
}

/// Loads the guest and enters it. All that it is to be is told by `options`, the hypervisor's lies
/// too.
[[noreturn]] void start_guest(const Options& options) {
    build_nested_tables(options);
    if (options.profile) {
        calibrate_profile(options);
    }
    for (Vcpu& vcpu : vcpus()) {
        initialise(vcpu, options);
    }
    load_guest();
    set_reported_vcpu(vcpus()[0]);
    // Measured, which takes a moment: only for who wants to know when something was.
    const bool is_timed = options.trace || options.timeline || options.from.is_given();
    const u64 khz       = is_timed ? tsc_frequency_khz() : 0;
    Record start("start");
    start.text("platform", platform_names[static_cast<unsigned>(options.platform)])
        .number("c_bit", options.c_bit_position)
        .number("memory", options.memory)
        .number("vcpus", options.vcpus);
    if (khz != 0) {
        start.number("tsc_hz", khz * 1000).number("time", x86::Cpu::rdtsc());
    }
    start.end();
    if (options.timeline) {
        start_timeline(khz);
    }
    leaks::plant_in_vector_registers(options);
    show_debugger(options);
    release_processors();
    run(vcpus()[0]);
}

} // namespace

void monitor_main(u32 multiboot_information, u64 physical) {
    layout::found_at(physical);
    catch_own_exceptions();
    map_own_memory();
    mask_legacy_interrupts();
    information = layout::at_physical<const MultibootInformation>(multiboot_information);
    Options options;
    if ((information->flags & MultibootInformation::has_command_line) == 0
        || !parse_options(layout::at_physical<const char>(information->command_line), options)) {
        end_run_by_monitor_error("the monitor's command line is not understood");
    }
    layout::divide(options.map());
    if (options.map().device() != physical) {
        end_run_by_monitor_error("this machine has its memory where a pc does not (QEMU's -machine "
                                 "and -m are sevsim's to give)");
    }
    start_processors(options);
    const std::span<const u8> plans = take_files(options);
    if (options.batch) {
        batch::begin(options, {files, *information}, plans, start_guest);
    }
    start_guest(options);
}
