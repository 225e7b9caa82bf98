// The monitor: boots under plain QEMU as the first-level hypervisor and turns the machine into an
// SEV-ES one for its guest (the method: README.md).
#include "sevsim/monitor/exits.h"
#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/loader.h"
#include "sevsim/monitor/memory.h"
#include "sevsim/monitor/multiboot.h"
#include "sevsim/monitor/nested_tables.h"
#include "sevsim/monitor/options.h"
#include "sevsim/monitor/outcome.h"
#include "sevsim/monitor/own_tables.h"
#include "sevsim/monitor/profile.h"
#include "sevsim/monitor/records.h"
#include "sevsim/monitor/vcpu.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"

#include <iterator>

using namespace vestibule;
using namespace vestibule::sevsim;

extern "C" {
extern u8 monitor_exception_entry[];
[[noreturn]] void monitor_exception(const u64* stack, u64 cr2);
[[noreturn]] void monitor_main(u32 multiboot_information);
}

namespace {

constinit Vcpu vcpu{};
constinit x86::InterruptGate idt[x86::exception::count]{};

constexpr u16 code_selector = 8;

void catch_own_exceptions() {
    for (x86::InterruptGate& gate : idt) {
        gate =
            x86::InterruptGate::to(reinterpret_cast<u64>(monitor_exception_entry), code_selector);
    }
    const x86::TableRegister idtr{.limit = sizeof(idt) - 1, .base = reinterpret_cast<u64>(idt)};
    x86::Cpu::lidt(idtr);
}

/// The legacy timer would interrupt the guest from its first instruction on (QEMU's SVM passes IRQ
/// 0 through).
void mask_legacy_interrupts() {
    constexpr u16 masters = 0x21;
    constexpr u16 slaves  = 0xA1;
    x86::Cpu::out8(masters, 0xFF);
    x86::Cpu::out8(slaves, 0xFF);
}

/// The files, moved out of low memory, which is to be the guest's, each at a page boundary.
GuestFiles take_files(const MultibootInformation& information, const Options& options) {
    std::span<u8> files[3];
    if ((information.flags & MultibootInformation::has_modules) == 0
        || information.module_count == 0 || information.module_count > std::size(files)) {
        end_run_by_monitor_error("started without the guest's files");
    }
    u8* to = layout::at_physical(layout::private_base + options.memory);
    for (u32 n = 0; n < information.module_count; ++n) {
        const auto& module = layout::at_physical<const MultibootModule>(information.modules)[n];
        const u64 size     = module.end - module.begin;
        memcpy(to, layout::at_physical(module.begin), size);
        files[n] = {to, size};
        to += (size + page_size - 1) & ~(page_size - 1);
    }
    return {files[0], files[1], files[2]};
}

void load_guest(const GuestFiles& files, const MultibootInformation& information) {
    switch (vcpu.options.guest) {
    case GuestKind::igvm: load_igvm(vcpu, files.guest); break;
    case GuestKind::kernel: load_kernel(vcpu, files, information); break;
    case GuestKind::firmware: load_firmware(vcpu, files.guest); break;
    }
    if (vcpu.options.platform == Platform::sev_es) {
        encrypt_shared_memory();
    }
}

} // namespace

void monitor_exception(const u64* stack, u64 cr2) {
    Record("monitor-exception")
        .hex("cr2", cr2)
        .hex("stack0", stack[0])
        .hex("stack1", stack[1])
        .hex("stack2", stack[2])
        .end();
    end_run_by_monitor_error("the monitor itself took an exception");
}

void monitor_main(u32 multiboot_information) {
    catch_own_exceptions();
    map_own_memory();
    mask_legacy_interrupts();
    const auto* information =
        layout::at_physical<const MultibootInformation>(multiboot_information);
    Options options;
    if ((information->flags & MultibootInformation::has_command_line) == 0
        || !parse_options(layout::at_physical<const char>(information->command_line), options)) {
        end_run_by_monitor_error("the monitor's command line is not understood");
    }
    const GuestFiles files = take_files(*information, options);
    build_nested_tables(options);
    if (options.profile) {
        calibrate_profile(options);
    }
    initialise(vcpu, options);
    load_guest(files, *information);
    set_reported_vcpu(vcpu);
    Record("start")
        .text("platform", options.platform == Platform::native ? "native" : "sev-es")
        .number("c_bit", options.c_bit_position)
        .number("memory", options.memory)
        .end();
    for (;;) {
        // HLT with interrupts on is let through until something else happens.
        u32& misc = vcpu.vmcb.intercept_misc1;
        misc      = vcpu.may_halt ? misc & ~intercept::hlt : misc | intercept::hlt;
        attack_at_entry(vcpu);
        profile_entry(vcpu);
        enter(vcpu, nested_root(vcpu, false));
        profile_run(vcpu);
        handle_exit(vcpu);
    }
}
